#include "lib/store/relink.h"

#include <sys/stat.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "lib/store/chain.h"
#include "lib/store/image.h"
#include "lib/store/lineage.h"
#include "lib/store/vm.h"

#define META "vm.json"
#define BASES_MAX ((size_t)64)

/* One sealed file of the VM, and the directory that has the right one. */
struct base {
	char file[80];
	int dir_fd; /* owned */
};

struct relink {
	struct vm_store *store;
	const char *name;
	struct vm_json *record; /* with "private" */
	int lock_fd, old_fd;
	struct base bases[BASES_MAX];
	size_t count;
	bool changed;
	struct vm_publish publish;
};

static void
release(struct relink *relink)
{
	for (size_t i = 0; i < relink->count; i++)
		vm_clean_fd(&relink->bases[i].dir_fd);
	vm_publish_abort(&relink->publish);
	vm_clean_fd(&relink->old_fd);
	vm_clean_fd(&relink->lock_fd);
	vm_json_free(relink->record);
}

/* --- which files -----------------------------------------------------------*/

static int
add_base(struct relink *relink, const char *file, struct vm_error *err)
{
	struct base *base = &relink->bases[relink->count];

	if (!vm_lineage_is_base(file))
		return 0;
	for (size_t i = 0; i < relink->count; i++)
		if (strcmp(relink->bases[i].file, file) == 0)
			return 0;
	if (relink->count == BASES_MAX)
		return vm_error_set(err, VM_E_DATA, "bad_chain",
		    "it stands on too many files");
	snprintf(base->file, sizeof(base->file), "%s", file);
	base->dir_fd = -1;
	relink->count++;
	return 0;
}

/* Those noted; of a VM for which nothing was noted, what its record says. */
static int
find_bases(struct relink *relink, struct vm_error *err)
{
	const struct vm_json *chain = vm_json_member(relink->record, "chain");
	const char *mode = vm_json_string(relink->record, "disks.0.mode",
	    "overlay");
	char file[96];

	for (size_t i = 0; i < vm_json_count(chain); i++)
		if (add_base(relink,
			vm_json_string(vm_json_at(chain, i), "name", ""),
			err) == -1)
			return -1;
	if (chain != NULL || strcmp(mode, "overlay") != 0)
		return 0;
	snprintf(file, sizeof(file), "%.70s.raw",
	    vm_json_string(relink->record, "image.id", ""));
	if (add_base(relink, file, err) == -1)
		return -1;
	snprintf(file, sizeof(file), "%.70s.qcow2",
	    vm_json_string(relink->record, "layer", ""));
	return add_base(relink, file, err);
}

/* --- where the right ones are ----------------------------------------------*/

static bool
is_master(const char *file)
{
	return strstr(file, ".raw") != NULL;
}

/* Take it from this object of the store. */
static int
use_object(struct relink *relink, struct base *base, enum vm_store_dir dir,
    const char *object, struct vm_error *err)
{
	struct stat now, then;

	base->dir_fd = vm_store_open_object(relink->store, dir, object, err);
	if (base->dir_fd == -1)
		return -1;
	if (fstatat(base->dir_fd, base->file, &now, AT_SYMLINK_NOFOLLOW) == -1)
		return vm_error_errno(err, errno, "%s", base->file);
	if (fstatat(relink->old_fd, base->file, &then, AT_SYMLINK_NOFOLLOW) ==
		-1 ||
	    now.st_ino != then.st_ino || now.st_dev != then.st_dev)
		relink->changed = true;
	return 0;
}

static int
use_own(struct relink *relink, struct base *base, struct vm_error *err)
{
	base->dir_fd = fcntl(relink->old_fd, F_DUPFD_CLOEXEC, 0);
	return base->dir_fd == -1 ?
	    vm_error_errno(err, errno, "%s", base->file) :
	    0;
}

/*
 * Has this other VM the right file?  A master is right when it is as that VM
 * noted it, a layer only when it is the very file that ours was built on.
 */
static bool
is_right_there(const struct relink *relink, const char *other, int dir_fd,
    const char *file, struct vm_error *why)
{
	VM_CLEAN_JSON struct vm_json *record = NULL;

	if (vm_lineage_is_same(relink->record, dir_fd, file))
		return true;
	if (!is_master(file))
		return false;
	record = vm_vm_load(relink->store, other, false, why);
	return record != NULL && vm_json_member(record, "chain") != NULL &&
	    vm_lineage_has(record, file) &&
	    vm_lineage_check_file(relink->store, record, dir_fd, file, why) ==
	    0;
}

