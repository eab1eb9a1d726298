#include "lib/store/lineage.h"

#include <sys/stat.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "lib/base/fd.h"
#include "lib/store/meta.h"

#define LOCK "lock"
#define NAMED_MAX 8 /* VMs in a message */

/* The directory of the store that such a file comes from, and its object. */
static bool
find_object(const char *file, enum vm_store_dir *dir, char object[80])
{
	const char *dot = strrchr(file, '.');
	size_t len = dot == NULL ? 0 : (size_t)(dot - file);

	if (len == 0 || len >= 80)
		return false;
	snprintf(object, 80, "%.*s", (int)len, file);
	if (strcmp(dot, ".raw") == 0)
		*dir = VM_STORE_IMAGES;
	else if (strcmp(dot, ".qcow2") == 0)
		*dir = VM_STORE_LAYERS;
	else
		return false;
	return vm_meta_is_digest(object, *dir == VM_STORE_IMAGES);
}

bool
vm_lineage_is_base(const char *file)
{
	enum vm_store_dir dir;
	char object[80];

	return find_object(file, &dir, object);
}

/* --- noting ----------------------------------------------------------------*/

static int
add_facts(int dir_fd, const char *file, struct vm_json *chain,
    struct vm_error *err)
{
	VM_CLEAN_JSON struct vm_json *facts = vm_json_new_object();

	if (facts == NULL)
		return vm_error_nomem(err);
	if (vm_json_set_string(facts, "name", file, err) == -1 ||
	    vm_meta_note_file(dir_fd, file, facts, err) == -1)
		return -1;
	return vm_json_append(chain, VM_TAKE(facts), err);
}

static int
note_all(DIR *dir, struct vm_json *chain, struct vm_error *err)
{
	struct dirent *entry;

	while ((entry = readdir(dir)) != NULL)
		if (vm_lineage_is_base(entry->d_name) &&
		    add_facts(dirfd(dir), entry->d_name, chain, err) == -1)
			return -1;
	return 0;
}

