#include "lib/store/volume.h"

#include <sys/file.h>
#include <sys/stat.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "lib/base/fd.h"
#include "lib/base/log.h"
#include "lib/base/size.h"
#include "lib/disk/ext4.h"
#include "lib/store/durable.h"
#include "lib/store/lock.h"
#include "lib/store/meta.h"

#define DISK "disk.raw"
#define META "volume.json"
#define LOCK "lock"
#define WAIT_MS 30000 /* for those who make clones with it */
#define TRIES 8	      /* when others make and remove it meanwhile */

/* --- names -----------------------------------------------------------------*/

int
vm_volume_make_id(const char *vm, const char *name, char id[VM_VOLUME_ID],
    struct vm_error *err)
{
	size_t len = strlen(name);

	if (vm_record_check_name(vm, err) == -1)
		return -1;
	if (len == 0 || len > VM_VOLUME_NAME_MAX || name[0] == '_' ||
	    strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789_") != len)
		return vm_error_set(err, VM_E_USAGE, "bad_name",
		    "a volume's name is at most %d of a-z, 0-9 and _",
		    VM_VOLUME_NAME_MAX);
	snprintf(id, VM_VOLUME_ID, "%s-%s", vm, name);
	return 0;
}

void
vm_volume_make_file(const char *name, char file[VM_VOLUME_FILE])
{
	snprintf(file, VM_VOLUME_FILE, "volume-%.*s.raw", VM_VOLUME_NAME_MAX,
	    name);
}

bool
vm_volume_is_of(const char *id, const char *vm)
{
	size_t len = strlen(vm);

	return strncmp(id, vm, len) == 0 && id[len] == '-' &&
	    id[len + 1] != '\0' && strchr(id + len + 1, '-') == NULL;
}

/* --- what it is ------------------------------------------------------------*/

static int
not_found(const char *id, struct vm_error *err)
{
	vm_error_set(err, VM_E_NO_INPUT, "volume_not_found",
	    "%s: no such volume", id);
	return vm_error_hint(err, "vmls -t volume");
}

/* Does volume.json speak of the volume that it lies in? */
static int
check_facts(const struct vm_json *facts, const char *id, struct vm_error *err)
{
	const char *vm = vm_json_string(facts, "vm", "");
	const char *name = vm_json_string(facts, "name", "");
	char own[VM_VOLUME_ID] = "";

	if (vm_volume_make_id(vm, name, own, NULL) == 0 && strcmp(own, id) == 0)
		return 0;
	return vm_error_set(err, VM_E_DATA, "volume_damaged",
	    "volume %s: %s is of another", id, META);
}

/* volume.json of the open directory, with the size that disk.raw has. */
static struct vm_json *
read_facts(int dir_fd, const char *id, struct vm_error *err)
{
	VM_CLEAN_JSON struct vm_json *facts = vm_meta_read(dir_fd, META,
	    "volume_damaged", err);
	struct stat st;

	if (facts == NULL) {
		vm_error_wrap(err, "volume %s", id);
		return NULL;
	}
	if (check_facts(facts, id, err) == -1)
		return NULL;
	if (fstatat(dir_fd, DISK, &st, AT_SYMLINK_NOFOLLOW) == -1 ||
	    !S_ISREG(st.st_mode)) {
		vm_error_set(err, VM_E_DATA, "volume_damaged",
		    "volume %s: its " DISK " is missing", id);
		return NULL;
	}
	if (vm_json_set_int(facts, "size", st.st_size, err) == -1)
		return NULL;
	return VM_TAKE(facts);
}

/* As read_facts(), and what is not there is damaged. */
static struct vm_json *
load_facts(int dir_fd, const char *id, struct vm_error *err)
{
	struct vm_error cause = { 0 };
	struct vm_json *facts = read_facts(dir_fd, id, &cause);

	if (facts != NULL)
		return facts;
	if (cause.kind == VM_E_NO_INPUT)
		vm_error_set(&cause, VM_E_DATA, "volume_damaged",
		    "volume %s: " META " is missing", id);
	if (err != NULL)
		*err = cause;
	return NULL;
}

static int
open_dir(const struct vm_store *store, const char *id, struct vm_error *err)
{
	struct vm_error cause = { 0 };
	int fd = vm_store_open_object(store, VM_STORE_VOLUMES, id, &cause);

	if (fd != -1)
		return fd;
	if (cause.kind == VM_E_NO_INPUT)
		return not_found(id, err);
	if (err != NULL)
		*err = cause;
	return -1;
}

struct vm_json *
vm_volume_load(struct vm_store *store, const char *id, struct vm_error *err)
{
	VM_CLEAN_FD int dir_fd = open_dir(store, id, err);

	return dir_fd == -1 ? NULL : load_facts(dir_fd, id, err);
}

/* --- opening ---------------------------------------------------------------*/

void
vm_volume_close(struct vm_volume *volume)
{
	if (volume->facts != NULL) {
		vm_json_free(volume->facts);
		vm_clean_fd(&volume->dir_fd);
		vm_clean_fd(&volume->lock_fd);
	}
	*volume = (struct vm_volume){ .dir_fd = -1, .lock_fd = -1 };
}

int
vm_volume_lock(struct vm_store *store, const char *id, uint64_t wait_ms,
    struct vm_error *err)
{
	struct vm_error cause = { 0 };
	char path[VM_VOLUME_ID + sizeof("/" LOCK)];
	int fd;

