#include "lib/guest/tree.h"

#include <stdio.h>
#include <string.h>

#include "lib/adapt/crypto_hash.h"

#define DEFAULT_MODE 0644
#define DEFAULT_DIR_MODE 0755

const struct vm_tree_attr vm_tree_keep = { VM_TREE_KEEP, VM_TREE_KEEP,
	VM_TREE_KEEP };

/* Links that distributions themselves put where a directory used to be. */
static const struct {
	const char *link, *target;
} usual_links[] = {
	{ "/bin", "/usr/bin" },
	{ "/sbin", "/usr/sbin" },
	{ "/lib", "/usr/lib" },
	{ "/lib32", "/usr/lib32" },
	{ "/lib64", "/usr/lib64" },
	{ "/libx32", "/usr/libx32" },
	{ "/usr/sbin", "/usr/bin" },
	{ "/usr/lib64", "/usr/lib" },
	{ "/var/run", "/run" },
	{ "/var/lock", "/run/lock" },
	{ "/var/mail", "/var/spool/mail" },
};

int
vm_tree_check_path(const char *path, struct vm_error *err)
{
	size_t len = strlen(path);
	bool plain = path[0] == '/' && len < VM_TREE_PATH_MAX &&
	    (len == 1 || path[len - 1] != '/') && strstr(path, "//") == NULL;

	for (const char *p = path; plain && (p = strstr(p, "/.")) != NULL;) {
		p += 2;
		if (*p == '.')
			p++;
		plain = *p != '/' && *p != '\0';
	}
	if (plain)
		return 0;
	return vm_error_set(err, VM_E_DATA, "bad_path",
	    "%s: not an absolute path without \".\" and \"..\"", path);
}

/* Does the directory lead where its name says, by a usual link at most? */
static bool
is_expected(const char *dir, const char *real)
{
	if (strcmp(dir, real) == 0)
		return true;
	for (size_t i = 0; i < sizeof usual_links / sizeof usual_links[0];
	     i++) {
		size_t len = strlen(usual_links[i].link);
		size_t to = strlen(usual_links[i].target);

		if (strncmp(dir, usual_links[i].link, len) == 0 &&
		    (dir[len] == '/' || dir[len] == '\0') &&
		    strncmp(real, usual_links[i].target, to) == 0 &&
		    strcmp(dir + len, real + to) == 0)
			return true;
	}
	return false;
}

static int
refuse_link(const char *path, struct vm_error *err)
{
	return vm_error_set(err, VM_E_DATA, "guest_symlink",
	    "%s: a symbolic link in the guest leads elsewhere", path);
}

/* path's directory: "/" or the part before the last slash. */
static void
copy_parent(const char *path, char parent[VM_TREE_PATH_MAX])
{
	size_t len = (size_t)(strrchr(path, '/') - path);

	snprintf(parent, VM_TREE_PATH_MAX, "%.*s", len == 0 ? 1 : (int)len,
	    path);
}

static int
check_parent(const struct vm_engine *engine, const char *path,
    struct vm_error *err)
{
	char parent[VM_TREE_PATH_MAX];
	VM_CLEAN_BUF struct vm_buf real = { 0 };

	if (vm_tree_check_path(path, err) == -1)
		return -1;
	copy_parent(path, parent);
	if (strcmp(parent, "/") == 0)
		return 0;
	if (engine->ops->real_path(engine->state, parent, &real, err) == -1)
		return -1;
	return is_expected(parent, real.data) ? 0 : refuse_link(path, err);
}

/* As engine->stat, an absent file being no error: 1 there, 0 not. */
static int
look(const struct vm_engine *engine, const char *path,
    struct vm_engine_stat *st, struct vm_error *err)
{
	struct vm_error why = { 0 };

	if (engine->ops->stat(engine->state, path, st, &why) == 0)
		return 1;
	if (why.kind == VM_E_NO_INPUT)
		return 0;
	if (err != NULL)
		*err = why;
	return -1;
}

int
vm_tree_stat(const struct vm_engine *engine, const char *path,
    struct vm_engine_stat *st, struct vm_error *err)
{
	struct vm_error why = { 0 };

	if (check_parent(engine, path, &why) == -1) {
		if (why.kind == VM_E_NO_INPUT)
			return 0;
		if (err != NULL)
			*err = why;
		return -1;
	}
	return look(engine, path, st, err);
}

int
vm_tree_has(const struct vm_engine *engine, const char *path,
    struct vm_error *err)
{
	VM_CLEAN_BUF struct vm_buf real = { 0 };
	struct vm_error why = { 0 };

	if (engine->ops->real_path(engine->state, path, &real, &why) == 0)
		return 1;
	if (why.kind != VM_E_UNAVAILABLE && why.kind != VM_E_SYSTEM)
		return 0;
	if (err != NULL)
		*err = why;
	return -1;
}

