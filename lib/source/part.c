#include "lib/source/part.h"

#include <sys/file.h>
#include <sys/stat.h>

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/adapt/json.h"
#include "lib/base/fd.h"
#include "lib/base/log.h"

#define DATA "data"
#define SUMS "sums"
#define SUM_LEN ((size_t)VM_HASH_SHA256_HEX) /* with its newline */
#define SUMS_MAX ((size_t)256 << 20)

struct vm_part {
	struct vm_store *store;
	char name[VM_HASH_SHA256_HEX]; /* in incoming/ */
	char *source;		       /* as shown */
	int dir, data, sums;	       /* descriptors */
	struct vm_buf kept;	       /* the sums file as it was */
	size_t first;		       /* offset in it of the first sum */
	uint64_t prefix, length, written;
	uint64_t given; /* bytes, those of the prefix first */
	char etag[256];
	atomic_bool keeping; /* bytes and sums are written */
	atomic_bool spoilt;  /* they could not be */
	atomic_int holds;    /* enum holds */
};

/* Are all bytes that were given in the file, and does somebody rely on it? */
enum holds { HOLDS_NOT, HOLDS, HOLDS_LENT };

static bool
is_strong(const char *etag)
{
	return etag[0] == '"';
}

/* --- what is kept -------------------------------------------------------- */

/* Its first line; false when it is not for this source. */
static bool
read_head(struct vm_part *p)
{
	const char *end = memchr(p->kept.data, '\n', p->kept.len);
	struct vm_json *head VM_CLEAN_JSON = NULL;

	if (end == NULL)
		return false;
	p->first = (size_t)(end + 1 - p->kept.data);
	head = vm_json_parse(p->kept.data, p->first, NULL);
	if (vm_json_int(head, "vmpipe_part", 0) != 1 ||
	    strcmp(vm_json_string(head, "source", ""), p->source) != 0)
		return false;
	snprintf(p->etag, sizeof(p->etag), "%s",
	    vm_json_string(head, "etag", ""));
	p->length = (uint64_t)vm_json_int(head, "length", 0);
	return p->length > 0 && p->length <= INT64_MAX;
}

/* How much of it can be gone on from?  At least a byte is left to ask for. */
static void
load(struct vm_part *p, bool pinned)
{
	uint64_t steps;
	struct stat data;

	p->kept.max = SUMS_MAX;
	if (vm_fd_slurp(p->sums, SUMS_MAX, &p->kept, SUMS, NULL) == -1 ||
	    p->kept.len == 0 || !read_head(p) ||
	    (!is_strong(p->etag) && !pinned) || fstat(p->data, &data) == -1)
		return;
	steps = (p->kept.len - p->first) / SUM_LEN;
	if ((uint64_t)data.st_size / VM_PART_STEP < steps)
		steps = (uint64_t)data.st_size / VM_PART_STEP;
	if ((p->length - 1) / VM_PART_STEP < steps)
		steps = (p->length - 1) / VM_PART_STEP;
	p->prefix = steps * VM_PART_STEP;
	if (p->prefix > 0)
		atomic_store(&p->holds, HOLDS);
}

static int
open_file(const struct vm_part *p, const char *name)
{
	return openat(p->dir, name,
	    O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0600);
}

/* Is the directory that we have locked still the one of this name? */
static bool
is_current(const struct vm_part *p)
{
	struct stat mine, named;

	return fstat(p->dir, &mine) == 0 &&
	    fstatat(p->store->fds[VM_STORE_INCOMING], p->name, &named,
		AT_SYMLINK_NOFOLLOW) == 0 &&
	    mine.st_dev == named.st_dev && mine.st_ino == named.st_ino;
}