/* 1: another VM has it; 0: none has. */
static int
use_siblings(struct relink *relink, struct base *base, struct vm_error *err)
{
	VM_CLEAN_NAMES char **names = vm_store_list(relink->store, VM_STORE_VMS,
	    err);

	for (size_t i = 0; names != NULL && names[i] != NULL; i++) {
		struct vm_error why = { 0 };
		VM_CLEAN_FD int dir_fd = vm_store_open_object(relink->store,
		    VM_STORE_VMS, names[i], &why);

		if (dir_fd != -1 && strcmp(names[i], relink->name) != 0 &&
		    is_right_there(relink, names[i], dir_fd, base->file,
			&why)) {
			base->dir_fd = VM_TAKE_FD(dir_fd);
			relink->changed = true;
			return 1;
		}
		if (why.kind == VM_E_SYSTEM) {
			*err = why;
			return -1;
		}
	}
	return names == NULL ? -1 : 0;
}

/* What brings it, as far as that is known. */
static void
hint_fetch(const struct relink *relink, const char *id, const char *hint,
    struct vm_error *err)
{
	const char *alias = vm_json_string(relink->record, "image.alias", NULL);

	if (alias == NULL ||
	    strcmp(vm_json_string(relink->record, "image.id", ""), id) != 0)
		vm_error_hint(err, "%s", hint);
	else
		vm_error_hint(err, "vmfetch %s@%lld && vmdoctor --repair %s",
		    alias,
		    (long long)vm_json_int(relink->record, "image.generation",
			1),
		    relink->name);
}

/* Not that it is damaged or gone, but that nobody could look. */
static bool
cannot_tell(const struct vm_error *why)
{
	return why->kind != VM_E_DATA && why->kind != VM_E_NO_INPUT;
}

static int
settle_master(struct relink *relink, struct base *base, struct vm_error *err)
{
	struct vm_error why = { 0 }, own = { 0 };
	VM_CLEAN_JSON struct vm_json *meta = NULL;
	char id[sizeof(base->file)];
	int found;

	snprintf(id, sizeof(id), "%.*s",
	    (int)(strlen(base->file) - strlen(".raw")), base->file);
	meta = vm_image_load(relink->store, id, &why);
	if (meta != NULL)
		return use_object(relink, base, VM_STORE_IMAGES, id, err);
	if (vm_lineage_check_file(relink->store, relink->record, relink->old_fd,
		base->file, &own) == 0)
		return use_own(relink, base, err);
	found = cannot_tell(&why) ? -1 : use_siblings(relink, base, &why);
	if (found == 1)
		return 0;
	*err = found == -1 ? why : own;
	if (found == 0)
		hint_fetch(relink, id, why.hint, err);
	return -1;
}

/* The layer in the store, if it is the very file that the VM was built on. */
static bool
is_same_layer(struct relink *relink, const char *key, const char *file)
{
	VM_CLEAN_JSON struct vm_json *meta = vm_chain_load_layer(relink->store,
	    key, NULL);
	VM_CLEAN_FD int dir_fd = meta == NULL ?
	    -1 :
	    vm_store_open_object(relink->store, VM_STORE_LAYERS, key, NULL);

	return dir_fd != -1 &&
	    vm_json_member(relink->record, "chain") != NULL &&
	    vm_lineage_check_file(relink->store, relink->record, dir_fd, file,
		NULL) == 0;
}

static int
settle_layer(struct relink *relink, struct base *base, struct vm_error *err)
{
	struct vm_error own = { 0 };
	char key[sizeof(base->file)];
	int found;

	snprintf(key, sizeof(key), "%.*s",
	    (int)(strlen(base->file) - strlen(".qcow2")), base->file);
	if (vm_lineage_check_file(relink->store, relink->record, relink->old_fd,
		base->file, &own) == 0)
		return use_own(relink, base, err);
	if (is_same_layer(relink, key, base->file))
		return use_object(relink, base, VM_STORE_LAYERS, key, err);
	found = use_siblings(relink, base, err);
	if (found != 0)
		return found == 1 ? 0 : -1;
	/* nothing was written, or its mtime would say so */
	if (vm_lineage_seal(relink->record, relink->old_fd, base->file)) {
		relink->changed = true;
		return use_own(relink, base, err);
	}
	if (err != NULL)
		*err = own;
	vm_error_wrap(err, "a layer, which cannot be fetched again");
	return vm_error_hint(err, "vmupgrade --force %s", relink->name);
}