int
vm_tree_read(const struct vm_engine *engine, const char *path,
    struct vm_buf *out, struct vm_error *err)
{
	struct vm_engine_stat st = { 0 };
	int there = vm_tree_stat(engine, path, &st, err);

	if (there != 1)
		return there;
	if (st.type == VM_ENGINE_LINK)
		return refuse_link(path, err);
	return engine->ops->read(engine->state, path, out, err) == -1 ? -1 : 1;
}

/*
 * What is at path may be replaced by a file: 1 and *st, nothing is there: 0.
 */
static int
check_replaceable(const struct vm_engine *engine, const char *path,
    struct vm_engine_stat *st, struct vm_error *err)
{
	int there;

	if (check_parent(engine, path, err) == -1) {
		if (err != NULL && err->kind == VM_E_NO_INPUT)
			vm_error_set(err, VM_E_DATA, "guest_no_directory",
			    "%s: its directory is not in the guest; make it "
			    "with mkdir first",
			    path);
		return -1;
	}
	there = look(engine, path, st, err);
	if (there == 1 && st->type == VM_ENGINE_LINK)
		return refuse_link(path, err);
	if (there == 1 && st->type != VM_ENGINE_FILE)
		return vm_error_set(err, VM_E_DATA, "guest_not_file",
		    "%s: not a regular file in the guest", path);
	return there;
}

static int
format_temporary(const char *path, char out[VM_TREE_PATH_MAX],
    struct vm_error *err)
{
	unsigned char noise[8];
	unsigned long long number;
	int dir = (int)(strrchr(path, '/') - path);

	if (vm_hash_random(noise, sizeof noise, err) == -1)
		return -1;
	memcpy(&number, noise, sizeof noise);
	snprintf(out, VM_TREE_PATH_MAX, "%.*s/.vmpipe-%016llx", dir, path,
	    number);
	return 0;
}

/* Give the new file its attributes and the name. */
static int
put_in_place(const struct vm_engine *engine, const char *temporary,
    const char *path, const struct vm_engine_stat *old,
    const struct vm_tree_attr *attr, struct vm_error *err)
{
	const struct vm_engine_ops *ops = engine->ops;
	unsigned mode = attr->mode != VM_TREE_KEEP ? (unsigned)attr->mode :
	    old != NULL				   ? old->mode :
						     DEFAULT_MODE;
	uint32_t uid = attr->uid != VM_TREE_KEEP ? (uint32_t)attr->uid :
	    old != NULL				 ? old->uid :
						   0;
	uint32_t gid = attr->gid != VM_TREE_KEEP ? (uint32_t)attr->gid :
	    old != NULL				 ? old->gid :
						   0;

	if (old != NULL &&
	    ops->copy_attributes(engine->state, path, temporary, err) == -1)
		return -1;
	if ((uid != 0 || gid != 0) &&
	    ops->chown(engine->state, temporary, uid, gid, err) == -1)
		return -1;
	if (ops->chmod(engine->state, temporary, mode, err) == -1)
		return -1;
	return ops->rename(engine->state, temporary, path, err);
}

/* The common part of write and upload: fd -1 means data. */
static int
replace(const struct vm_engine *engine, const char *path, const void *data,
    size_t len, int fd, const struct vm_tree_attr *attr, struct vm_error *err)
{
	char temporary[VM_TREE_PATH_MAX];
	struct vm_engine_stat old = { 0 };
	int there = check_replaceable(engine, path, &old, err);
	int result;

	if (there == -1 || format_temporary(path, temporary, err) == -1)
		return -1;
	if (fd >= 0)
		result = engine->ops->upload(engine->state, fd, temporary, err);
	else
		result = engine->ops->write(engine->state, temporary, data, len,
		    err);
	if (result == 0)
		result = put_in_place(engine, temporary, path,
		    there ? &old : NULL, attr, err);
	if (result == -1)
		(void)!engine->ops->remove(engine->state, temporary, NULL);
	return result;
}

int
vm_tree_write(const struct vm_engine *engine, const char *path,
    const void *data, size_t len, const struct vm_tree_attr *attr,
    struct vm_error *err)
{
	return replace(engine, path, len == 0 ? "" : data, len, -1, attr, err);
}

int
vm_tree_upload(const struct vm_engine *engine, const char *path, int fd,
    const struct vm_tree_attr *attr, struct vm_error *err)
{
	return replace(engine, path, NULL, 0, fd, attr, err);
}

/* Is `line` one of the lines of text? */
static bool
has_line(const struct vm_buf *text, const char *line)
{
	size_t len = strlen(line);
	const char *p = text->data, *end;

	for (; p != NULL && *p != '\0'; p = *end == '\0' ? end : end + 1) {
		end = strchrnul(p, '\n');
		if ((size_t)(end - p) == len && memcmp(p, line, len) == 0)
			return true;
	}
	return false;
}

