/* doctor_layers.c - see doctor.h: layers that are not as they were made. */
#include <sys/stat.h>

#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "lib/base/fd.h"
#include "lib/base/proc.h"
#include "lib/host/doctor.h"
#include "lib/store/chain.h"
#include "lib/store/lineage.h"

struct layer {
	struct vm_store *store;
	const char *key;
	char file[96]; /* <key>.qcow2 */
	struct stat st;
	bool is_there; /* that file */
};

/* If nothing but the mode of its files differs, they get that back. */
static bool
is_sealed_again(const struct layer *layer, int dir_fd)
{
	VM_CLEAN_JSON struct vm_json *meta = NULL;
	VM_CLEAN_BUF struct vm_buf text = { 0 };
	bool sealed;

	if (vm_fd_read_file(dir_fd, "layer.json", VM_RECORD_MAX, &text, NULL) ==
		-1 ||
	    text.len == 0 ||
	    (meta = vm_json_parse(text.data, text.len, NULL)) == NULL ||
	    vm_json_set(meta, "chain", vm_json_copy(vm_json_get(meta, "files")),
		NULL) == -1)
		return false;
	/* of its master the bytes can be compared, and have been */
	sealed = vm_lineage_seal(meta, dir_fd, layer->file);
	vm_json_free(meta);
	meta = sealed ? vm_chain_load_layer(layer->store, layer->key, NULL) :
			NULL;
	return meta != NULL;
}

static int
add_clones(const struct layer *layer, struct vm_records *findings,
    struct vm_error *err)
{
	VM_CLEAN_NAMES char **names = vm_store_list(layer->store, VM_STORE_VMS,
	    err);

	for (size_t i = 0; names != NULL && names[i] != NULL; i++) {
		VM_CLEAN_FD int fd = vm_store_open_object(layer->store,
		    VM_STORE_VMS, names[i], NULL);
		struct vm_doctor_finding finding = { .check = "clone",
			.used_by = "vmdeploy" };
		struct stat st;

		if (fd == -1 ||
		    fstatat(fd, layer->file, &st, AT_SYMLINK_NOFOLLOW) == -1 ||
		    (layer->is_there && st.st_ino != layer->st.st_ino))
			continue;
		vm_doctor_say(&finding, VM_DOCTOR_LACKING,
		    "stands on the damaged layer %.12s", layer->key);
		snprintf(finding.fix, sizeof(finding.fix),
		    "vmdoctor --repair %.100s", names[i]);
		if (vm_doctor_add(findings, names[i], &finding, err) == -1)
			return -1;
	}
	return names == NULL ? -1 : 0;
}

/* One that is as it was made is not spoken of. */
static int
check_layer(struct vm_store *store, const char *key,
    struct vm_records *findings, struct vm_error *err)
{
	struct vm_doctor_finding finding = { .check = "layer",
		.used_by = "vmcustomize" };
	struct layer layer = { .store = store, .key = key };
	struct vm_error failure = { 0 };
	VM_CLEAN_JSON struct vm_json *meta = vm_chain_load_layer(store, key,
	    &failure);
	VM_CLEAN_FD int dir_fd = -1;

	if (meta != NULL || failure.kind == VM_E_NO_INPUT)
		return 0;
	if (failure.kind != VM_E_DATA) {
		*err = failure;
		return -1;
	}
	dir_fd = vm_store_open_object(store, VM_STORE_LAYERS, key, err);
	if (dir_fd == -1)
		return -1;
	snprintf(layer.file, sizeof(layer.file), "%.80s.qcow2", key);
	layer.is_there = fstatat(dir_fd, layer.file, &layer.st,
			     AT_SYMLINK_NOFOLLOW) == 0;
	if (is_sealed_again(&layer, dir_fd)) {
		vm_doctor_say(&finding, VM_DOCTOR_NOTE, "%.400s: sealed again",
		    failure.message);
		return vm_doctor_add(findings, key, &finding, err);
	}
	if (vm_publish_keep(store, VM_STORE_LAYERS, key, VM_STORE_QUARANTINE,
		NULL, err) == -1)
		return -1;
	vm_doctor_say(&finding, VM_DOCTOR_NOTE,
	    "%.350s: under quarantine; vmcustomize makes it anew",
	    failure.message);
	if (vm_doctor_add(findings, key, &finding, err) == -1)
		return -1;
	return add_clones(&layer, findings, err);
}

int
vm_doctor_check_layers(struct vm_store *store, struct vm_records *findings,
    struct vm_error *err)
{
	VM_CLEAN_NAMES char **keys = vm_store_list(store, VM_STORE_LAYERS, err);

	for (size_t i = 0; keys != NULL && keys[i] != NULL; i++)
		if (vm_proc_check_stop(err) == -1 ||
		    check_layer(store, keys[i], findings, err) == -1)
			return -1;
	return keys == NULL ? -1 : 0;
}
