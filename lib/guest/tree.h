/*
 * tree.h - changes to a guest's files that change what was meant, and no more.
 *
 * The guest is not trusted: a link where a file or a directory was expected
 * would take a change elsewhere.  So a path's directory must be the one that
 * the path names (the usual links of merged-/usr systems and /var/run apart),
 * and a link as last component is refused, VM_E_DATA "guest_symlink".  Files
 * are replaced by rename, with owner, mode and security label kept, so that
 * hard links and open descriptors see the old file.
 *
 * Paths are absolute and plain: no ".", "..", doubled or trailing slash;
 * anything else is VM_E_DATA "bad_path".
 */
#ifndef VM_GUEST_TREE_H
#define VM_GUEST_TREE_H

#include "lib/adapt/engine.h"

#define VM_TREE_PATH_MAX 4096
#define VM_TREE_KEEP (-1)

/* What a file gets; VM_TREE_KEEP: as the old one has, else 0644 and root. */
struct vm_tree_attr {
	int mode;
	int64_t uid, gid;
};

extern const struct vm_tree_attr vm_tree_keep;

/* Is the path plain? */
int vm_tree_check_path(const char *path, struct vm_error *err) VM_MUST_CHECK;

/* 1 and *st: it is there; 0: it is not; the directory was checked. */
int vm_tree_stat(const struct vm_engine *engine, const char *path,
    struct vm_engine_stat *st, struct vm_error *err) VM_MUST_CHECK;

/* Is there anything (links are followed)?  For looking only. */
int vm_tree_has(const struct vm_engine *engine, const char *path,
    struct vm_error *err) VM_MUST_CHECK;

/* Append a regular file's text: 1; 0 when there is none. */
int vm_tree_read(const struct vm_engine *engine, const char *path,
    struct vm_buf *out, struct vm_error *err) VM_MUST_CHECK;

/* Make or replace a regular file. */
int vm_tree_write(const struct vm_engine *engine, const char *path,
    const void *data, size_t len, const struct vm_tree_attr *attr,
    struct vm_error *err) VM_MUST_CHECK;
int vm_tree_upload(const struct vm_engine *engine, const char *path, int fd,
    const struct vm_tree_attr *attr, struct vm_error *err) VM_MUST_CHECK;

/* Add a line at the end, after whole lines, unless `once` and it is there. */
int vm_tree_append_line(const struct vm_engine *engine, const char *path,
    const char *line, bool once, const struct vm_tree_attr *attr,
    struct vm_error *err) VM_MUST_CHECK;

/* Make a directory and those above it; the ones that are there stay. */
int vm_tree_make_dirs(const struct vm_engine *engine, const char *path,
    const struct vm_tree_attr *attr, struct vm_error *err) VM_MUST_CHECK;

/* A symbolic link in the place of nothing, of a file or of another link. */
int vm_tree_link(const struct vm_engine *engine, const char *target,
    const char *path, struct vm_error *err) VM_MUST_CHECK;

int vm_tree_chmod(const struct vm_engine *engine, const char *path,
    unsigned mode, struct vm_error *err) VM_MUST_CHECK;

/* Remove it, and what is below a directory; "/" is refused. */
int vm_tree_remove(const struct vm_engine *engine, const char *path,
    struct vm_error *err) VM_MUST_CHECK;

#endif
