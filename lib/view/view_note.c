#include "lib/view/view_note.h"

#include <string.h>

#include "lib/base/fd.h"
#include "lib/disk/snapshots.h"
#include "lib/store/vm.h"

#define NAMED_MAX 4 /* snapshots by name */

/* "a; b": a first note, or one behind others. */
static int
say(struct vm_buf *note, const char *what, const char *which,
    struct vm_error *err)
{
	return vm_buf_format(note, err, "%s%s%s", note->len == 0 ? "" : "; ",
	    what, which);
}

static int
note_image(const struct vm_json *image, struct vm_buf *note,
    struct vm_error *err)
{
	const char *lease = vm_json_string(image, "lease", NULL);

	if (vm_json_bool(image, "current", false) &&
	    say(note, "current", "", err) == -1)
		return -1;
	if (vm_json_bool(image, "pinned", false) &&
	    say(note, "pinned", "", err) == -1)
		return -1;
	return lease == NULL ? 0 : say(note, "leased until ", lease, err);
}

static int
note_drift(const struct vm_json *vm, struct vm_buf *note, struct vm_error *err)
{
	const struct vm_json *drift = vm_json_get(vm, "drift");

	for (size_t i = 0; i < vm_json_count(drift); i++) {
		const char *word = vm_json_text(vm_json_at(drift, i));

		if (word != NULL &&
		    (i == 0 ? say(note, "drift: ", word, err) :
			      vm_buf_format(note, err, ", %s", word)) == -1)
			return -1;
	}
	return 0;
}

/* A disk that cannot be read has none to speak of: vmdoctor says why. */
static int
note_snapshots(struct vm_store *store, const struct vm_json *vm,
    struct vm_buf *note, struct vm_error *err)
{
	const struct vm_json *disk = vm_json_get(vm, "disks.0");
	VM_CLEAN_SNAPSHOTS struct vm_snapshots snapshots = { 0 };
	VM_CLEAN_FD int dir_fd = -1;
	VM_CLEAN_FD int fd = -1;

	if (strcmp(vm_json_string(disk, "format", ""), "qcow2") != 0)
		return 0;
	dir_fd = vm_store_open_object(store, VM_STORE_VMS,
	    vm_json_string(vm, "name", ""), NULL);
	if (dir_fd != -1)
		fd = vm_fd_open_regular(dir_fd, vm_vm_disk_file(disk), NULL);
	if (fd == -1 || vm_snapshots_read(fd, &snapshots, NULL) == -1)
		return 0;
	for (size_t i = 0; i < snapshots.count && i < NAMED_MAX; i++)
		if ((i == 0 ? say(note, "snapshots: ", snapshots.items[i].name,
				  err) :
			      vm_buf_format(note, err, ", %s",
				  snapshots.items[i].name)) == -1)
			return -1;
	return snapshots.count <= NAMED_MAX ?
	    0 :
	    vm_buf_format(note, err, " and %zu more",
		snapshots.count - NAMED_MAX);
}

static int
note_vm(struct vm_store *store, const struct vm_json *vm, struct vm_buf *note,
    struct vm_error *err)
{
	const char *mode = vm_json_string(vm, "disks.0.mode", "overlay");
	const char *copy_of = vm_json_string(vm, "copy_of", NULL);

	if (copy_of != NULL && say(note, "copy of ", copy_of, err) == -1)
		return -1;
	if (strcmp(mode, "overlay") != 0 &&
	    say(note, mode, ", needs nothing below", err) == -1)
		return -1;
	if (vm_json_bool(vm, "ephemeral", false) &&
	    say(note, "ephemeral", "", err) == -1)
		return -1;
	return note_drift(vm, note, err) == -1 ?
	    -1 :
	    note_snapshots(store, vm, note, err);
}

/* <vm>.<n>, and no disk of an upgrade, <vm>.<n>.<n>. */
static bool
is_removed_vm(const struct vm_json *record)
{
	const char *name = vm_json_string(record, "name", "");
	const char *vm = vm_json_string(record, "vm", "");
	size_t len = strlen(vm);

	return strncmp(name, vm, len) == 0 && name[len] == '.' &&
	    strchr(name + len + 1, '.') == NULL;
}

static int
note_any(struct vm_store *store, const struct vm_json *record,
    struct vm_buf *note, struct vm_error *err)
{
	const char *kind = vm_json_string(record, "kind", "");
	const char *vm = vm_json_string(record, "vm", "");
	const char *mount = vm_json_string(record, "mount", NULL);

	if (strcmp(kind, "image") == 0)
		return note_image(record, note, err);
	if (strcmp(kind, "vm") == 0)
		return note_vm(store, record, note, err);
	if (strcmp(kind, "disk") == 0)
		return say(note, "disk of ", vm, err);
	if (strcmp(kind, "old") == 0)
		return say(note, "vmupgrade --rollback ", vm, err);
	if (strcmp(kind, "trash") == 0)
		return is_removed_vm(record) ?
		    say(note, "vmrm --undo ", vm, err) :
		    say(note, "discarded by vmupgrade", "", err);
	if (strcmp(kind, "volume") == 0 && mount != NULL)
		return say(note, "at ", mount, err);
	return 0;
}

int
vm_view_note(struct vm_store *store, struct vm_json *record,
    struct vm_error *err)
{
	VM_CLEAN_BUF struct vm_buf note = { 0 };

	if (note_any(store, record, &note, err) == -1)
		return -1;
	return note.len == 0 ?
	    0 :
	    vm_json_set_string(record, "note", note.data, err);
}
