#include "lib/image/flight.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/adapt/crypto_hash.h"
#include "lib/base/clock.h"
#include "lib/base/progress.h"
#include "lib/store/lock.h"

#define LOOK_MS 200 /* between two looks at the other's */
#define NOTE_BYTES ((uint64_t)1 << 20)
#define NOTE_LEN 42 /* "DONE TOTAL\n", 20 places each */

/* What the process that has the lock last wrote. */
static void
show_other(struct vm_store *store, const char *name)
{
	int fd VM_CLEAN_FD = openat(store->fds[VM_STORE_LOCKS], name,
	    O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	char note[NOTE_LEN + 1] = "", *rest;
	uint64_t done, total;

	if (fd == -1 || pread(fd, note, NOTE_LEN, 0) != NOTE_LEN)
		return;
	done = strtoull(note, &rest, 10);
	total = strtoull(rest, NULL, 10);
	vm_progress_total(total == UINT64_MAX ? 0 : total);
	vm_progress_update(done);
}

int
vm_flight_begin(struct vm_store *store, const char *source, uint64_t wait_ms,
    struct vm_flight *flight, struct vm_error *err)
{
	char hex[VM_HASH_SHA256_HEX], name[VM_HASH_SHA256_HEX + 8];
	uint64_t start = vm_clock_ms();
	struct vm_error failure = { 0 };

	*flight = (struct vm_flight){ .lock_fd = -1, .silent = flight->silent };
	if (vm_hash_sha256(source, strlen(source), hex, err) == -1)
		return -1;
	snprintf(name, sizeof(name), "fetch-%s", hex);
	for (;;) {
		uint64_t passed = vm_clock_ms() - start, wait = LOOK_MS;

		if (wait_ms != VM_LOCK_FOREVER)
			wait = passed >= wait_ms    ? 0 :
			    wait_ms - passed < wait ? wait_ms - passed :
						      wait;
		flight->lock_fd = vm_lock_named(store, name, wait, &failure);
		if (flight->lock_fd != -1)
			return 0;
		if (strcmp(failure.code, "locked") != 0) {
			if (err != NULL)
				*err = failure;
			return -1;
		}
		if (wait == 0)
			return vm_error_set(err, VM_E_TRY_AGAIN, "locked",
			    "%s: another process is fetching it", source);
		flight->waited = true;
		if (!flight->silent)
			show_other(store, name);
	}
}

void
vm_flight_note(struct vm_flight *flight, uint64_t done, uint64_t total)
{
	uint64_t now = vm_clock_ms();
	char note[NOTE_LEN + 1];

	if (!flight->silent) {
		vm_progress_total(total == UINT64_MAX ? 0 : total);
		vm_progress_update(done);
	}
	/* By bytes too: nothing is noted while a server stalls. */
	if (flight->lock_fd == -1 ||
	    (now - flight->noted_ms < LOOK_MS &&
		done - flight->noted < NOTE_BYTES))
		return;
	flight->noted_ms = now;
	flight->noted = done;
	snprintf(note, sizeof(note), "%20llu %20llu\n",
	    (unsigned long long)done, (unsigned long long)total);
	/* Only for the eyes of those who wait: nothing depends on it. */
	if (pwrite(flight->lock_fd, note, NOTE_LEN, 0) == -1)
		flight->noted_ms = now;
}

void
vm_flight_end(struct vm_flight *flight)
{
	if (flight->lock_fd >= 0)
		close(VM_TAKE_FD(flight->lock_fd));
}
