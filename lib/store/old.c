#include "lib/store/old.h"

#include <sys/file.h>
#include <sys/stat.h>

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "lib/base/log.h"
#include "lib/base/size.h"
#include "lib/record/record.h"
#include "lib/store/durable.h"
#include "lib/store/meta.h"
#include "lib/store/publish.h"
#include "lib/store/vm.h"

#define META "vm.json"

bool
vm_old_is_unfinished(const struct vm_json *record)
{
	return vm_json_get(record, "upgrade") != NULL &&
	    !vm_json_bool(record, "started", false);
}

/* n of "<vm>.<n>"; 0: not of this VM. */
static uint64_t
get_number(const char *old_name, const char *vm)
{
	size_t len = strlen(vm);
	uint64_t n;

	if (strncmp(old_name, vm, len) != 0 || old_name[len] != '.' ||
	    vm_size_parse_number(old_name + len + 1, 1, UINT32_MAX, &n, NULL) ==
		-1)
		return 0;
	return n;
}

static void
fail_not_found(const char *what, struct vm_error *err)
{
	vm_error_set(err, VM_E_NO_INPUT, "old_not_found",
	    "%s: no disk that an upgrade has replaced", what);
	vm_error_hint(err, "vmls -t old");
}

struct vm_json *
vm_old_load(struct vm_store *store, const char *old_name, bool with_private,
    struct vm_error *err)
{
	VM_CLEAN_JSON struct vm_json *record = NULL;
	VM_CLEAN_FREE char *path = NULL;
	struct vm_error cause = { 0 };

	if (strchr(old_name, '/') != NULL || old_name[0] == '.') {
		fail_not_found(old_name, err);
		return NULL;
	}
	path = vm_buf_printf(err, "%s/" META, old_name);
	if (path == NULL)
		return NULL;
	record = vm_meta_read(store->fds[VM_STORE_OLD], path, "vm_damaged",
	    &cause);
	if (record == NULL && cause.kind == VM_E_NO_INPUT) {
		fail_not_found(old_name, err);
		return NULL;
	}
	if (record != NULL && vm_record_check(record, &cause) == 0 &&
	    get_number(old_name, vm_json_string(record, "name", "")) > 0) {
		if (!with_private)
			vm_json_delete(record, "private");
		return VM_TAKE(record);
	}
	if (!vm_error_is_set(&cause))
		vm_error_set(&cause, VM_E_DATA, "vm_damaged",
		    META " is of something else");
	if (err != NULL)
		*err = cause;
	vm_error_wrap(err, "old/%s", old_name);
	return NULL;
}

int
vm_old_save(struct vm_store *store, const char *old_name,
    const struct vm_json *record, struct vm_error *err)
{
	VM_CLEAN_FD int dir = vm_store_open_object(store, VM_STORE_OLD,
	    old_name, err);
	VM_CLEAN_BUF struct vm_buf text = { 0 };

	if (dir == -1 || vm_vm_format(record, &text, err) == -1)
		return -1;
	return vm_publish_file(store, dir, META, 0600, text.data, text.len,
	    true, err);
}

/* --- which -----------------------------------------------------------------*/

enum of_vm { OF_ANOTHER, TO_GO_BACK_TO, UNFINISHED };

/* What is it to this VM, which has its name and UUID?  -1: cannot be told. */
static int
classify(struct vm_store *store, const char *old_name, const struct vm_json *vm,
    struct vm_error *err)
{
	VM_CLEAN_JSON struct vm_json *record = NULL;
	struct vm_error cause = { 0 };

	if (get_number(old_name, vm_json_string(vm, "name", "")) == 0)
		return OF_ANOTHER;
	record = vm_old_load(store, old_name, false, &cause);
	if (record == NULL &&
	    (cause.kind == VM_E_NO_INPUT || cause.kind == VM_E_DATA ||
		cause.kind == VM_E_CONFIG))
		return OF_ANOTHER;
	if (record == NULL) {
		if (err != NULL)
			*err = cause;
		return -1;
	}
	if (strcmp(vm_json_string(record, "identity.uuid", "-"),
		vm_json_string(vm, "identity.uuid", "")) != 0)
		return OF_ANOTHER;
	return vm_old_is_unfinished(record) ? UNFINISHED : TO_GO_BACK_TO;
}

/* The newest one that is this to the VM; NULL and no error: there is none. */
static char *
find_newest(struct vm_store *store, const struct vm_json *vm,
    const char *old_name, enum of_vm what, struct vm_error *err)
{
	VM_CLEAN_NAMES char **names = vm_store_list(store, VM_STORE_OLD, err);
	const char *name = vm_json_string(vm, "name", ""), *best = NULL;

	if (names == NULL)
		return NULL;
	for (size_t i = 0; names[i] != NULL; i++) {
		int is;

		if ((old_name != NULL && strcmp(old_name, names[i]) != 0) ||
		    (best != NULL &&
			get_number(names[i], name) < get_number(best, name)))
			continue;
		is = classify(store, names[i], vm, err);
		if (is == -1)
			return NULL;
		if (is == (int)what)
			best = names[i];
	}
	return best == NULL ? NULL : vm_buf_printf(err, "%s", best);
}

