#include <string.h>

#include "lib/adapt/crypto_hash.h"
#include "lib/base/size.h"
#include "lib/record/drift.h"

/* Members of a role that say nothing about the machine as it is now. */
static const char *const no_drift[] = { "image", "after", "replicas", "scale",
	"place", "update", "autostart", "ready", NULL };
static const char *const of_disk[] = { "disk", "disks", "volumes", NULL };
static const char *const of_guest[] = { "customize", "instance", NULL };

static bool
is_in(const char *word, const char *const *list)
{
	for (; *list != NULL; list++)
		if (strcmp(word, *list) == 0)
			return true;
	return false;
}

int
vm_drift_digest(const struct vm_json *value, char hex[65], struct vm_error *err)
{
	VM_CLEAN_BUF struct vm_buf text = { 0 };

	if (value != NULL && vm_json_format(value, true, &text, err) == -1)
		return -1;
	return vm_hash_sha256(text.data != NULL ? text.data : "", text.len, hex,
	    err);
}

/* 1G and 1024M are the same. */
static bool
is_same(const struct vm_json *a, const struct vm_json *b)
{
	const char *atext = vm_json_text(a), *btext = vm_json_text(b);
	uint64_t asize, bsize;

	if (a == NULL || b == NULL)
		return a == b;
	if (vm_json_is_equal(a, b))
		return true;
	return atext != NULL && btext != NULL &&
	    vm_size_parse(atext, &asize, NULL) == 0 &&
	    vm_size_parse(btext, &bsize, NULL) == 0 && asize == bsize;
}

static bool
has_image_drift(const struct vm_json *stored, const char *image_id)
{
	const char *id = vm_json_string(stored, "image.id", NULL);

	return image_id != NULL && id != NULL && strcmp(id, image_id) != 0;
}

/*
 * What was applied, by digest.  A VM that nothing was applied to and that has
 * never run is still on its way: no drift.
 */
static int
has_guest_drift(const struct vm_json *stored, const struct vm_json *spec,
    const char *part, struct vm_error *err)
{
	const struct vm_json *applied = vm_json_member(stored, "applied");
	char wanted[65], none[65];

	if (applied == NULL && !vm_json_bool(stored, "started", false))
		return 0;
	if (vm_drift_digest(vm_json_member(spec, part), wanted, err) == -1 ||
	    vm_drift_digest(NULL, none, err) == -1)
		return -1;
	return strcmp(vm_json_string(applied, part, none), wanted) != 0;
}

/* The disk as it is, not as it was once asked for, where both are known. */
static bool
has_disk_drift(const struct vm_json *stored, const struct vm_json *new)
{
	const struct vm_json *old = vm_json_member(stored, "spec");
	int64_t is = vm_json_int(stored, "disks.0.size", 0);
	uint64_t wanted;

	if (is > 0 &&
	    vm_size_parse(vm_json_string(new, "disk", ""), &wanted, NULL) == 0)
		return wanted != (uint64_t)is ||
		    vm_drift_has_disks(stored, new);
	if (vm_json_count(vm_json_get(stored, "disks")) > 0)
		return !is_same(vm_json_member(old, "disk"),
			   vm_json_member(new, "disk")) ||
		    vm_drift_has_disks(stored, new);
	for (const char *const *name = of_disk; *name != NULL; name++)
		if (!is_same(vm_json_member(old, *name),
			vm_json_member(new, *name)))
			return true;
	return false;
}

/* Is any member of a that matters to the machine different in b? */
static bool
differs(const struct vm_json *a, const struct vm_json *b)
{
	for (void *it = vm_json_first(a); it != NULL;
	     it = vm_json_next(a, it)) {
		const char *name = vm_json_key(it);

		if (!is_in(name, no_drift) && !is_in(name, of_disk) &&
		    !is_in(name, of_guest) &&
		    !is_same(vm_json_value(it), vm_json_member(b, name)))
			return true;
	}
	return false;
}

static int
add_word(struct vm_json *drift, int is_there, const char *word,
    struct vm_error *err)
{
	if (is_there <= 0)
		return is_there;
	return vm_json_append(drift, vm_json_new_string(word), err);
}

struct vm_json *
vm_drift_between(const struct vm_json *stored, const struct vm_json *spec,
    const char *image_id, struct vm_error *err)
{
	VM_CLEAN_JSON struct vm_json *drift = vm_json_new_array();
	const struct vm_json *old = vm_json_member(stored, "spec");

	if (drift == NULL) {
		vm_error_nomem(err);
		return NULL;
	}
	if (add_word(drift, has_image_drift(stored, image_id), "image", err) ==
		-1 ||
	    add_word(drift, has_guest_drift(stored, spec, "customize", err),
		"customize", err) == -1 ||
	    add_word(drift, has_guest_drift(stored, spec, "instance", err),
		"instance", err) == -1 ||
	    add_word(drift, has_disk_drift(stored, spec), "disk", err) == -1 ||
	    add_word(drift, differs(old, spec) || differs(spec, old), "machine",
		err) == -1)
		return NULL;
	return VM_TAKE(drift);
}

int
vm_drift_add(struct vm_json *record, const struct vm_json *drift,
    struct vm_error *err)
{
	struct vm_json *own = vm_json_get(record, "drift");

	if (vm_json_type(own) != VM_JSON_ARRAY) {
		if (vm_json_set(record, "drift", vm_json_new_array(), err) ==
		    -1)
			return -1;
		own = vm_json_get(record, "drift");
	}
	for (size_t i = 0; i < vm_json_count(drift); i++) {
		const struct vm_json *word = vm_json_at(drift, i);
		bool has = false;

		for (size_t j = 0; j < vm_json_count(own); j++)
			has = has || vm_json_is_equal(vm_json_at(own, j), word);
		if (!has && vm_json_append(own, vm_json_copy(word), err) == -1)
			return -1;
	}
	return 0;
}

int
vm_drift_remove(struct vm_json *record, const char *word, struct vm_error *err)
{
	const struct vm_json *drift = vm_json_get(record, "drift");
	VM_CLEAN_JSON struct vm_json *left = vm_json_new_array();

	for (size_t i = 0; i < vm_json_count(drift); i++) {
		const char *text = vm_json_text(vm_json_at(drift, i));

		if (text != NULL && strcmp(text, word) != 0 &&
		    vm_json_append(left, vm_json_new_string(text), err) == -1)
			return -1;
	}
	return vm_json_set(record, "drift", VM_TAKE(left), err);
}
