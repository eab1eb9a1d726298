/*
 * json.h - JSON values (jansson).  The only module that sees jansson.h.
 *
 * Values are trees with one owner.  A value put into another belongs to it
 * from then on, also when the call fails (verb "take" or "set"); a value got
 * is borrowed and lives as long as the tree is not changed there.  Members
 * keep the order in which they were added.
 *
 * A path is member names and array indices with dots: "identity.nics.0.mac".
 * Getters with a default give it when the path is absent or of another type.
 */
#ifndef VM_ADAPT_JSON_H
#define VM_ADAPT_JSON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/base/buf.h"
#include "lib/base/clean.h"
#include "lib/base/error.h"

struct vm_json;

enum vm_json_type {
	VM_JSON_NONE, /* a NULL pointer */
	VM_JSON_NULL,
	VM_JSON_BOOL,
	VM_JSON_INT,
	VM_JSON_REAL,
	VM_JSON_STRING,
	VM_JSON_ARRAY,
	VM_JSON_OBJECT
};

/*
 * Parse one JSON value that fills the text (RFC 8259; duplicate members,
 * invalid UTF-8, NUL in strings and nesting beyond 64 levels refused):
 * VM_E_DATA "bad_json" with line and column.
 */
struct vm_json *vm_json_parse(const char *text, size_t len,
    struct vm_error *err) VM_MUST_CHECK;

/* Append it on one line.  `sorted`: members by name (for digests). */
int vm_json_format(const struct vm_json *json, bool sorted, struct vm_buf *out,
    struct vm_error *err) VM_MUST_CHECK;

/* NULL is fine. */
void vm_json_free(struct vm_json *json);
void vm_json_clean(struct vm_json **json);
#define VM_CLEAN_JSON VM_CLEAN(vm_json_clean)

/* New values; NULL only when memory is out (string: or invalid UTF-8). */
struct vm_json *vm_json_new_object(void);
struct vm_json *vm_json_new_array(void);
struct vm_json *vm_json_new_string(const char *s);
struct vm_json *vm_json_new_string_len(const char *s, size_t len);
struct vm_json *vm_json_new_int(int64_t number);
struct vm_json *vm_json_new_bool(bool value);
struct vm_json *vm_json_new_null(void);
struct vm_json *vm_json_copy(const struct vm_json *json); /* deep */

enum vm_json_type vm_json_type(const struct vm_json *json);
bool vm_json_is_equal(const struct vm_json *a, const struct vm_json *b);

/* Borrow what is at path, or NULL. */
struct vm_json *vm_json_get(const struct vm_json *json, const char *path);
const char *vm_json_string(const struct vm_json *json, const char *path,
    const char *otherwise);
int64_t vm_json_int(const struct vm_json *json, const char *path,
    int64_t otherwise);
double vm_json_real(const struct vm_json *json, const char *path,
    double otherwise); /* also of an integer */
bool vm_json_bool(const struct vm_json *json, const char *path, bool otherwise);

/* The value itself ("" as path does not exist): of a string, or NULL. */
const char *vm_json_text(const struct vm_json *json);

/*
 * Put value (taken, even on failure; NULL is reported as no memory) at path.
 * Objects on the way are made; an array index may be one past the end.
 * VM_E_DATA "bad_path" when something on the way is neither.
 */
int vm_json_set(struct vm_json *json, const char *path, struct vm_json *value,
    struct vm_error *err) VM_MUST_CHECK;
int vm_json_set_string(struct vm_json *json, const char *path, const char *s,
    struct vm_error *err) VM_MUST_CHECK;
int vm_json_set_int(struct vm_json *json, const char *path, int64_t number,
    struct vm_error *err) VM_MUST_CHECK;
int vm_json_set_bool(struct vm_json *json, const char *path, bool value,
    struct vm_error *err) VM_MUST_CHECK;

/* Remove what is at path; nothing there is fine. */
void vm_json_delete(struct vm_json *json, const char *path);

/* One member by its exact name (which may hold dots), and its change. */
struct vm_json *vm_json_member(const struct vm_json *json, const char *name);
int vm_json_set_member(struct vm_json *json, const char *name,
    struct vm_json *value, struct vm_error *err) VM_MUST_CHECK;

/* Array (or object): number of elements; the i-th element of an array. */
size_t vm_json_count(const struct vm_json *json);
struct vm_json *vm_json_at(const struct vm_json *json, size_t index);
int vm_json_append(struct vm_json *array, struct vm_json *value,
    struct vm_error *err) VM_MUST_CHECK;

/*
 * Members in order:
 *	for (void *it = vm_json_first(o); it != NULL; it = vm_json_next(o, it))
 *		use(vm_json_key(it), vm_json_value(it));
 */
void *vm_json_first(const struct vm_json *object);
void *vm_json_next(const struct vm_json *object, void *it);
const char *vm_json_key(void *it);
struct vm_json *vm_json_value(void *it);

#endif
