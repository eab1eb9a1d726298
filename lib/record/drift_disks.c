#include <string.h>

#include "lib/base/size.h"
#include "lib/record/drift.h"

/* The entry in the record's disks of that name and kind, or NULL. */
static const struct vm_json *
find(const struct vm_json *stored, const struct vm_json *wanted, bool is_volume)
{
	const struct vm_json *disks = vm_json_get(stored, "disks");
	const char *name = vm_json_string(wanted, "name", "");

	for (size_t i = 1; i < vm_json_count(disks); i++) {
		const struct vm_json *disk = vm_json_at(disks, i);

		if ((vm_json_get(disk, "volume") != NULL) == is_volume &&
		    strcmp(vm_json_string(disk, "name", ""), name) == 0)
			return disk;
	}
	return NULL;
}

static bool
is_size(const struct vm_json *disk, const struct vm_json *wanted)
{
	uint64_t size;

	return vm_size_parse(vm_json_string(wanted, "size", ""), &size, NULL) ==
	    0 &&
	    size == (uint64_t)vm_json_int(disk, "size", -1);
}

static bool
is_text(const struct vm_json *a, const char *in_a, const struct vm_json *b,
    const char *in_b)
{
	return strcmp(vm_json_string(a, in_a, ""),
		   vm_json_string(b, in_b, "")) == 0;
}

static bool
is_as_wanted(const struct vm_json *disk, const struct vm_json *wanted,
    bool is_volume)
{
	if (disk == NULL)
		return false;
	if (is_volume)
		return is_size(disk, wanted) &&
		    is_text(disk, "mount", wanted, "mount");
	if (!is_text(disk, "alias", wanted, "image"))
		return false;
	return vm_json_get(wanted, "image") != NULL || is_size(disk, wanted);
}

static size_t
count(const struct vm_json *stored, bool are_volumes)
{
	const struct vm_json *disks = vm_json_get(stored, "disks");
	size_t n = 0;

	for (size_t i = 1; i < vm_json_count(disks); i++)
		n += (vm_json_get(vm_json_at(disks, i), "volume") != NULL) ==
		    are_volumes;
	return n;
}

static bool
has_list(const struct vm_json *stored, const struct vm_json *list,
    bool are_volumes)
{
	if (vm_json_count(list) != count(stored, are_volumes))
		return true;
	for (size_t i = 0; i < vm_json_count(list); i++) {
		const struct vm_json *wanted = vm_json_at(list, i);

		if (!is_as_wanted(find(stored, wanted, are_volumes), wanted,
			are_volumes))
			return true;
	}
	return false;
}

bool
vm_drift_has_disks(const struct vm_json *stored, const struct vm_json *spec)
{
	return has_list(stored, vm_json_get(spec, "disks"), false) ||
	    has_list(stored, vm_json_get(spec, "volumes"), true);
}