char *
vm_old_find(struct vm_store *store, const struct vm_json *vm,
    const char *old_name, struct vm_error *err)
{
	struct vm_error cause = { 0 };
	char *found = find_newest(store, vm, old_name, TO_GO_BACK_TO, &cause);

	if (found != NULL)
		return found;
	if (!vm_error_is_set(&cause)) {
		vm_error_set(&cause, VM_E_NO_INPUT, "old_not_found",
		    "%s: no disk of this VM that an upgrade has replaced",
		    old_name != NULL ? old_name :
				       vm_json_string(vm, "name", ""));
		vm_error_hint(&cause, "vmls -t old");
	}
	if (err != NULL)
		*err = cause;
	return NULL;
}

/* --- what comes next -------------------------------------------------------*/

char *
vm_old_find_next(struct vm_store *store, const char *vm, struct vm_error *err)
{
	VM_CLEAN_JSON struct vm_json *record = vm_vm_load(store, vm, false,
	    err);
	struct vm_error cause = { 0 };
	char *found;

	if (record == NULL)
		return NULL;
	found = find_newest(store, record, NULL, UNFINISHED, &cause);
	if (found != NULL)
		return found;
	if (!vm_error_is_set(&cause)) {
		vm_error_set(&cause, VM_E_NO_INPUT, "no_next",
		    "%s: no upgrade of it is under way", vm);
		vm_error_hint(&cause, "vmupgrade %s", vm);
	}
	if (err != NULL)
		*err = cause;
	return NULL;
}

struct vm_json *
vm_old_resolve_next(void *store, const char *vm, struct vm_error *err)
{
	VM_CLEAN_FREE char *next = vm_old_find_next(store, vm, err);

	return next == NULL ? NULL : vm_old_load(store, next, false, err);
}

int
vm_old_lock_next(struct vm_store *store, const char *vm, uint64_t wait_ms,
    struct vm_error *err)
{
	char name[VM_NAME_MAX + sizeof("next-")];

	if (vm_record_check_name(vm, err) == -1)
		return -1;
	snprintf(name, sizeof(name), "next-%s", vm);
	return vm_lock_named(store, name, wait_ms, err);
}

char *
vm_old_add(struct vm_store *store, struct vm_publish *publish, const char *vm,
    struct vm_error *err)
{
	VM_CLEAN_NAMES char **names = vm_store_list(store, VM_STORE_OLD, err);
	VM_CLEAN_FREE char *name = NULL;

	if (names == NULL)
		return NULL;
	name = vm_buf_printf(err, "%s.%ju", vm,
	    (uintmax_t)vm_publish_newest(names, vm) + 1);
	if (name == NULL ||
	    vm_publish_commit(publish, VM_STORE_OLD, name, VM_PUBLISH_NEW,
		err) == -1)
		return NULL;
	return VM_TAKE(name);
}

/* --- changes ---------------------------------------------------------------*/

int
vm_old_exchange(struct vm_store *store, const char *vm, const char *old_name,
    struct vm_error *err)
{
	VM_CLEAN_FD int fd = vm_store_open_object(store, VM_STORE_OLD, old_name,
	    err);
	struct stat mine, named;

	if (fd == -1)
		return -1;
	/* vmgc locks what it takes, and does not take what is locked */
	if (flock(fd, LOCK_EX | LOCK_NB) == -1 || fstat(fd, &mine) == -1 ||
	    fstatat(store->fds[VM_STORE_OLD], old_name, &named,
		AT_SYMLINK_NOFOLLOW) == -1 ||
	    mine.st_ino != named.st_ino || mine.st_dev != named.st_dev)
		return vm_error_set(err, VM_E_TRY_AGAIN, "in_use",
		    "old/%s: another command works on it", old_name);
	return vm_publish_exchange(store, VM_STORE_VMS, vm, VM_STORE_OLD,
	    old_name, err);
}

char *
vm_old_discard(struct vm_store *store, const char *old_name,
    struct vm_error *err)
{
	char *trash = NULL;

	if (vm_publish_keep(store, VM_STORE_OLD, old_name, VM_STORE_TRASH,
		&trash, err) == -1)
		return NULL;
	return trash;
}

/* As vmgc does it: whole or not at all, what is left is litter. */
int
vm_old_remove(struct vm_store *store, const char *old_name,
    struct vm_error *err)
{
	int tmp = store->fds[VM_STORE_TMP];
	VM_CLEAN_FD int fd = vm_store_open_object(store, VM_STORE_OLD, old_name,
	    err);
	char name[VM_PUBLISH_NAME];

	if (fd == -1 || vm_publish_make_name(name, err) == -1 ||
	    vm_publish_move_unsynced(store, VM_STORE_OLD, old_name,
		VM_STORE_TMP, name, err) == -1 ||
	    vm_publish_settle(store, VM_STORE_OLD, VM_STORE_TMP, err) == -1)
		return -1;
	if (vm_durable_remove_tree(store->durable, tmp, name, VM_TAKE_FD(fd)) ==
	    -1)
		vm_log(VM_LOG_INFO, "%s: left behind: %m", name);
	return 0;
}

int
vm_old_sweep(struct vm_store *store, const struct vm_json *vm,
    struct vm_error *err)
{
	VM_CLEAN_NAMES char **names = vm_store_list(store, VM_STORE_OLD, err);

	if (names == NULL)
		return -1;
	for (size_t i = 0; names[i] != NULL; i++) {
		int is = classify(store, names[i], vm, err);

		if (is == -1 ||
		    (is == UNFINISHED &&
			vm_old_remove(store, names[i], err) == -1))
			return -1;
	}
	return 0;
}
