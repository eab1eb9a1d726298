/*
 * manifest.h - the service manifest, from YAML to checked JSON.
 *
 * The file is read with libyaml and checked against one table (schema.h).
 * Every error is "file:line:column: message"; up to 20 are collected.  What
 * comes out is plain JSON typed by the schema: sizes, durations and modes stay
 * text in normal form, numbers are numbers, "no" is text where text is due.
 * Relative paths of files (upload, ssh_keys file:, hash) stay as written.
 */
#ifndef VM_RECORD_MANIFEST_H
#define VM_RECORD_MANIFEST_H

#include "lib/adapt/json.h"
#include "lib/base/error.h"

#define VM_MANIFEST_MAX ((size_t)4 << 20) /* bytes */

struct vm_manifest {
	struct vm_json *json; /* {"vmpipe":1,"service":...,"roles":{...}} */
	char *path;	      /* as given, "<stdin>" for "-" */
	char *directory;      /* that relative paths are meant from */
	char *text;	      /* as read */
};

/*
 * Read path ("-": stdin).  VM_E_NO_INPUT, VM_E_DATA "bad_manifest": then
 * *problems (may be NULL) holds all messages, one a line, and err the first.
 */
int vm_manifest_load(const char *path, struct vm_manifest *manifest,
    struct vm_buf *problems, struct vm_error *err) VM_MUST_CHECK;
/* The same of a text kept from earlier; path is only for messages. */
int vm_manifest_parse(const char *path, const char *directory, const char *text,
    struct vm_manifest *manifest, struct vm_error *err) VM_MUST_CHECK;

void vm_manifest_release(struct vm_manifest *manifest);
#define VM_CLEAN_MANIFEST VM_CLEAN(vm_manifest_release)

/* The roles in `after` order (a new array of names); a ring is VM_E_DATA. */
struct vm_json *vm_manifest_order(const struct vm_manifest *manifest,
    struct vm_error *err) VM_MUST_CHECK;

/*
 * Check one role given as JSON (a record's spec, or --set applied to it)
 * against the same table; values are normalised in place.  Messages name the
 * path ("spec.customize.0.write.mode") instead of a line.
 */
int vm_manifest_check_role(struct vm_json *role, struct vm_error *err)
    VM_MUST_CHECK;

/*
 * --set KEY=VALUE: KEY a path in the role, VALUE YAML, checked as above.
 * VM_E_USAGE, and role untouched, when it is refused.
 */
int vm_manifest_set(struct vm_json *role, const char *assignment,
    struct vm_error *err) VM_MUST_CHECK;

/* replicas of a role: number to start with (default 1). */
size_t vm_manifest_initial(const struct vm_json *role);

#endif
