#include "lib/store/pin.h"

#include <sys/file.h>
#include <sys/stat.h>

#include <errno.h>
#include <fcntl.h>
#include <time.h>

#include "lib/store/durable.h"
#include "lib/store/meta.h"

#define KEEP "keep"

int
vm_pin_read(int image_fd, struct vm_pin *pin, struct vm_error *err)
{
	VM_CLEAN_JSON struct vm_json *keep = NULL;
	struct vm_error cause = { 0 };

	*pin = (struct vm_pin){ 0 };
	keep = vm_meta_read(image_fd, KEEP, "pin_damaged", &cause);
	if (keep == NULL && cause.kind == VM_E_NO_INPUT)
		return 0;
	if (keep == NULL) {
		if (err != NULL)
			*err = cause;
		return -1;
	}
	pin->pinned = vm_json_bool(keep, "pinned", false);
	pin->granted_s = vm_json_int(keep, "lease.granted", 0);
	pin->lease_s = (uint64_t)vm_json_int(keep, "lease.seconds", 0);
	return 0;
}

bool
vm_pin_is_leased(const struct vm_pin *pin, const struct vm_use_clock *clock)
{
	return pin->lease_s > 0 &&
	    vm_use_age(clock, pin->granted_s) < pin->lease_s;
}

static int
write_keep(struct vm_store *store, int dir_fd, const struct vm_pin *pin,
    struct vm_error *err)
{
	VM_CLEAN_JSON struct vm_json *keep = NULL;

	if (!pin->pinned && pin->lease_s == 0) {
		if (vm_durable_unlink(store->durable, dir_fd, KEEP, 0) == -1)
			return errno == ENOENT ?
			    0 :
			    vm_error_errno(err, errno, KEEP);
		return vm_durable_fsync_dir(store->durable, dir_fd) == 0 ?
		    0 :
		    vm_error_errno(err, errno, KEEP ": fsync");
	}
	keep = vm_json_new_object();
	if (keep == NULL)
		return vm_error_nomem(err);
	if (vm_json_set_bool(keep, "pinned", pin->pinned, err) == -1 ||
	    (pin->lease_s > 0 &&
		(vm_json_set_int(keep, "lease.granted", pin->granted_s, err) ==
			-1 ||
		    vm_json_set_int(keep, "lease.seconds",
			(int64_t)pin->lease_s, err) == -1)))
		return -1;
	return vm_meta_write(store, dir_fd, KEEP, 0640, keep, err);
}

/* Is the directory, locked by us, still the image's? */
static int
check_there(struct vm_store *store, const char *id, int dir_fd,
    struct vm_error *err)
{
	struct stat mine, named;

	if (fstat(dir_fd, &mine) == 0 &&
	    fstatat(store->fds[VM_STORE_IMAGES], id, &named,
		AT_SYMLINK_NOFOLLOW) == 0 &&
	    mine.st_ino == named.st_ino)
		return 0;
	return vm_error_set(err, VM_E_TRY_AGAIN, "changed",
	    "image %s: was just taken away", id);
}

int
vm_pin_change(struct vm_store *store, const char *id,
    const struct vm_pin_change *change, struct vm_error *err)
{
	VM_CLEAN_FD int dir_fd = vm_store_open_object(store, VM_STORE_IMAGES,
	    id, err);
	struct vm_pin pin;

	if (dir_fd == -1)
		return -1;
	if (flock(dir_fd, LOCK_EX) == -1)
		return vm_error_errno(err, errno, "image %s: lock", id);
	if (check_there(store, id, dir_fd, err) == -1)
		return -1;
	if (vm_pin_read(dir_fd, &pin, NULL) == -1)
		pin = (struct vm_pin){ 0 }; /* damaged: written anew */
	if (change->unpin)
		pin = (struct vm_pin){ 0 };
	if (change->pin)
		pin.pinned = true;
	if (change->lease) {
		pin.granted_s = time(NULL);
		pin.lease_s = change->lease_ms / 1000;
	}
	return write_keep(store, dir_fd, &pin, err);
}
