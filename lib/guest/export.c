#include "lib/guest/export.h"

#include <stdio.h>
#include <string.h>

#include "lib/base/clock.h"
#include "lib/base/log.h"
#include "lib/disk/flatten.h"
#include "lib/guest/appliance.h"
#include "lib/guest/export_source.h"
#include "lib/guest/export_target.h"
#include "lib/guest/strip.h"
#include "lib/qemu/accel.h"
#include "lib/qemu/img_flatten.h"
#include "lib/record/record.h"
#include "lib/store/vm.h"

#define CHANGED "changed" /* the overlay that the appliance writes to */

/* One export. */
struct run {
	struct vm_store *store;
	const struct vm_export_options *options;
	const char *name; /* the VM's */
	struct vm_export_source source;
	struct vm_export_target target;
	struct vm_json *warnings; /* NULL: none */
};

static void
release(struct run *run)
{
	vm_export_target_close(&run->target);
	vm_export_source_close(&run->source);
	vm_json_free(run->warnings);
}

const char *
vm_export_format(const struct vm_export_options *options)
{
	static const char *const ends[][2] = { { ".raw", "raw" },
		{ ".img", "raw" }, { ".vmdk", "vmdk" } };
	const char *end = options->file == NULL ? NULL :
						  strrchr(options->file, '.');

	if (options->format != NULL)
		return options->format;
	for (size_t i = 0; end != NULL && i < sizeof ends / sizeof ends[0]; i++)
		if (strcasecmp(end, ends[i][0]) == 0)
			return ends[i][1];
	return "qcow2";
}

/* ---- the identity ---- */

static int
make_disk(struct vm_change *job, struct vm_error *err)
{
	struct run *run = job->arg;

	return vm_export_source_cover(&run->source, CHANGED, err);
}

static int
change(const struct vm_change *job, const struct vm_op_context *context,
    struct vm_json *warnings, struct vm_error *err)
{
	(void)job;
	return vm_strip_identity(context, warnings, err);
}

static int
strip(struct run *run, struct vm_error *err)
{
	const struct vm_appliance_options options = {
		.timeout_ms = run->options->timeout_ms,
	};
	VM_CLEAN_FREE char *disk = vm_store_path(run->store,
	    run->source.publish.at, run->source.publish.name, CHANGED, err);
	VM_CLEAN(vm_appliance_release)
	struct vm_change job = {
		.disk = disk,
		.base = run->name,
		.make_disk = make_disk,
		.change = change,
		.arg = run,
	};
	struct vm_change *const jobs[] = { &job };

	if (disk == NULL || vm_accel_setup_guestfs(run->store, err) == -1 ||
	    vm_appliance_run(run->store, jobs, 1, &options, err) == -1)
		return -1;
	if (!job.is_done) {
		*err = job.error;
		return vm_error_wrap(err, "removing the identity");
	}
	run->warnings = VM_TAKE(job.warnings);
	return 0;
}

/* ---- the image ---- */

/* By ourselves: what the files name must be what the VM is known to have. */
static int
flatten(const struct vm_img_flatten *work, struct vm_error *err)
{
	const struct vm_chain *chain = work->chain;
	VM_CLEAN_OVERLAY struct vm_overlay *disk =
	    vm_overlay_open(chain->dir_fd, chain->files[0].name,
		chain->files[0].is_raw ? "raw" : "qcow2", VM_OVERLAY_READ, err);

	if (disk == NULL)
		return -1;
	if (vm_overlay_depth(disk) != chain->count)
		return vm_error_set(err, VM_E_DATA, "bad_chain",
		    "the disk stands on %zu files, not on %zu",
		    vm_overlay_depth(disk) - 1, chain->count - 1);
	return vm_flatten(disk, work->format, work->to, work->name, err);
}

/* qemu-img for what we do not write. */
static int
write_image(struct run *run, int to, struct vm_error *err)
{
	char name[VM_NAME_MAX + 16];
	struct vm_img_flatten work = {
		.chain = &run->source.chain,
		.format = vm_export_format(run->options),
		.compress = run->options->compress,
		.to = to,
		.name = name,
	};
	bool is_foreign = work.compress || strcmp(work.format, "vmdk") == 0;

	snprintf(name, sizeof name, "%s.%s", run->name, work.format);
	if ((is_foreign ? vm_img_flatten(&work, err) : flatten(&work, err)) ==
	    -1)
		return -1;
	return vm_export_target_finish(&run->target, err);
}

/* ---- the answer ---- */

static const char *
identity_word(const struct run *run)
{
	return !run->source.is_system	? "a data disk, as it is" :
	    run->options->keep_identity ? "identity kept" :
					  "identity removed";
}