static int
settle_all(struct relink *relink, struct vm_error *err)
{
	for (size_t i = 0; i < relink->count; i++) {
		struct base *base = &relink->bases[i];

		if ((is_master(base->file) ?
			    settle_master(relink, base, err) :
			    settle_layer(relink, base, err)) == -1)
			return -1;
	}
	return 0;
}

/* --- the new directory -----------------------------------------------------*/

/* Whatever is no base is linked as it is; sockets are of a QEMU now gone. */
static int
link_entry(struct relink *relink, const char *file, struct vm_error *err)
{
	struct stat st;

	if (strcmp(file, ".") == 0 || strcmp(file, "..") == 0 ||
	    strcmp(file, META) == 0)
		return 0;
	for (size_t i = 0; i < relink->count; i++)
		if (strcmp(relink->bases[i].file, file) == 0)
			return 0;
	if (fstatat(relink->old_fd, file, &st, AT_SYMLINK_NOFOLLOW) == -1)
		return vm_error_errno(err, errno, "%s", file);
	if (S_ISSOCK(st.st_mode))
		return 0;
	if (!S_ISREG(st.st_mode))
		return vm_error_set(err, VM_E_DATA, "vm_damaged",
		    "%s: something that is not ours is in the VM's directory",
		    file);
	return vm_publish_link(&relink->publish, relink->old_fd, file, file,
	    err);
}

static int
link_rest(struct relink *relink, struct vm_error *err)
{
	int fd = openat(relink->old_fd, ".",
	    O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = fd == -1 ? NULL : fdopendir(fd);
	struct dirent *entry;
	int rc = 0;

	if (dir == NULL) {
		rc = vm_error_errno(err, errno, "the VM's directory");
		vm_clean_fd(&fd);
		return rc;
	}
	while (rc == 0 && (entry = readdir(dir)) != NULL)
		rc = link_entry(relink, entry->d_name, err);
	closedir(dir);
	return rc;
}

static int
replace(struct relink *relink, struct vm_error *err)
{
	VM_CLEAN_BUF struct vm_buf text = { 0 };
	struct vm_publish *publish = &relink->publish;

	if (vm_publish_begin(relink->store, publish, err) == -1 ||
	    link_rest(relink, err) == -1)
		return -1;
	for (size_t i = 0; i < relink->count; i++)
		if (vm_publish_link(publish, relink->bases[i].dir_fd,
			relink->bases[i].file, relink->bases[i].file,
			err) == -1)
			return -1;
	if (vm_lineage_note(publish->dir_fd, relink->record, err) == -1 ||
	    vm_vm_format(relink->record, &text, err) == -1 ||
	    vm_publish_write(publish, META, 0600, text.data, text.len, err) ==
		-1)
		return -1;
	return vm_publish_commit(publish, VM_STORE_VMS, relink->name,
	    VM_PUBLISH_REPLACE, err);
}

static int
open_vm(struct relink *relink, struct vm_error *err)
{
	relink->lock_fd = vm_vm_lock(relink->store, relink->name,
	    VM_LOCK_NO_WAIT, err);
	if (relink->lock_fd == -1) {
		if (err != NULL && err->kind == VM_E_TRY_AGAIN)
			vm_error_hint(err, "vmstop %s", relink->name);
		return -1;
	}
	relink->record = vm_vm_load(relink->store, relink->name, true, err);
	if (relink->record == NULL)
		return -1;
	relink->old_fd = vm_store_open_object(relink->store, VM_STORE_VMS,
	    relink->name, err);
	return relink->old_fd == -1 ? -1 : 0;
}

int
vm_relink_vm(struct vm_store *store, const char *name, bool *changed,
    struct vm_error *err)
{
	VM_CLEAN(release)
	struct relink relink = {
		.store = store, .name = name, .lock_fd = -1, .old_fd = -1
	};

	if (open_vm(&relink, err) == -1 || find_bases(&relink, err) == -1 ||
	    settle_all(&relink, err) == -1)
		return -1;
	/* the links may be right and what was noted of them not */
	if (!relink.changed &&
	    vm_lineage_check(store, relink.record, relink.old_fd, NULL) == -1)
		relink.changed = true;
	*changed = relink.changed;
	return relink.changed ? replace(&relink, err) : 0;
}