int
vm_tree_append_line(const struct vm_engine *engine, const char *path,
    const char *line, bool once, const struct vm_tree_attr *attr,
    struct vm_error *err)
{
	VM_CLEAN_BUF struct vm_buf text = { 0 };

	if (vm_tree_read(engine, path, &text, err) == -1)
		return -1;
	if (once && has_line(&text, line))
		return 0;
	if (text.len > 0 && text.data[text.len - 1] != '\n' &&
	    vm_buf_add(&text, "\n", 1, err) == -1)
		return -1;
	if (vm_buf_add_string(&text, line, err) == -1 ||
	    vm_buf_add(&text, "\n", 1, err) == -1)
		return -1;
	return vm_tree_write(engine, path, text.data, text.len, attr, err);
}

/* One directory whose parent is there. */
static int
make_dir(const struct vm_engine *engine, const char *path,
    const struct vm_tree_attr *attr, struct vm_error *err)
{
	struct vm_engine_stat st = { 0 };
	unsigned mode = attr->mode == VM_TREE_KEEP ? DEFAULT_DIR_MODE :
						     (unsigned)attr->mode;
	int there = look(engine, path, &st, err);

	if (there == -1)
		return -1;
	if (there == 1 && st.type == VM_ENGINE_DIR)
		return 0;
	if (there == 1 && st.type == VM_ENGINE_LINK)
		return refuse_link(path, err);
	if (there == 1)
		return vm_error_set(err, VM_E_DATA, "guest_not_directory",
		    "%s: not a directory in the guest", path);
	if (engine->ops->mkdir(engine->state, path, mode, err) == -1)
		return -1;
	if (attr->uid == VM_TREE_KEEP || attr->gid == VM_TREE_KEEP)
		return 0;
	return engine->ops->chown(engine->state, path, (uint32_t)attr->uid,
	    (uint32_t)attr->gid, err);
}

int
vm_tree_make_dirs(const struct vm_engine *engine, const char *path,
    const struct vm_tree_attr *attr, struct vm_error *err)
{
	VM_CLEAN_BUF struct vm_buf real = { 0 };
	struct vm_error why = { 0 };
	char parent[VM_TREE_PATH_MAX];

	if (vm_tree_check_path(path, err) == -1)
		return -1;
	if (engine->ops->real_path(engine->state, path, &real, &why) == 0) {
		if (!is_expected(path, real.data))
			return refuse_link(path, err);
		/* there already: a directory, or make_dir() says what else */
		return make_dir(engine, real.data, attr, err);
	}
	if (why.kind != VM_E_NO_INPUT) {
		if (err != NULL)
			*err = why;
		return -1;
	}
	copy_parent(path, parent);
	if (vm_tree_make_dirs(engine, parent, &vm_tree_keep, err) == -1)
		return -1;
	return make_dir(engine, path, attr, err);
}

int
vm_tree_link(const struct vm_engine *engine, const char *target,
    const char *path, struct vm_error *err)
{
	char temporary[VM_TREE_PATH_MAX];
	struct vm_engine_stat st = { 0 };
	int there = vm_tree_stat(engine, path, &st, err);

	if (there == -1)
		return -1;
	if (there == 1 && st.type == VM_ENGINE_DIR)
		return vm_error_set(err, VM_E_DATA, "guest_is_directory",
		    "%s: a directory in the guest, no link put in its place",
		    path);
	if (format_temporary(path, temporary, err) == -1 ||
	    engine->ops->symlink(engine->state, target, temporary, err) == -1)
		return -1;
	if (engine->ops->rename(engine->state, temporary, path, err) == 0)
		return 0;
	(void)!engine->ops->remove(engine->state, temporary, NULL);
	return -1;
}

int
vm_tree_chmod(const struct vm_engine *engine, const char *path, unsigned mode,
    struct vm_error *err)
{
	struct vm_engine_stat st = { 0 };
	int there = vm_tree_stat(engine, path, &st, err);

	if (there == -1)
		return -1;
	if (there == 0)
		return vm_error_set(err, VM_E_DATA, "guest_not_found",
		    "%s: not in the guest", path);
	if (st.type == VM_ENGINE_LINK)
		return refuse_link(path, err);
	return engine->ops->chmod(engine->state, path, mode, err);
}

int
vm_tree_remove(const struct vm_engine *engine, const char *path,
    struct vm_error *err)
{
	struct vm_engine_stat st = { 0 };
	int there;

	if (strcmp(path, "/") == 0)
		return vm_error_set(err, VM_E_DATA, "bad_path",
		    "/: the guest's root is not removed");
	there = vm_tree_stat(engine, path, &st, err);
	if (there != 1)
		return there;
	return engine->ops->remove(engine->state, path, err);
}
