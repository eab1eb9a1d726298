#include "lib/clone/mode.h"

#include <string.h>

#include "lib/base/fd.h"
#include "lib/base/log.h"
#include "lib/base/size.h"
#include "lib/disk/copy.h"
#include "lib/disk/qcow2.h"
#include "lib/qemu/img.h"
#include "lib/store/fresh.h"
#include "lib/store/publish.h"

#define CLUSTER_MIN ((uint64_t)512)
#define CLUSTER_MAX ((uint64_t)2 << 20)
#define EXTENDED_MIN ((uint64_t)16 << 10)

/* Members of a wish. */
static const char *const members[] = { "mode", "cluster_size", "lazy_refcounts",
	"extended_l2" };
#define MEMBERS (sizeof(members) / sizeof(members[0]))

static bool
is(const char *text, const char *word)
{
	return text != NULL && strcmp(text, word) == 0;
}

static bool
is_auto(const struct vm_clone_options *options)
{
	return is(options->mode, "auto");
}

/* ---- the command line ---- */

static int
refuse(struct vm_error *err, const char *why)
{
	vm_error_set(err, VM_E_USAGE, "usage", "%s", why);
	return vm_error_hint(err, "vmclone --help");
}

static int
check_clusters(const struct vm_clone_options *o, struct vm_error *err)
{
	uint64_t size = o->cluster_size;
	bool is_asked = size > 0 || o->lazy_refcounts || o->extended_l2;

	if (is_asked && o->mode != NULL && !is(o->mode, "overlay"))
		return refuse(err,
		    "--cluster-size, --lazy-refcounts, --extended-l2: only an "
		    "overlay has clusters");
	if (size > 0 &&
	    (size < CLUSTER_MIN || size > CLUSTER_MAX ||
		(size & (size - 1)) != 0))
		return refuse(err,
		    "--cluster-size: a power of two from 512 to 2M");
	if (o->extended_l2 && size > 0 && size < EXTENDED_MIN)
		return refuse(err,
		    "--extended-l2: needs clusters of at least 16K");
	return o->extended_l2 ? vm_img_check_extended_l2(err) : 0;
}

/* Is the role's disk set twice? */
static bool
has_disk_set(const struct vm_clone_options *o)
{
	for (size_t i = 0; i < o->set_count; i++) {
		if (strncmp(o->sets[i], "disk=", 5) == 0)
			return true;
	}
	return false;
}

static int
check_size(const struct vm_clone_options *o, struct vm_error *err)
{
	uint64_t size;

	if (o->size == NULL)
		return 0;
	if (has_disk_set(o))
		return refuse(err,
		    "--size and --set disk= are the same: one "
		    "of them");
	if (vm_size_parse(o->size, &size, err) == -1) {
		if (err != NULL)
			err->kind = VM_E_USAGE;
		return vm_error_wrap(err, "--size");
	}
	if (size == 0 || size % 512 != 0 || size > VM_QCOW2_SIZE_MAX)
		return vm_error_set(err, VM_E_USAGE, "bad_size",
		    "--size %s: a multiple of 512 bytes, at most 1P", o->size);
	return 0;
}

int
vm_mode_check(const struct vm_clone_options *o, struct vm_error *err)
{
	static const char *const modes[] = { "overlay", "reflink", "copy",
		"auto" };
	bool is_known = o->mode == NULL;

	for (size_t i = 0; i < sizeof(modes) / sizeof(modes[0]); i++)
		is_known = is_known || is(o->mode, modes[i]);
	if (!is_known)
		return refuse(err, "--mode: overlay, reflink, copy or auto");
	if (o->copy_ok && !is(o->mode, "reflink"))
		return refuse(err, "--copy-ok: goes with --mode reflink");
	if (check_clusters(o, err) == -1)
		return -1;
	return check_size(o, err);
}

/* ---- what is wanted ---- */

/* Can files of the store share their blocks?  Seen by doing it. */
static bool
can_share(struct vm_store *store, const struct vm_source *source)
{
	VM_CLEAN_FD int master = vm_fd_open_regular(source->chain.dir_fd,
	    source->chain.files[0].name, NULL);
	VM_CLEAN_FD int fd = master == -1 ?
	    -1 :
	    vm_publish_tmpfile(store, VM_STORE_TMP, NULL);

	return fd != -1 && vm_copy_share(master, fd, NULL) == 0;
}

