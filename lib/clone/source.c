#include "lib/clone/source.h"

#include <sys/stat.h>

#include <errno.h>
#include <string.h>

#include "lib/base/fd.h"
#include "lib/clone/running.h"
#include "lib/disk/backing.h"
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

/* The files that its disk stands on, from one header to the next. */
static int
read_chain(int disk_fd, struct vm_chain *chain, struct vm_error *err)
{
	struct vm_backing below;
	VM_CLEAN_FD int fd = -1;

	if (vm_backing_read(disk_fd, &below, err) == -1)
		return -1;
	while (below.file[0] != '\0') {
		struct vm_chain_file *file = &chain->files[chain->count];
		size_t size = strlen(below.file) + 1;

		if (chain->count == VM_CHAIN_MAX || size > sizeof(file->name))
			return vm_error_set(err, VM_E_DATA, "bad_chain",
			    "the VM's disk stands on files that are not ours");
		memcpy(file->name, below.file, size);
		file->is_raw = strcmp(below.format, "raw") == 0;
		chain->count++;
		if (file->is_raw)
			break;
		vm_clean_fd(&fd);
		fd = vm_fd_open_regular(chain->dir_fd, file->name, err);
		if (fd == -1 || vm_backing_read(fd, &below, err) == -1)
			return -1;
	}
	return 0;
}

static int
open_disk(const struct vm_json *vm, struct vm_source *source,
    struct vm_error *err)
{
	const struct vm_json *disk = vm_json_get(vm, "disks.0");
	struct vm_chain *chain = &source->chain;
	struct stat st;

	source->is_raw = strcmp(vm_json_string(disk, "format", ""), "raw") == 0;
	source->disk_fd = vm_fd_open_regular(chain->dir_fd,
	    vm_vm_disk_file(disk), err);
	if (source->disk_fd == -1)
		return -1;
	if (!source->is_raw)
		return vm_qcow2_virtual_size(source->disk_fd,
			   &chain->virtual_size, err) == -1 ?
		    -1 :
		    read_chain(source->disk_fd, chain, err);
	if (fstat(source->disk_fd, &st) == -1)
		return vm_error_errno(err, errno, "%s", vm_vm_disk_file(disk));
	chain->virtual_size = (uint64_t)st.st_size;
	return 0;
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
		return busy.kind == VM_E_TRY_AGAIN ?
		    vm_error_hint(err, "vmstop %s", name) :
		    -1;
	}
	record = vm_vm_load(store, name, false, err);
	if (record == NULL ||
	    vm_lineage_check(store, record, chain->dir_fd, err) == -1 ||
	    open_disk(record, source, err) == -1)
		return vm_error_wrap(err, "%s", name);
	return 0;
}

/* A VM's record as the image record of its copies: facts of its own go. */
static struct vm_json *
record_from_vm(struct vm_store *store, const char *name, struct vm_error *err)
{
	static const char *const own[] = { "name", "index", "service", "role",
		"identity", "disks", "chain", "lock_inode", "run", "ssh",
		"drift", "error", "timing_ms", "applied.identity",
		"applied.instance", "autostart", "ephemeral" };
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
	for (size_t i = 0; i < source->further_count; i++)
		vm_clean_fd(&source->further[i].fd);
	source->further_count = 0;
	vm_json_clean(&source->running);
	if (source->chain.dir_fd >= 0)
		vm_chain_close(&source->chain);
	source->chain.dir_fd = -1;
}
