#include <sys/stat.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "lib/base/log.h"
#include "lib/store/durable.h"
#include "lib/store/meta.h"
#include "lib/store/vm.h"
#include "lib/store/volume.h"

#define DISK "disk.raw"
#define META "volume.json"
#define LOCK "lock"
#define MARK ".volume" /* no VM has a dot in its name */
#define TRASH_NAME (VM_VOLUME_ID + sizeof(MARK ".18446744073709551615"))

static int
append(struct vm_json *ids, const char *id, struct vm_error *err)
{
	return vm_json_append(ids, vm_json_new_string(id), err);
}

static bool
is_vm_there(const struct vm_store *store, const char *vm)
{
	return faccessat(store->fds[VM_STORE_VMS], vm, F_OK,
		   AT_SYMLINK_NOFOLLOW) == 0;
}

/* --- to the trash ----------------------------------------------------------*/

/* Under its lock: a VM of that name has it before it can be seen. */
static int
trash_one(struct vm_store *store, const char *vm, const char *id,
    char *const *trash, struct vm_error *err)
{
	VM_CLEAN_FD int lock_fd = vm_volume_lock(store, id, VM_LOCK_NO_WAIT,
	    err);
	VM_CLEAN_FREE char *kept = NULL;
	char wish[TRASH_NAME];

	if (lock_fd == -1)
		return -1;
	if (is_vm_there(store, vm))
		return vm_error_set(err, VM_E_TRY_AGAIN, "in_use",
		    "volume %s: a VM %s has been made just now", id, vm);
	snprintf(wish, sizeof(wish), "%s" MARK, id);
	if (vm_publish_keep_unsynced(store, VM_STORE_VOLUMES, id,
		VM_STORE_TRASH, wish, vm_publish_newest(trash, wish), &kept,
		err) == -1)
		return -1;
	if (vm_publish_settle(store, VM_STORE_VOLUMES, VM_STORE_TRASH, err) ==
	    0)
		return 0;
	if (vm_publish_move_unsynced(store, VM_STORE_TRASH, kept,
		VM_STORE_VOLUMES, id, NULL) == -1)
		vm_log(VM_LOG_WARN, "%s: cannot be taken back", kept);
	return -1;
}

int
vm_volume_trash_all(struct vm_store *store, const char *vm, struct vm_json *ids,
    struct vm_error *err)
{
	VM_CLEAN_NAMES char **names = vm_store_list(store, VM_STORE_VOLUMES,
	    err);
	VM_CLEAN_NAMES char **trash = NULL;

	if (names == NULL)
		return -1;
	for (size_t i = 0; names[i] != NULL; i++) {
		if (!vm_volume_is_of(names[i], vm))
			continue;
		if (trash == NULL &&
		    (trash = vm_store_list(store, VM_STORE_TRASH, err)) == NULL)
			return -1;
		if (trash_one(store, vm, names[i], trash, err) == -1 ||
		    append(ids, names[i], err) == -1)
			return -1;
	}
	return 0;
}

/* --- and back --------------------------------------------------------------*/

/* "shop-db-1-data.volume.2": is it one of this VM?  Then its id. */
static bool
is_trash_of(const char *name, const char *vm, char id[VM_VOLUME_ID])
{
	const char *mark = strstr(name, MARK ".");
	size_t len = mark == NULL ? 0 : (size_t)(mark - name);

	if (len == 0 || len >= VM_VOLUME_ID)
		return false;
	memcpy(id, name, len);
	id[len] = '\0';
	return vm_volume_is_of(id, vm);
}

bool
vm_volume_is_trash_of(const char *name, const char *vm)
{
	char id[VM_VOLUME_ID];

	return is_trash_of(name, vm, id);
}

int
vm_volume_untrash_all(struct vm_store *store, const char *vm,
    struct vm_json *ids, struct vm_error *err)
{
	VM_CLEAN_NAMES char **trash = vm_store_list(store, VM_STORE_TRASH, err);
	char id[VM_VOLUME_ID], last[VM_VOLUME_ID] = "", name[TRASH_NAME];

	if (trash == NULL)
		return -1;
	for (size_t i = 0; trash[i] != NULL; i++) {
		if (!is_trash_of(trash[i], vm, id) || strcmp(id, last) == 0)
			continue;
		memcpy(last, id, sizeof(last));
		snprintf(name, sizeof(name), "%s" MARK, id);
		snprintf(name, sizeof(name), "%s" MARK ".%ju", id,
		    (uintmax_t)vm_publish_newest(trash, name));
		if (vm_publish_untrash(store, name, VM_STORE_VOLUMES, id,
			err) == -1 ||
		    append(ids, id, err) == -1)
			return -1;
	}
	return 0;
}

/* --- mending ---------------------------------------------------------------*/

/* One volume of a VM that is being looked after. */
struct ward {
	struct vm_store *store;
	const struct vm_json *disk; /* its entry in the record */
	const char *vm, *id, *file;
	int vm_fd; /* the VM's directory */
};

/* Is dir/<name>/disk.raw there, and the same as the VM's link (if any)? */
static bool
is_disk_of(const struct ward *w, enum vm_store_dir dir, const char *name)
{
	char path[TRASH_NAME + sizeof("/" DISK)];
	struct stat own, linked;

	snprintf(path, sizeof(path), "%s/" DISK, name);
	if (fstatat(w->store->fds[dir], path, &own, AT_SYMLINK_NOFOLLOW) == -1)
		return false;
	return fstatat(w->vm_fd, w->file, &linked, AT_SYMLINK_NOFOLLOW) == -1 ||
	    (own.st_ino == linked.st_ino && own.st_dev == linked.st_dev);
}