static const char *
choose(struct vm_store *store, const struct vm_source *source,
    const struct vm_json *record)
{
	const char *mode = "overlay";

	if (vm_json_count(vm_json_get(record, "spec.customize")) == 0 &&
	    can_share(store, source))
		mode = "reflink";
	vm_log(VM_LOG_INFO, "mode auto: %s", mode);
	return mode;
}

/* A copy of a VM has a disk like that VM's. */
static int
check_copy(const struct vm_clone_options *o, const struct vm_source *source,
    struct vm_error *err)
{
	bool has_clusters = o->cluster_size > 0 || o->lazy_refcounts ||
	    o->extended_l2;
	bool wants_raw = is(o->mode, "reflink") || is(o->mode, "copy");

	if (has_clusters ||
	    (o->mode != NULL && !is_auto(o) && wants_raw != source->is_raw))
		return vm_error_set(err, VM_E_USAGE, "bad_mode",
		    "--from a VM: the copy's disk is as the VM's, %s",
		    source->is_raw ? "a raw file (--mode reflink or copy)" :
				     "an overlay with its clusters");
	return 0;
}

static int
set_clusters(const struct vm_clone_options *o, struct vm_json *record,
    struct vm_error *err)
{
	if ((o->cluster_size > 0 &&
		vm_json_set_int(record, "disks.0.cluster_size",
		    (int64_t)o->cluster_size, err) == -1) ||
	    (o->lazy_refcounts &&
		vm_json_set_bool(record, "disks.0.lazy_refcounts", true, err) ==
		    -1))
		return -1;
	if (!o->extended_l2)
		return 0;
	return vm_json_set_bool(record, "disks.0.extended_l2", true, err);
}

int
vm_mode_wish(struct vm_store *store, const struct vm_clone_options *options,
    const struct vm_source *source, struct vm_json *record,
    struct vm_error *err)
{
	const char *mode = options->mode;

	if (vm_json_set(record, "disks", vm_json_new_array(), err) == -1 ||
	    vm_json_append(vm_json_get(record, "disks"), vm_json_new_object(),
		err) == -1)
		return -1;
	if (source->disk_fd >= 0) {
		if (check_copy(options, source, err) == -1)
			return -1;
		if (is_auto(options))
			mode = NULL;
	} else if (is_auto(options)) {
		mode = choose(store, source, record);
	}
	if (mode != NULL &&
	    vm_json_set_string(record, "disks.0.mode", mode, err) == -1)
		return -1;
	return set_clusters(options, record, err);
}

bool
vm_mode_differs(const struct vm_clone_options *options,
    const struct vm_json *stored, const struct vm_json *wanted)
{
	const struct vm_json *is_now = vm_json_get(stored, "disks.0");
	const struct vm_json *wish = vm_json_get(wanted, "disks.0");

	for (size_t i = 0; i < MEMBERS; i++) {
		const struct vm_json *want = vm_json_get(wish, members[i]);

		if (want == NULL || (i == 0 && is_auto(options)) ||
		    vm_json_is_equal(want, vm_json_get(is_now, members[i])))
			continue;
		if (i == 0 && options->copy_ok &&
		    is(vm_json_string(is_now, "mode", NULL), "copy"))
			continue;
		return true;
	}
	return false;
}

int
vm_mode_keep(const struct vm_clone_options *options,
    const struct vm_json *stored, struct vm_json *wanted, struct vm_error *err)
{
	const struct vm_json *had = vm_json_get(stored, "disks.0");
	struct vm_json *wish = vm_json_get(wanted, "disks.0");

	for (size_t i = 0; i < MEMBERS; i++) {
		const struct vm_json *value = vm_json_get(had, members[i]);
		bool is_asked = vm_json_get(wish, members[i]) != NULL &&
		    !(i == 0 && is_auto(options));

		/* clusters are an overlay's */
		if (value == NULL || is_asked ||
		    (i > 0 && vm_fresh_is_raw(wish)))
			continue;
		if (vm_json_set(wish, members[i], vm_json_copy(value), err) ==
		    -1)
			return -1;
	}
	return 0;
}
