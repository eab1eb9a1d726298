#include "lib/clone/source.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "lib/clone/running.h"
#include "lib/disk/qcow2.h"
#include "lib/store/alias.h"
#include "lib/store/lineage.h"
#include "lib/store/vm.h"

static void
reset(struct vm_source *source)
{
	memset(source, 0, sizeof(*source));
	source->chain.dir_fd = source->disk_fd = source->lock_fd = -1;
}

int
vm_source_open(struct vm_store *store, const struct vm_json *record,
    struct vm_source *source, struct vm_error *err)
{
	const char *id = vm_json_string(record, "image.id", NULL);
	const char *alias = vm_json_string(record, "image.alias", NULL);

	reset(source);
	if (id == NULL)
		return vm_error_set(err, VM_E_DATA, "bad_record",
		    "the image record has no image.id");
	if (vm_chain_open_image(store, id, &source->chain, err) == 0)
		return 0;
	if (err != NULL && err->kind == VM_E_NO_INPUT && alias != NULL)
		vm_error_hint(err, "vmfetch %s", alias);
	return -1;
}

/* ---- --from ---- */

static int
ends_with(const char *text, const char *end)
{
	size_t a = strlen(text), b = strlen(end);

	return a >= b && strcmp(text + a - b, end) == 0;
}

/* Every file of the VM's chain but its own disk, in no particular order. */
static int
read_chain(struct vm_chain *chain, struct vm_error *err)
{
	int fd = openat(chain->dir_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = fd == -1 ? NULL : fdopendir(fd);
	struct dirent *entry;
	int rc = 0;

	if (dir == NULL)
		return vm_error_errno(err, errno, "the VM's directory");
	while (rc == 0 && (entry = readdir(dir)) != NULL) {
		struct vm_chain_file *file = &chain->files[chain->count];
		bool is_raw = ends_with(entry->d_name, ".raw");
		size_t size = strlen(entry->d_name) + 1;

		if ((!is_raw && !ends_with(entry->d_name, ".qcow2")) ||
		    strcmp(entry->d_name, "disk.qcow2") == 0)
			continue;
		if (chain->count == VM_CHAIN_MAX || size > sizeof(file->name)) {
			rc = vm_error_set(err, VM_E_DATA, "bad_chain",
			    "the VM's directory has files that are not ours");
			continue;
		}
		memcpy(file->name, entry->d_name, size);
		file->is_raw = is_raw;
		chain->count++;
	}
	closedir(dir);
	return rc;
}

static int
open_vm(struct vm_store *store, const char *name, struct vm_source *source,
    struct vm_error *err)
{
	struct vm_chain *chain = &source->chain;
	VM_CLEAN_JSON struct vm_json *record = NULL;
	struct vm_error busy = { 0 };

	source->lock_fd = vm_vm_lock(store, name, VM_LOCK_NO_WAIT, &busy);
	chain->dir_fd = vm_store_open_object(store, VM_STORE_VMS, name, err);
	if (chain->dir_fd == -1)
		return -1;
	if (source->lock_fd == -1 &&
	    vm_running_find(store, name, source, &busy) == -1) {
		*err = busy;
		return -1;
	}
	record = vm_vm_load(store, name, false, err);
	if (record == NULL ||
	    vm_lineage_check(store, record, chain->dir_fd, err) == -1)
		return vm_error_wrap(err, "%s", name);
	source->disk_fd = openat(chain->dir_fd, "disk.qcow2",
	    O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	if (source->disk_fd == -1)
		return vm_error_errno(err, errno, "%s: disk.qcow2", name);
	if (vm_qcow2_virtual_size(source->disk_fd, &chain->virtual_size, err) ==
	    -1)
		return vm_error_wrap(err, "%s", name);
	return read_chain(chain, err);
}

/* A VM's record as the image record of its copies: facts of its own go. */
static struct vm_json *
record_from_vm(struct vm_store *store, const char *name, struct vm_error *err)
{
	static const char *const own[] = { "name", "index", "service", "role",
		"identity", "disks", "chain", "lock_inode", "run", "ssh",
		"drift", "error", "timing_ms", "applied.identity",
		"applied.instance", "autostart" };
	VM_CLEAN_JSON struct vm_json *record = vm_vm_load(store, name, false,
	    err);
	size_t i;

	if (record == NULL)
		return NULL;
	for (i = 0; i < sizeof(own) / sizeof(own[0]); i++)
		vm_json_delete(record, own[i]);
	/* its disk has run: nothing may build it again from the image */
	if (vm_json_set_string(record, "kind", "image", err) == -1 ||
	    vm_json_set_string(record, "state", "fetched", err) == -1 ||
	    vm_json_set_string(record, "copy_of", name, err) == -1 ||
	    vm_json_set_bool(record, "started", true, err) == -1)
		return NULL;
	return VM_TAKE(record);
}

static struct vm_json *
record_from_alias(struct vm_store *store, const char *from,
    struct vm_error *err)
{
	VM_CLEAN_JSON struct vm_json *record = vm_record_new("image", err);
	struct vm_alias alias;

	if (record == NULL ||
	    vm_alias_resolve(store, from, &alias, err) == -1 ||
	    vm_json_set_string(record, "state", "fetched", err) == -1 ||
	    vm_json_set_string(record, "image.id", alias.id, err) == -1 ||
	    vm_json_set_string(record, "spec.image.source", from, err) == -1)
		return NULL;
	if (alias.name[0] != '\0' &&
	    (vm_json_set_string(record, "image.alias", alias.name, err) == -1 ||
		vm_json_set_int(record, "image.generation", alias.generation,
		    err) == -1))
		return NULL;
	return VM_TAKE(record);
}

struct vm_json *
vm_source_from(struct vm_store *store, const char *from,
    struct vm_source *source, struct vm_error *err)
{
	VM_CLEAN_JSON struct vm_json *record = NULL;
	struct vm_error no_vm = { 0 };
	int rc;

	reset(source);
	record = record_from_vm(store, from, &no_vm);
	if (record != NULL) {
		rc = open_vm(store, from, source, err);
	} else if (no_vm.kind != VM_E_NO_INPUT && no_vm.kind != VM_E_USAGE) {
		*err = no_vm;
		rc = -1;
	} else {
		record = record_from_alias(store, from, err);
		rc = record == NULL ?
		    -1 :
		    vm_source_open(store, record, source, err);
		if (rc == 0)
			rc = vm_json_set_int(record, "image.virtual_size",
			    (int64_t)source->chain.virtual_size, err);
	}
	if (rc == -1) {
		vm_source_close(source);
		return NULL;
	}
	return VM_TAKE(record);
}

void
vm_source_close(struct vm_source *source)
{
	vm_clean_fd(&source->disk_fd);
	vm_clean_fd(&source->lock_fd);
	source->disk_fd = source->lock_fd = -1;
	vm_json_clean(&source->running);
	if (source->chain.dir_fd >= 0)
		vm_chain_close(&source->chain);
	source->chain.dir_fd = -1;
}