/* The VM's link, of which the store has no name left, is a volume again. */
static int
republish(const struct ward *w, struct vm_error *err)
{
	VM_CLEAN_PUBLISH struct vm_publish publish = { 0 };
	VM_CLEAN_JSON struct vm_json *facts = vm_json_new_object();
	VM_CLEAN_BUF struct vm_buf text = { 0 };
	const char *mount = vm_json_string(w->disk, "mount", NULL);
	const char *uuid = vm_json_string(w->disk, "uuid", NULL);

	if (vm_json_set_string(facts, "vm", w->vm, err) == -1 ||
	    vm_json_set_string(facts, "name",
		vm_json_string(w->disk, "name", ""), err) == -1 ||
	    (mount != NULL &&
		vm_json_set_string(facts, "mount", mount, err) == -1) ||
	    (uuid != NULL &&
		(vm_json_set_string(facts, "fs.type", "ext4", err) == -1 ||
		    vm_json_set_string(facts, "fs.uuid", uuid, err) == -1)) ||
	    vm_meta_format(facts, &text, err) == -1 ||
	    vm_publish_begin(w->store, &publish, err) == -1 ||
	    vm_publish_link(&publish, w->vm_fd, w->file, DISK, err) == -1 ||
	    vm_publish_write(&publish, LOCK, 0600, "", 0, err) == -1 ||
	    vm_publish_write(&publish, META, 0600, text.data, text.len, err) ==
		-1)
		return -1;
	return vm_publish_commit(&publish, VM_STORE_VOLUMES, w->id,
	    VM_PUBLISH_NEW, err);
}

/* Bring the volume back from the trash: 1; it is not there: 0. */
static int
bring_back(const struct ward *w, struct vm_error *err)
{
	VM_CLEAN_NAMES char **trash = vm_store_list(w->store, VM_STORE_TRASH,
	    err);
	char name[TRASH_NAME];
	uint64_t n;

	if (trash == NULL)
		return -1;
	snprintf(name, sizeof(name), "%s" MARK, w->id);
	for (n = vm_publish_newest(trash, name); n > 0; n--) {
		snprintf(name, sizeof(name), "%s" MARK ".%ju", w->id,
		    (uintmax_t)n);
		if (is_disk_of(w, VM_STORE_TRASH, name))
			return vm_publish_untrash(w->store, name,
				   VM_STORE_VOLUMES, w->id, err) == -1 ?
			    -1 :
			    1;
	}
	return 0;
}

/* Link it into the VM's directory again. */
static int
relink(const struct ward *w, struct vm_error *err)
{
	struct vm_durable *durable = w->store->durable;
	char path[VM_VOLUME_ID + sizeof("/" DISK)];

	snprintf(path, sizeof(path), "%.*s/" DISK, VM_VOLUME_ID - 1, w->id);
	if (vm_durable_link(durable, w->store->fds[VM_STORE_VOLUMES], path,
		w->vm_fd, w->file) == -1 ||
	    vm_durable_fsync_dir(durable, w->vm_fd) == -1)
		return vm_error_errno(err, errno, "volume %s", w->id);
	return 0;
}

static int
mend(const struct ward *w, struct vm_error *err)
{
	bool has_link = faccessat(w->vm_fd, w->file, F_OK,
			    AT_SYMLINK_NOFOLLOW) == 0;
	int result;

	if (faccessat(w->store->fds[VM_STORE_VOLUMES], w->id, F_OK,
		AT_SYMLINK_NOFOLLOW) == -1) {
		result = bring_back(w, err);
		if (result == -1)
			return -1;
		if (result == 0 && !has_link)
			return vm_error_set(err, VM_E_DATA, "volume_lost",
			    "volume %s: neither in the store nor in its trash",
			    w->id);
		if (result == 0 && republish(w, err) == -1)
			return -1;
	}
	if (!has_link)
		return relink(w, err);
	if (!is_disk_of(w, VM_STORE_VOLUMES, w->id))
		vm_log(VM_LOG_WARN, "volume %s: is another one than the VM had",
		    w->id);
	return 0;
}

int
vm_volume_mend_all(struct vm_store *store, const struct vm_json *record,
    struct vm_error *err)
{
	const struct vm_json *disks = vm_json_get(record, "disks");
	struct ward w = { .store = store,
		.vm = vm_json_string(record, "name", "") };
	VM_CLEAN_FD int vm_fd = -1;
	char own[VM_VOLUME_ID];

	for (size_t i = 0; i < vm_json_count(disks); i++) {
		w.disk = vm_json_at(disks, i);
		w.id = vm_json_string(w.disk, "volume", NULL);
		w.file = vm_vm_disk_file(w.disk);
		if (w.id == NULL)
			continue;
		if (vm_volume_make_id(w.vm, vm_json_string(w.disk, "name", ""),
			own, err) == -1)
			return -1;
		if (strcmp(own, w.id) != 0)
			return vm_error_set(err, VM_E_DATA, "bad_record",
			    "volume %s is not one of this VM", w.id);
		if (vm_fd == -1 &&
		    (vm_fd = vm_store_open_object(store, VM_STORE_VMS, w.vm,
			 err)) == -1)
			return -1;
		w.vm_fd = vm_fd;
		if (mend(&w, err) == -1)
			return -1;
	}
	return 0;
}
