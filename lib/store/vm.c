#include "lib/store/vm.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "lib/base/fd.h"
#include "lib/disk/snapshots.h"
#include "lib/record/record.h"
#include "lib/store/meta.h"

#define META "vm.json"
#define META_PATH (VM_NAME_MAX + sizeof("/" META))

/* --- paths: relative in the store, absolute in what is printed -------------*/

/* What comes behind ".../vms/<name>/" in path, or NULL. */
static const char *
find_relative(const char *path, const char *name)
{
	char inside[VM_NAME_MAX + sizeof("/vms//")];
	const char *found = NULL;

	snprintf(inside, sizeof(inside), "/vms/%s/", name);
	for (const char *p = path; (p = strstr(p, inside)) != NULL; p++)
		found = p + strlen(inside);
	return path[0] == '/' ? found : NULL;
}

static int
make_relative(struct vm_json *record, struct vm_error *err)
{
	const char *name = vm_json_string(record, "name", "");
	struct vm_json *disks = vm_json_get(record, "disks");

	for (size_t i = 0; i < vm_json_count(disks); i++) {
		struct vm_json *disk = vm_json_at(disks, i);
		const char *found = find_relative(vm_json_string(disk, "path",
						      ""),
		    name);
		VM_CLEAN_FREE char *path = NULL;

		if (found == NULL)
			continue;
		path = vm_buf_printf(err, "%s", found);
		if (path == NULL ||
		    vm_json_set_string(disk, "path", path, err) == -1)
			return -1;
	}
	return 0;
}

int
vm_vm_make_absolute(const struct vm_store *store, struct vm_json *record,
    struct vm_error *err)
{
	const char *name = vm_json_string(record, "name", "");
	struct vm_json *disks = vm_json_get(record, "disks");

	for (size_t i = 0; i < vm_json_count(disks); i++) {
		struct vm_json *disk = vm_json_at(disks, i);
		const char *relative = vm_json_string(disk, "path", "/");
		VM_CLEAN_FREE char *path = NULL;

		if (relative[0] == '/')
			continue;
		path = vm_store_path(store, VM_STORE_VMS, name, relative, err);
		if (path == NULL ||
		    vm_json_set_string(disk, "path", path, err) == -1)
			return -1;
	}
	return 0;
}

const char *
vm_vm_disk_file(const struct vm_json *disk)
{
	const char *path = vm_json_string(disk, "path", "disk.qcow2");
	const char *slash = strrchr(path, '/');

	return slash == NULL ? path : slash + 1;
}

/* --- loading ---------------------------------------------------------------*/

static int
not_found(const char *name, struct vm_error *err)
{
	vm_error_set(err, VM_E_NO_INPUT, "vm_not_found", "%s: no such VM",
	    name);
	return vm_error_hint(err, "vmls");
}

/* Its disk may well be good, so the way out is one that can be undone. */
static int
damaged(const char *name, const char *why, struct vm_error *err)
{
	vm_error_set(err, VM_E_DATA, "vm_damaged",
	    "%s: its record is damaged: %s", name, why);
	return vm_error_hint(err, "vmrm %s", name);
}

/* There is a VM of that name, whatever its state. */
static bool
is_there(struct vm_store *store, const char *name)
{
	return faccessat(store->fds[VM_STORE_VMS], name, F_OK,
		   AT_SYMLINK_NOFOLLOW) == 0;
}

static int
check_loaded(const struct vm_json *record, const char *name,
    struct vm_error *err)
{
	if (vm_record_check(record, err) == -1)
		return -1;
	if (vm_record_is_kind(record, "vm") &&
	    strcmp(vm_json_string(record, "name", ""), name) == 0)
		return 0;
	return vm_error_set(err, VM_E_DATA, "vm_damaged",
	    "%s is of something else", META);
}

/* vm.json as it stands there. */
static struct vm_json *
load_raw(struct vm_store *store, const char *name, struct vm_error *err)
{
	VM_CLEAN_JSON struct vm_json *record = NULL;
	struct vm_error cause = { 0 };
	char path[META_PATH];

	if (vm_record_check_name(name, err) == -1)
		return NULL;
	snprintf(path, sizeof(path), "%s/%s", name, META);
	record = vm_meta_read(store->fds[VM_STORE_VMS], path, "vm_damaged",
	    &cause);
	if (record != NULL && check_loaded(record, name, &cause) == 0)
		return VM_TAKE(record);
	if (cause.kind == VM_E_NO_INPUT && !is_there(store, name)) {
		not_found(name, err);
		return NULL;
	}
	if (cause.kind == VM_E_NO_INPUT || cause.kind == VM_E_DATA)
		damaged(name, cause.message, err);
	else if (err != NULL)
		*err = cause;
	if (cause.kind == VM_E_CONFIG || cause.kind == VM_E_DENIED)
		vm_error_wrap(err, "%s", name);
	return NULL;
}