	snprintf(path, sizeof(path), "%s/" LOCK, id);
	fd = vm_lock_take(store->fds[VM_STORE_VOLUMES], path, false, true,
	    wait_ms, &cause);
	if (fd != -1)
		return fd;
	if (cause.kind == VM_E_NO_INPUT)
		return not_found(id, err);
	if (cause.kind == VM_E_TRY_AGAIN)
		return vm_error_set(err, VM_E_TRY_AGAIN, "in_use",
		    "volume %s: another command works on it", id);
	if (err != NULL)
		*err = cause;
	return vm_error_wrap(err, "volume");
}

int
vm_volume_open(struct vm_store *store, const char *id, struct vm_volume *volume,
    struct vm_error *err)
{
	VM_CLEAN_FD int lock_fd = vm_volume_lock(store, id, WAIT_MS, err);
	VM_CLEAN_FD int dir_fd = lock_fd == -1 ? -1 : open_dir(store, id, err);
	struct vm_json *facts = dir_fd == -1 ? NULL :
					       load_facts(dir_fd, id, err);

	if (facts == NULL)
		return -1;
	*volume = (struct vm_volume){ .facts = facts };
	snprintf(volume->id, sizeof(volume->id), "%s", id);
	volume->dir_fd = VM_TAKE_FD(dir_fd);
	volume->lock_fd = VM_TAKE_FD(lock_fd);
	return 0;
}

/* --- making ----------------------------------------------------------------*/

static int
read_size(const struct vm_json *wanted, const char *id, uint64_t *size,
    struct vm_error *err)
{
	if (vm_size_parse(vm_json_string(wanted, "size", ""), size, err) == -1)
		return vm_error_wrap(err, "volume %s", id);
	if (*size > 0 && *size % 512 == 0 && *size <= INT64_MAX)
		return 0;
	return vm_error_set(err, VM_E_USAGE, "bad_size",
	    "volume %s: %llu bytes is not a multiple of 512", id,
	    (unsigned long long)*size);
}

static int
make_disk(struct vm_publish *publish, const struct vm_json *wanted,
    struct vm_json *facts, struct vm_error *err)
{
	VM_CLEAN_FD int fd = vm_publish_create(publish, DISK, err);
	const char *mount = vm_json_string(wanted, "mount", NULL);
	char uuid[VM_EXT4_UUID];

	if (fd == -1)
		return -1;
	if (ftruncate(fd, vm_json_int(facts, "size", 0)) == -1)
		return vm_error_errno(err, errno, DISK);
	if (mount != NULL &&
	    (vm_ext4_make(fd, vm_json_string(wanted, "name", ""), uuid, err) ==
		    -1 ||
		vm_json_set_string(facts, "mount", mount, err) == -1 ||
		vm_json_set_string(facts, "fs.type", "ext4", err) == -1 ||
		vm_json_set_string(facts, "fs.uuid", uuid, err) == -1))
		return -1;
	return vm_publish_seal(publish, fd, 0600, err);
}

static int
write_facts(struct vm_publish *publish, struct vm_json *facts,
    struct vm_error *err)
{
	VM_CLEAN_BUF struct vm_buf text = { 0 };