static bool
open_all(struct vm_part *p)
{
	int incoming = p->store->fds[VM_STORE_INCOMING];

	if (mkdirat(incoming, p->name, 0750) == -1 && errno != EEXIST)
		return false;
	p->dir = openat(incoming, p->name,
	    O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	if (p->dir == -1 || flock(p->dir, LOCK_EX | LOCK_NB) == -1 ||
	    !is_current(p))
		return false;
	p->data = open_file(p, DATA);
	p->sums = open_file(p, SUMS);
	return p->data != -1 && p->sums != -1;
}

struct vm_part *
vm_part_open(struct vm_store *store, const struct vm_source *source, bool keep)
{
	struct vm_part *p VM_CLEAN_PART = calloc(1, sizeof(*p));

	if (p == NULL)
		return NULL;
	p->store = store;
	p->dir = p->data = p->sums = -1;
	p->source = strdup(source->shown);
	if (p->source == NULL ||
	    vm_hash_sha256(p->source, strlen(p->source), p->name, NULL) == -1)
		return NULL;
	if (!open_all(p)) {
		vm_log(VM_LOG_INFO, "%s: no part is kept of it: %s", p->source,
		    strerror(errno));
		return NULL;
	}
	if (!keep)
		return NULL; /* and what is not useful is removed */
	load(p, source->digest[0] != '\0');
	if (p->prefix > 0)
		vm_log(VM_LOG_INFO, "%s: going on at byte %llu", p->source,
		    (unsigned long long)p->prefix);
	return VM_TAKE(p);
}

uint64_t
vm_part_prefix(const struct vm_part *p)
{
	return p->prefix;
}

uint64_t
vm_part_length(const struct vm_part *p)
{
	return p->prefix > 0 ? p->length : 0;
}

const char *
vm_part_etag(const struct vm_part *p)
{
	return p->etag;
}

int
vm_part_read(const struct vm_part *p, uint64_t offset, void *data, size_t len,
    struct vm_error *err)
{
	size_t got;

	if (vm_fd_pread(p->data, data, len, offset, &got, DATA, err) == -1)
		return -1;
	return got == len ? 0 :
			    vm_error_set(err, VM_E_UNAVAILABLE, "restart",
				"the part that was kept has been cut");
}

/* --- what comes ---------------------------------------------------------- */

/*
 * It cannot be written: away with it, so that the image has the room; but when
 * the image is made from it, that is a failure.
 */
static int
give_up(struct vm_part *p, struct vm_error *err)
{
	int error = errno;

	atomic_store(&p->keeping, false);
	atomic_store(&p->spoilt, true);
	if (atomic_exchange(&p->holds, HOLDS_NOT) == HOLDS_LENT)
		return vm_error_errno(err, error, "keep what has come");
	vm_log(VM_LOG_INFO, "%s: no part is kept of it: %s", p->source,
	    strerror(error));
	if (ftruncate(p->sums, 0) == -1 || ftruncate(p->data, 0) == -1)
		return 0; /* it is removed anyway */
	return 0;
}

static int
write_head(struct vm_part *p, struct vm_error *err)
{
	struct vm_json *head VM_CLEAN_JSON = vm_json_new_object();
	VM_CLEAN_BUF struct vm_buf line = { 0 };

	if (head == NULL)
		return vm_error_nomem(err);
	if (vm_json_set_int(head, "vmpipe_part", 1, err) == -1 ||
	    vm_json_set_string(head, "source", p->source, err) == -1 ||
	    vm_json_set_string(head, "etag", p->etag, err) == -1 ||
	    vm_json_set_int(head, "length", (int64_t)p->length, err) == -1 ||
	    vm_json_format(head, false, &line, err) == -1 ||
	    vm_buf_add_string(&line, "\n", err) == -1)
		return -1;
	return vm_fd_write(p->sums, line.data, line.len, SUMS, err);
}

/*
 * Only what the sums stand for is left.  A file that is empty is not cut: ext4
 * would write all of one that was once cut to nothing when it is closed, even
 * if it has been removed.
 */
static int
cut(const struct vm_part *p, size_t sums_len)
{
	struct stat data;

	if (ftruncate(p->sums, (off_t)sums_len) == -1 ||
	    lseek(p->sums, (off_t)sums_len, SEEK_SET) == -1 ||
	    fstat(p->data, &data) == -1)
		return -1;
	if ((uint64_t)data.st_size == p->prefix)
		return 0;
	return ftruncate(p->data, (off_t)p->prefix);
}

/*
 * What follows is not known to be of the file that the ETag was of (mirrors):
 * from now on only a digest can tell that the whole is right.
 */
static int
forget_etag(struct vm_part *p)
{
	size_t sums_len = (size_t)(p->prefix / VM_PART_STEP) * SUM_LEN;

	p->etag[0] = '\0';
	if (cut(p, 0) == -1 || write_head(p, NULL) == -1)
		return -1;
	return vm_fd_write(p->sums, p->kept.data + p->first, sums_len, SUMS,
	    NULL);
}

void
vm_part_begin(struct vm_part *p, const struct vm_http_reply *reply, bool pinned,
    uint64_t free_bytes)
{
	size_t steps = (size_t)(p->prefix / VM_PART_STEP);
	bool worthwhile = reply->length != VM_HTTP_UNKNOWN &&
	    reply->length > VM_PART_STEP && reply->length <= free_bytes / 2 &&
	    (is_strong(reply->etag) || pinned);

	p->written = p->prefix;
	if (p->prefix == 0) {
		p->length = reply->length;
		snprintf(p->etag, sizeof(p->etag), "%s",
		    is_strong(reply->etag) ? reply->etag : "");
		if (cut(p, 0) == -1 ||
		    (worthwhile && write_head(p, NULL) == -1))
			worthwhile = false;
	} else if (cut(p, p->first + steps * SUM_LEN) == -1 ||
	    (is_strong(p->etag) && strcmp(p->etag, reply->etag) != 0 &&
		forget_etag(p) == -1)) {
		worthwhile = false;
	}
	atomic_store(&p->keeping, worthwhile);
	if (worthwhile)
		atomic_compare_exchange_strong(&p->holds, &(int){ HOLDS_NOT },
		    HOLDS);
	else
		atomic_compare_exchange_strong(&p->holds, &(int){ HOLDS },
		    HOLDS_NOT);
}

int
vm_part_write(struct vm_part *p, const void *data, size_t len,
    struct vm_error *err)
{
	bool is_old = p != NULL && p->given < p->prefix;

	if (p == NULL)
		return 0;
	p->given += len;
	if (is_old)
		return 0;
	if (!atomic_load(&p->keeping))
		return atomic_load(&p->holds) != HOLDS_LENT ?
		    0 :
		    vm_error_errno(err, EIO, "keep what has come");
	if (vm_fd_pwrite(p->data, data, len, p->written, DATA, NULL) == -1)
		return give_up(p, err);
	p->written += len;
	return 0;
}

int
vm_part_lend(struct vm_part *p)
{
	int holds = HOLDS;

	return atomic_compare_exchange_strong(&p->holds, &holds, HOLDS_LENT) ?
	    p->data :
	    -1;
}

int
vm_part_note(struct vm_part *p, uint64_t position, const char *hex,
    struct vm_error *err)
{
	size_t at = p->first + (size_t)(position / VM_PART_STEP - 1) * SUM_LEN;
	char line[SUM_LEN + 1];

	if (position <= p->prefix &&
	    memcmp(p->kept.data + at, hex, SUM_LEN - 1) != 0)
		return vm_error_set(err, VM_E_UNAVAILABLE, "restart",
		    "%s: the part that was kept is damaged", p->source);
	if (position <= p->prefix || !atomic_load(&p->keeping))
		return 0;
	snprintf(line, sizeof(line), "%s\n", hex);
	if (vm_fd_write(p->sums, line, SUM_LEN, SUMS, NULL) == -1)
		return give_up(p, err);
	return 0;
}

/* --- the end ------------------------------------------------------------- */

void
vm_part_discard(struct vm_part *p)
{
	if (p == NULL || p->dir == -1)
		return;
	atomic_store(&p->keeping, false);
	unlinkat(p->dir, DATA, 0);
	unlinkat(p->dir, SUMS, 0);
	unlinkat(p->store->fds[VM_STORE_INCOMING], p->name, AT_REMOVEDIR);
	close(VM_TAKE_FD(p->dir));
}

/* Is there enough of it for another process to go on from? */
static bool
is_useful(const struct vm_part *p)
{
	if (atomic_load(&p->spoilt))
		return false;
	return atomic_load(&p->keeping) ? p->written >= VM_PART_STEP :
					  p->prefix > 0;
}

void
vm_part_clean(struct vm_part **owned)
{
	struct vm_part *p = *owned;

	if (p == NULL)
		return;
	if (p->data != -1 && p->sums != -1 && !is_useful(p))
		vm_part_discard(p);
	vm_buf_release(&p->kept);
	free(p->source);
	vm_clean_fd(&p->data);
	vm_clean_fd(&p->sums);
	vm_clean_fd(&p->dir);
	free(p);
}