static int
note_chain(int dir_fd, struct vm_json *chain, struct vm_error *err)
{
	int fd = openat(dir_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = fd == -1 ? NULL : fdopendir(fd);
	int rc;

	if (dir == NULL) {
		rc = vm_error_errno(err, errno, "the VM's directory");
		vm_clean_fd(&fd);
		return rc;
	}
	rc = note_all(dir, chain, err);
	closedir(dir);
	return rc;
}

int
vm_lineage_note(int dir_fd, struct vm_json *record, struct vm_error *err)
{
	VM_CLEAN_JSON struct vm_json *chain = vm_json_new_array();
	struct stat st;

	if (chain == NULL)
		return vm_error_nomem(err);
	if (note_chain(dir_fd, chain, err) == -1)
		return -1;
	if (fstatat(dir_fd, LOCK, &st, AT_SYMLINK_NOFOLLOW) == -1)
		return vm_error_errno(err, errno, LOCK);
	if (vm_json_set(record, "chain", VM_TAKE(chain), err) == -1)
		return -1;
	return vm_json_set_int(record, "lock_inode", (int64_t)st.st_ino, err);
}

/* What was noted of the file, or NULL. */
static const struct vm_json *
find_facts(const struct vm_json *record, const char *file)
{
	const struct vm_json *chain = vm_json_member(record, "chain");

	for (size_t i = 0; i < vm_json_count(chain); i++) {
		const struct vm_json *facts = vm_json_at(chain, i);

		if (strcmp(vm_json_string(facts, "name", ""), file) == 0)
			return facts;
	}
	return NULL;
}

bool
vm_lineage_has(const struct vm_json *record, const char *file)
{
	return vm_json_member(record, "chain") == NULL ||
	    find_facts(record, file) != NULL;
}

/* --- checking --------------------------------------------------------------*/

/* Is the VM's link the very file that the store has as that image or layer? */
static bool
is_the_stores(struct vm_store *store, const char *file, const struct stat *link)
{
	enum vm_store_dir dir;
	char object[80], path[192];
	struct stat st;

	if (!find_object(file, &dir, object))
		return false;
	snprintf(path, sizeof(path), "%s/%s", object, file);
	return fstatat(store->fds[dir], path, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
	    st.st_dev == link->st_dev && st.st_ino == link->st_ino;
}

static bool
has_moved(const struct vm_json *record, int dir_fd)
{
	struct stat st;

	return fstatat(dir_fd, LOCK, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
	    (int64_t)st.st_ino != vm_json_int(record, "lock_inode", -1);
}

/* Add "; on it too: a, b, c and 4 more": the other VMs with that very file. */
static void
name_others(struct vm_store *store, const char *name, const char *file,
    const struct stat *link, struct vm_error *err)
{
	VM_CLEAN_NAMES char **vms = vm_store_list(store, VM_STORE_VMS, NULL);
	size_t count = 0, len = strlen(err->message);
	char *end = err->message;

	for (size_t i = 0; vms != NULL && vms[i] != NULL; i++) {
		char path[192];
		struct stat st;

		snprintf(path, sizeof(path), "%s/%s", vms[i], file);
		if (strcmp(vms[i], name) == 0 ||
		    fstatat(store->fds[VM_STORE_VMS], path, &st,
			AT_SYMLINK_NOFOLLOW) == -1 ||
		    st.st_dev != link->st_dev || st.st_ino != link->st_ino)
			continue;
		if (count++ < NAMED_MAX && len + 96 < sizeof(err->message))
			len += (size_t)snprintf(end + len,
			    sizeof(err->message) - len, "%s%s",
			    count == 1 ? "; on it too: " : ", ", vms[i]);
	}
	if (count > NAMED_MAX && len + 32 < sizeof(err->message))
		snprintf(end + len, sizeof(err->message) - len, " and %zu more",
		    count - NAMED_MAX);
}

static int
refuse(struct vm_store *store, const struct vm_json *record, int dir_fd,
    const char *file, struct vm_error *err)
{
	const char *name = vm_json_string(record, "name", "");
	struct stat st;

	if (err == NULL)
		return -1;
	if (fstatat(dir_fd, file, &st, AT_SYMLINK_NOFOLLOW) == 0)
		name_others(store, name, file, &st, err);
	else
		snprintf(err->code, sizeof(err->code), "base_missing");
	return vm_error_hint(err, "vmdoctor --repair %s", name);
}

static int
check_base(struct vm_store *store, const struct vm_json *record, int dir_fd,
    const struct vm_json *facts, struct vm_error *err)
{
	const char *file = vm_json_string(facts, "name", "");
	struct vm_error why = { 0 };
	struct stat st;
	bool moved;

	if (!vm_lineage_is_base(file))
		return vm_error_set(err, VM_E_DATA, "vm_damaged",
		    "its record names no base: %.80s", file);
	if (vm_meta_check_file(dir_fd, file, facts, "base_changed", &moved,
		&why) == -1) {
		if (err != NULL)
			*err = why;
		return why.kind != VM_E_DATA ?
		    -1 :
		    refuse(store, record, dir_fd, file, err);
	}
	if (!moved || has_moved(record, dir_fd) ||
	    (fstatat(dir_fd, file, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
		is_the_stores(store, file, &st)))
		return 0;
	vm_error_set(err, VM_E_DATA, "base_changed",
	    "%s: not as it was published: it has been replaced", file);
	return refuse(store, record, dir_fd, file, err);
}

/* Nothing is noted of it, so nothing can be compared. */
static int
check_unnoted(int dir_fd, const char *file, struct vm_error *err)
{
	struct stat st;

	if (fstatat(dir_fd, file, &st, AT_SYMLINK_NOFOLLOW) == -1)
		return errno == ENOENT ?
		    vm_error_set(err, VM_E_DATA, "base_missing",
			"%s is missing", file) :
		    vm_error_errno(err, errno, "%s", file);
	if (!S_ISREG(st.st_mode) || (st.st_mode & 0222) != 0)
		return vm_error_set(err, VM_E_DATA, "base_changed",
		    "%s is a base, yet not read-only", file);
	return 0;
}

int
vm_lineage_check_file(struct vm_store *store, const struct vm_json *record,
    int dir_fd, const char *file, struct vm_error *err)
{
	const struct vm_json *facts = find_facts(record, file);

	if (facts == NULL)
		return check_unnoted(dir_fd, file, err);
	return check_base(store, record, dir_fd, facts, err);
}

bool
vm_lineage_is_same(const struct vm_json *record, int dir_fd, const char *file)
{
	const struct vm_json *facts = find_facts(record, file);
	bool moved;

	return facts != NULL &&
	    vm_meta_check_file(dir_fd, file, facts, "base_changed", &moved,
		NULL) == 0 &&
	    !moved;
}

bool
vm_lineage_seal(const struct vm_json *record, int dir_fd, const char *file)
{
	const struct vm_json *facts = find_facts(record, file);
	VM_CLEAN_FD int fd = vm_fd_open_regular(dir_fd, file, NULL);
	struct stat st;

	return facts != NULL && fd != -1 && fstat(fd, &st) == 0 &&
	    (st.st_mode & 0222) != 0 && vm_meta_is_unwritten(&st, facts) &&
	    (int64_t)st.st_ino == vm_json_int(facts, "inode", -1) &&
	    fchmod(fd, 0444) == 0;
}

int
vm_lineage_check(struct vm_store *store, const struct vm_json *record,
    int dir_fd, struct vm_error *err)
{
	const struct vm_json *chain = vm_json_member(record, "chain");

	for (size_t i = 0; i < vm_json_count(chain); i++)
		if (check_base(store, record, dir_fd, vm_json_at(chain, i),
			err) == -1)
			return vm_error_wrap(err, "disk");
	return 0;
}

int
vm_lineage_renew(struct vm_json *record, int dir_fd, struct vm_error *err)
{
	if (vm_json_member(record, "chain") != NULL &&
	    !has_moved(record, dir_fd))
		return 0;
	return vm_lineage_note(dir_fd, record, err);
}