	if (vm_meta_format(facts, &text, err) == -1)
		return -1;
	return vm_publish_write(publish, META, 0600, text.data, text.len, err);
}

/* Locked from before it can be seen, so that it can be taken back. */
static int
make_lock(struct vm_publish *publish, struct vm_error *err)
{
	VM_CLEAN_FD int fd = vm_publish_create(publish, LOCK, err);

	if (fd == -1)
		return -1;
	if (flock(fd, LOCK_EX | LOCK_NB) == -1)
		return vm_error_errno(err, errno, LOCK);
	return VM_TAKE_FD(fd);
}

/* VM_E_EXISTS "exists": another one was faster. */
static int
make(struct vm_store *store, const char *vm, const struct vm_json *wanted,
    bool durable, struct vm_volume *volume, struct vm_error *err)
{
	VM_CLEAN_PUBLISH struct vm_publish publish = { 0 };
	VM_CLEAN_JSON struct vm_json *facts = vm_json_new_object();
	VM_CLEAN_FD int lock_fd = -1, dir_fd = -1;
	uint64_t size;

	if (read_size(wanted, volume->id, &size, err) == -1 ||
	    vm_json_set_string(facts, "vm", vm, err) == -1 ||
	    vm_json_set_string(facts, "name",
		vm_json_string(wanted, "name", ""), err) == -1 ||
	    vm_json_set_int(facts, "size", (int64_t)size, err) == -1 ||
	    vm_publish_begin(store, &publish, err) == -1)
		return -1;
	publish.durable = durable;
	if (make_disk(&publish, wanted, facts, err) == -1 ||
	    write_facts(&publish, facts, err) == -1 ||
	    (lock_fd = make_lock(&publish, err)) == -1)
		return vm_error_wrap(err, "volume %s", volume->id);
	dir_fd = fcntl(publish.dir_fd, F_DUPFD_CLOEXEC, 0);
	if (dir_fd == -1)
		return vm_error_errno(err, errno, "volume %s", volume->id);
	if (vm_publish_commit(&publish, VM_STORE_VOLUMES, volume->id,
		VM_PUBLISH_NEW, err) == -1)
		return -1;
	volume->facts = VM_TAKE(facts);
	volume->dir_fd = VM_TAKE_FD(dir_fd);
	volume->lock_fd = VM_TAKE_FD(lock_fd);
	volume->is_new = true;
	return 0;
}

/* Can what is there be what is asked for? */
static int
check_wanted(const struct vm_volume *volume, const struct vm_json *wanted,
    struct vm_error *err)
{
	uint64_t is = (uint64_t)vm_json_int(volume->facts, "size", 0), size;
	char text[VM_SIZE_TEXT];

	if (read_size(wanted, volume->id, &size, err) == -1)
		return -1;
	if (size < is)
		return vm_error_set(err, VM_E_USAGE, "bad_size",
		    "volume %s: smaller than the %s that it has: volumes "
		    "only grow",
		    volume->id, vm_size_format(is, false, text));
	if (vm_json_get(wanted, "mount") == NULL ||
	    vm_json_get(volume->facts, "fs.uuid") != NULL)
		return 0;
	vm_error_set(err, VM_E_USAGE, "no_file_system",
	    "volume %s: to be mounted, but it was made without a file system "
	    "and is never formatted later: mount it in the guest instead",
	    volume->id);
	return -1;
}

int
vm_volume_take(struct vm_store *store, const char *vm,
    const struct vm_json *wanted, bool durable, struct vm_volume *volume,
    struct vm_error *err)
{
	VM_CLEAN_VOLUME struct vm_volume taken = { .dir_fd = -1,
		.lock_fd = -1 };
	struct vm_error cause = { 0 };
	char id[VM_VOLUME_ID];

	if (vm_volume_make_id(vm, vm_json_string(wanted, "name", ""), id,
		err) == -1)
		return -1;
	for (int i = 0; i < TRIES && taken.facts == NULL; i++) {
		vm_error_clear(&cause);
		if (vm_volume_open(store, id, &taken, &cause) == 0)
			break;
		if (cause.kind != VM_E_NO_INPUT)
			break;
		vm_error_clear(&cause);
		memcpy(taken.id, id, sizeof(id));
		if (make(store, vm, wanted, durable, &taken, &cause) == 0 ||
		    cause.kind != VM_E_EXISTS ||
		    strcmp(cause.code, "exists") != 0)
			break;
	}
	if (taken.facts == NULL) {
		if (err != NULL)
			*err = cause;
		return -1;
	}
	if (!taken.is_new && check_wanted(&taken, wanted, err) == -1)
		return -1;
	*volume = taken;
	taken = (struct vm_volume){ .dir_fd = -1, .lock_fd = -1 };
	return 0;
}

/* --- using -----------------------------------------------------------------*/

int
vm_volume_link(const struct vm_volume *volume, struct vm_publish *publish,
    struct vm_error *err)
{
	char file[VM_VOLUME_FILE];