/* The host it is on, also when the store has come from another. */
static int
set_host(struct vm_json *record, struct vm_error *err)
{
	char host[256] = "";

	if (vm_json_get(record, "host") == NULL ||
	    gethostname(host, sizeof(host) - 1) == -1)
		return 0;
	return vm_json_set_string(record, "host", host, err);
}

struct vm_json *
vm_vm_load(struct vm_store *store, const char *name, bool with_private,
    struct vm_error *err)
{
	VM_CLEAN_JSON struct vm_json *record = load_raw(store, name, err);

	if (record == NULL || vm_vm_make_absolute(store, record, err) == -1 ||
	    set_host(record, err) == -1)
		return NULL;
	if (!with_private)
		vm_json_delete(record, "private");
	return VM_TAKE(record);
}

struct vm_json *
vm_vm_resolve(void *store, const char *name, struct vm_error *err)
{
	return vm_vm_load(store, name, false, err);
}

/* --- saving ----------------------------------------------------------------*/

int
vm_vm_format(const struct vm_json *record, struct vm_buf *out,
    struct vm_error *err)
{
	VM_CLEAN_JSON struct vm_json *copy = vm_json_copy(record);

	if (copy == NULL)
		return vm_error_nomem(err);
	if (make_relative(copy, err) == -1)
		return -1;
	return vm_meta_format(copy, out, err);
}

/* What the record does not carry but vm.json must not lose. */
static int
keep_inner(struct vm_store *store, const char *name, struct vm_json *record,
    struct vm_error *err)
{
	static const char *const inner[] = { "private", "chain", "lock_inode" };
	VM_CLEAN_JSON struct vm_json *stored = load_raw(store, name, err);

	if (stored == NULL)
		return -1;
	for (size_t i = 0; i < sizeof(inner) / sizeof(inner[0]); i++) {
		const struct vm_json *value = vm_json_member(stored, inner[i]);

		if (value != NULL && vm_json_member(record, inner[i]) == NULL &&
		    vm_json_set_member(record, inner[i], vm_json_copy(value),
			err) == -1)
			return -1;
	}
	return 0;
}

int
vm_vm_save(struct vm_store *store, const struct vm_json *record,
    struct vm_error *err)
{
	const char *name = vm_json_string(record, "name", "");
	VM_CLEAN_JSON struct vm_json *copy = NULL;
	VM_CLEAN_BUF struct vm_buf text = { 0 };
	VM_CLEAN_FD int dir_fd = -1;

	if (vm_record_check_name(name, err) == -1)
		return -1;
	copy = vm_json_copy(record);
	if (copy == NULL)
		return vm_error_nomem(err);
	if (keep_inner(store, name, copy, err) == -1 ||
	    vm_vm_format(copy, &text, err) == -1)
		return -1;
	dir_fd = vm_store_open_object(store, VM_STORE_VMS, name, err);
	if (dir_fd == -1)
		return -1;
	if (vm_publish_file(store, dir_fd, META, 0600, text.data, text.len,
		true, err) == -1)
		return vm_error_wrap(err, "%s", name);
	return 0;
}

/* --- locking ---------------------------------------------------------------*/

static int
lock(struct vm_store *store, const char *name, bool shared, uint64_t wait_ms,
    struct vm_error *err)
{
	struct vm_error cause = { 0 };
	char path[VM_NAME_MAX + sizeof("/lock")];
	int fd;

	if (vm_record_check_name(name, err) == -1)
		return -1;
	snprintf(path, sizeof(path), "%s/lock", name);
	fd = vm_lock_take(store->fds[VM_STORE_VMS], path, shared, true, wait_ms,
	    &cause);
	if (fd != -1)
		return fd;
	if (cause.kind == VM_E_TRY_AGAIN)
		return vm_error_set(err, VM_E_TRY_AGAIN, "in_use",
		    "%s: it runs, or another command works on it", name);
	if (cause.kind == VM_E_NO_INPUT && !is_there(store, name))
		return not_found(name, err);
	if (cause.kind == VM_E_NO_INPUT)
		return vm_error_set(err, VM_E_DATA, "vm_damaged",
		    "%s: something that is no VM is in its place", name);
	if (err != NULL)
		*err = cause;
	return -1;
}