static void
say_planned(const struct run *run)
{
	const struct vm_export_options *options = run->options;
	const char *file = options->file;

	vm_log(VM_LOG_WARN, "%s: would write %s (%s%s, %llu MiB, %s)",
	    run->name, file == NULL ? "to standard output" : file,
	    vm_export_format(options), options->compress ? ", compressed" : "",
	    (unsigned long long)run->source.chain.virtual_size >> 20,
	    identity_word(run));
}

static int
note_export(struct run *run, struct vm_json *record, struct vm_error *err)
{
	const struct vm_export_target *target = &run->target;

	for (size_t i = 0; i < vm_json_count(run->warnings); i++)
		vm_log(VM_LOG_WARN, "%s: %s", run->name,
		    vm_json_text(vm_json_at(run->warnings, i)));
	vm_log(VM_LOG_INFO, "%s: %s, %llu bytes, sha256 %s, %s", run->name,
	    target->path == NULL ? "standard output" : target->path,
	    (unsigned long long)target->size, target->sha256,
	    identity_word(run));
	vm_json_delete(record, "exported");
	if ((target->path != NULL &&
		vm_json_set_string(record, "exported.path", target->path,
		    err) == -1) ||
	    vm_json_set_string(record, "exported.format",
		vm_export_format(run->options), err) == -1 ||
	    vm_json_set_int(record, "exported.size", (int64_t)target->size,
		err) == -1 ||
	    vm_json_set_string(record, "exported.sha256", target->sha256,
		err) == -1)
		return -1;
	if (vm_json_count(run->warnings) == 0)
		return 0;
	return vm_json_set(record, "exported.warnings", VM_TAKE(run->warnings),
	    err);
}

/* What to type instead, where there is such a thing. */
static int
add_hint(const struct run *run, struct vm_error *err)
{
	const char *name = run->name;
	const char *file = run->options->file == NULL ? "-" :
							run->options->file;

	if (strcmp(err->code, "exists") == 0)
		return vm_error_hint(err, "vmexport --force%s%s%s %s %s",
		    run->options->keep_identity ? " --keep-identity" : "",
		    run->options->disk == NULL ? "" : " --disk ",
		    run->options->disk == NULL ? "" : run->options->disk, name,
		    file);
	if (strcmp(err->code, "not_a_file") == 0)
		return vm_error_hint(err, "vmexport -O %s %s - >%s",
		    run->options->format == NULL ? "raw" : run->options->format,
		    name, file);
	if (err->kind == VM_E_DATA && strncmp(err->code, "guest_", 6) == 0)
		return vm_error_hint(err, "vmexport --keep-identity %s %s",
		    name, file);
	return -1;
}

static int
export_vm(struct run *run, struct vm_json *record, struct vm_error *err)
{
	const struct vm_export_options *options = run->options;
	uint64_t begin = vm_clock_ms();
	int to;

	if (vm_export_target_check(run->store, options, &run->target, err) ==
		-1 ||
	    vm_export_source_open(run->store, run->name, options->disk,
		&run->source, err) == -1 ||
	    vm_vm_check_facts(run->source.record, record, err) == -1)
		return -1;
	if (options->dry_run) {
		say_planned(run);
		return vm_json_set_string(record, "planned", "export", err);
	}
	/* first, so that what forbids it is said before the long work */
	to = vm_export_target_open(run->store, &run->target, err);
	if (to == -1 ||
	    vm_export_source_take(run->store, &run->source, err) == -1)
		return -1;
	if (run->source.is_system && !options->keep_identity &&
	    strip(run, err) == -1)
		return -1;
	if (write_image(run, to, err) == -1 ||
	    note_export(run, record, err) == -1)
		return -1;
	return vm_json_set_int(record, "timing_ms.export",
	    (int64_t)(vm_clock_ms() - begin), err);
}

int
vm_export_run(struct vm_store *store, const struct vm_export_options *options,
    struct vm_json *record, struct vm_error *err)
{
	VM_CLEAN(release)
	struct run run = {
		.store = store,
		.options = options,
		.name = vm_json_string(record, "name", ""),
		.source = VM_EXPORT_SOURCE_NONE,
		.target = VM_EXPORT_TARGET_NONE,
	};

	if (!vm_record_is_kind(record, "vm")) {
		vm_error_set(err, VM_E_DATA, "not_a_vm",
		    "a record of kind %s, not of a VM",
		    vm_json_string(record, "kind", "none"));
		return vm_error_hint(err, "vmclone");
	}
	return export_vm(&run, record, err) == 0 ? 0 : add_hint(&run, err);
}