	vm_volume_make_file(vm_json_string(volume->facts, "name", ""), file);
	if (vm_publish_link(publish, volume->dir_fd, DISK, file, err) == -1)
		return vm_error_wrap(err, "volume %s", volume->id);
	return 0;
}

struct vm_json *
vm_volume_describe(const struct vm_volume *volume, const struct vm_json *wanted,
    struct vm_error *err)
{
	VM_CLEAN_JSON struct vm_json *disk = vm_json_new_object();
	const char *name = vm_json_string(volume->facts, "name", "");
	const char *mount = vm_json_string(wanted, "mount", NULL);
	char file[VM_VOLUME_FILE];
	uint64_t size;

	vm_volume_make_file(name, file);
	if (read_size(wanted, volume->id, &size, err) == -1 ||
	    vm_json_set_string(disk, "volume", volume->id, err) == -1 ||
	    vm_json_set_string(disk, "name", name, err) == -1 ||
	    vm_json_set_string(disk, "path", file, err) == -1 ||
	    vm_json_set_string(disk, "format", "raw", err) == -1 ||
	    vm_json_set_string(disk, "mode", "volume", err) == -1 ||
	    vm_json_set_int(disk, "size", (int64_t)size, err) == -1)
		return NULL;
	if (mount != NULL &&
	    (vm_json_set_string(disk, "mount", mount, err) == -1 ||
		vm_json_set_string(disk, "uuid",
		    vm_json_string(volume->facts, "fs.uuid", ""), err) == -1))
		return NULL;
	return VM_TAKE(disk);
}

static int
grow_disk(struct vm_store *store, const struct vm_volume *volume, uint64_t size,
    struct vm_error *err)
{
	VM_CLEAN_FD int fd = openat(volume->dir_fd, DISK,
	    O_RDWR | O_NOFOLLOW | O_CLOEXEC);

	if (fd == -1 || ftruncate(fd, (off_t)size) == -1 ||
	    vm_durable_fsync(store->durable, fd) == -1)
		return vm_error_errno(err, errno, "volume %s", volume->id);
	return 0;
}

int
vm_volume_fit(struct vm_store *store, struct vm_volume *volume,
    const struct vm_json *wanted, struct vm_error *err)
{
	const char *mount = vm_json_string(wanted, "mount", "");
	uint64_t is = (uint64_t)vm_json_int(volume->facts, "size", 0), size;

	if (check_wanted(volume, wanted, err) == -1 ||
	    read_size(wanted, volume->id, &size, err) == -1)
		return -1;
	if (size == is &&
	    strcmp(mount, vm_json_string(volume->facts, "mount", "")) == 0)
		return 0;
	if (size > is && grow_disk(store, volume, size, err) == -1)
		return -1;
	vm_json_delete(volume->facts, "mount");
	if (vm_json_set_int(volume->facts, "size", (int64_t)size, err) == -1 ||
	    (mount[0] != '\0' &&
		vm_json_set_string(volume->facts, "mount", mount, err) == -1))
		return -1;
	if (vm_meta_write(store, volume->dir_fd, META, 0600, volume->facts,
		err) == -1)
		return vm_error_wrap(err, "volume %s", volume->id);
	return 0;
}

void
vm_volume_discard(struct vm_store *store, struct vm_volume *volume)
{
	enum vm_store_dir dir = VM_STORE_TMP;
	const char *name = volume->id;
	char tmp_name[VM_PUBLISH_NAME];
	int fd;

	if (volume->facts == NULL || !volume->is_new)
		return;
	if (vm_publish_make_name(tmp_name, NULL) == 0 &&
	    vm_publish_move_unsynced(store, VM_STORE_VOLUMES, volume->id,
		VM_STORE_TMP, tmp_name, NULL) == 0)
		name = tmp_name;
	else
		dir = VM_STORE_VOLUMES; /* then where it is */
	/* what stays in tmp/ is litter, which a sweep takes */
	fd = fcntl(volume->dir_fd, F_DUPFD_CLOEXEC, 0);
	if (fd == -1 ||
	    vm_durable_remove_tree(store->durable, store->fds[dir], name, fd) ==
		-1)
		vm_log(VM_LOG_WARN, "volume %s: left behind, empty: %m",
		    volume->id);
	vm_volume_close(volume);
}