int
vm_vm_lock(struct vm_store *store, const char *name, uint64_t wait_ms,
    struct vm_error *err)
{
	return lock(store, name, false, wait_ms, err);
}

int
vm_vm_lock_shared(struct vm_store *store, const char *name,
    struct vm_error *err)
{
	return lock(store, name, true, VM_LOCK_NO_WAIT, err);
}

int
vm_vm_is_busy(struct vm_store *store, const char *name, struct vm_error *err)
{
	char path[VM_NAME_MAX + sizeof("/lock")];
	int held;

	if (vm_record_check_name(name, err) == -1)
		return -1;
	snprintf(path, sizeof(path), "%s/lock", name);
	held = vm_lock_is_held(store->fds[VM_STORE_VMS], path, err);
	if (held == 0 && !is_there(store, name))
		return not_found(name, err);
	return held;
}

/* --- facts -----------------------------------------------------------------*/

static int
stale(const struct vm_json *stored, const char *what, const char *ours,
    const char *theirs, struct vm_error *err)
{
	const char *name = vm_json_string(stored, "name", "");

	vm_error_set(err, VM_E_EXISTS, "stale_record",
	    "%s: the record is not of the VM in the store: its %s is %s, "
	    "not %s",
	    name, what, ours, theirs);
	return vm_error_hint(err, "vmls --json %s", name);
}

static int
check_disks(const struct vm_json *stored, const struct vm_json *record,
    struct vm_error *err)
{
	const struct vm_json *ours = vm_json_get(stored, "disks");
	const struct vm_json *theirs = vm_json_get(record, "disks");
	const char *const members[] = { "path", "format", "mode" };

	if (theirs == NULL)
		return 0;
	if (vm_json_count(ours) != vm_json_count(theirs))
		return stale(stored, "number of disks", "another", "that", err);
	for (size_t i = 0; i < vm_json_count(ours); i++)
		for (size_t m = 0; m < 3; m++) {
			const char *a = vm_json_string(vm_json_at(ours, i),
			    members[m], "");
			const char *b = vm_json_string(vm_json_at(theirs, i),
			    members[m], a);

			if (strcmp(a, b) != 0)
				return stale(stored, "disk", a, b, err);
		}
	return 0;
}

/*
 * Members that the record lacks are no contradiction: a record cut down by jq
 * still names its VM.
 */
int
vm_vm_check_facts(const struct vm_json *stored, const struct vm_json *record,
    struct vm_error *err)
{
	static const char *const facts[] = { "name", "identity.uuid",
		"image.id" };
	VM_CLEAN_JSON struct vm_json *a = vm_json_copy(stored);
	VM_CLEAN_JSON struct vm_json *b = vm_json_copy(record);

	if (a == NULL || b == NULL)
		return vm_error_nomem(err);
	/* the same disk, whichever way its path is written */
	if (make_relative(a, err) == -1 || make_relative(b, err) == -1)
		return -1;
	for (size_t i = 0; i < sizeof(facts) / sizeof(*facts); i++) {
		const char *ours = vm_json_string(a, facts[i], "");
		const char *theirs = vm_json_string(b, facts[i], ours);

		if (strcmp(ours, theirs) != 0)
			return stale(a, facts[i], ours, theirs, err);
	}
	return check_disks(a, b, err);
}

int
vm_vm_check_rebuild(struct vm_store *store, const struct vm_json *stored,
    struct vm_error *err)
{
	const char *name = vm_json_string(stored, "name", "");
	const char *file = vm_vm_disk_file(vm_json_get(stored, "disks.0"));
	VM_CLEAN_FREE char *path = vm_buf_printf(err, "%s/%s", name, file);
	VM_CLEAN_FD int fd = -1;
	size_t count;

	if (path == NULL)
		return -1;
	/* a disk that cannot be read has none to lose */
	fd = vm_fd_open_regular(store->fds[VM_STORE_VMS], path, NULL);
	if (fd == -1 || vm_snapshots_count(fd, &count, NULL) == -1 ||
	    count == 0)
		return 0;
	vm_error_set(err, VM_E_EXISTS, "has_snapshots",
	    "it has never run and would be built again, but has %zu snapshot%s,"
	    " which would be lost",
	    count, count == 1 ? "" : "s");
	return vm_error_hint(err, "vmsnap -lHo name %s | vmsnap --delete",
	    name);
}
