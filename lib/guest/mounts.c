#include "lib/guest/mounts.h"

#include <string.h>

#include "lib/guest/tree.h"

#define FSTAB "/etc/fstab"
#define MARK "# vmpipe: volume " /* the line below it is ours as well */

struct vm_json *
vm_mounts_canonical(const struct vm_json *record, struct vm_error *err)
{
	const struct vm_json *disks = vm_json_get(record, "disks");
	VM_CLEAN_JSON struct vm_json *all = vm_json_new_array();

	for (size_t i = 0; all != NULL && i < vm_json_count(disks); i++) {
		const struct vm_json *disk = vm_json_at(disks, i);
		const char *mount = vm_json_string(disk, "mount", NULL);
		const char *uuid = vm_json_string(disk, "uuid", NULL);
		struct vm_json *one;

		if (mount == NULL || uuid == NULL)
			continue;
		one = vm_json_new_object();
		if (vm_json_append(all, one, err) == -1 ||
		    vm_json_set_string(one, "name",
			vm_json_string(disk, "name", ""), err) == -1 ||
		    vm_json_set_string(one, "mount", mount, err) == -1 ||
		    vm_json_set_string(one, "uuid", uuid, err) == -1)
			return NULL;
	}
	if (all == NULL)
		vm_error_nomem(err);
	return VM_TAKE(all);
}

/* The lines of text that are not ours. */
static int
copy_others(const char *text, struct vm_buf *out, struct vm_error *err)
{
	while (*text != '\0') {
		size_t len = strcspn(text, "\n");
		bool is_ours = strncmp(text, MARK, strlen(MARK)) == 0;

		if (!is_ours &&
		    (vm_buf_add(out, text, len, err) == -1 ||
			vm_buf_add(out, "\n", 1, err) == -1))
			return -1;
		text += len + (text[len] == '\n');
		if (is_ours) {
			len = strcspn(text, "\n");
			text += len + (text[len] == '\n');
		}
	}
	return 0;
}

static int
add_mount(const struct vm_op_context *context, const struct vm_json *mount,
    struct vm_buf *out, struct vm_error *err)
{
	bool systemd = strcmp(vm_json_string(context->layout, "init", ""),
			   "systemd") == 0;
	const char *at = vm_json_string(mount, "mount", "");

	if (vm_tree_make_dirs(context->engine, at, &vm_tree_keep, err) == -1)
		return -1;
	return vm_buf_format(out, err,
	    MARK "%s\nUUID=%s\t%s\text4\tdefaults,nofail%s\t0\t2\n",
	    vm_json_string(mount, "name", ""),
	    vm_json_string(mount, "uuid", ""), at,
	    systemd ? ",x-systemd.growfs" : "");
}

int
vm_mounts_apply(const struct vm_op_context *context,
    const struct vm_json *record, struct vm_json *warnings,
    struct vm_error *err)
{
	VM_CLEAN_JSON struct vm_json *mounts = vm_mounts_canonical(record, err);
	VM_CLEAN_BUF struct vm_buf old = { 0 };
	VM_CLEAN_BUF struct vm_buf text = { 0 };
	int there;

	if (mounts == NULL)
		return -1;
	there = vm_tree_read(context->engine, FSTAB, &old, err);
	if (there == -1)
		return -1;
	if (there == 0)
		return vm_json_count(mounts) == 0 ?
		    0 :
		    vm_json_append(warnings,
			vm_json_new_string("no " FSTAB " in the guest: its "
					   "volumes are not mounted"),
			err);
	if (vm_json_count(mounts) == 0 &&
	    (old.data == NULL || strstr(old.data, MARK) == NULL))
		return 0;
	if (copy_others(old.data != NULL ? old.data : "", &text, err) == -1)
		return -1;
	for (size_t i = 0; i < vm_json_count(mounts); i++)
		if (add_mount(context, vm_json_at(mounts, i), &text, err) == -1)
			return -1;
	return vm_tree_write(context->engine, FSTAB, text.data, text.len,
	    &vm_tree_keep, err);
}
