#include "lib/guest/work.h"

#include <sys/stat.h>

#include <errno.h>
#include <string.h>

#include "lib/base/fd.h"
#include "lib/disk/qcow2.h"
#include "lib/guest/identity.h"
#include "lib/guest/disk_file.h"
#include "lib/record/drift.h"
#include "lib/record/record.h"
#include "lib/store/fresh.h"
#include "lib/store/further.h"
#include "lib/store/lineage.h"
#include "lib/store/old.h"
#include "lib/store/vm.h"

#define META "vm.json"
#define LOCK "lock"

void
vm_work_release(struct vm_work *work)
{
	vm_publish_abort(&work->publish);
	vm_plan_release(&work->plan);
	vm_appliance_release(&work->job);
	vm_work_unlock(work);
	free(work->disk);
	work->disk = NULL;
}

void
vm_work_unlock(struct vm_work *work)
{
	vm_clean_fd(&work->lock_fd);
	work->lock_fd = -1;
}

int
vm_work_check_idle(struct vm_store *store, const struct vm_json *input,
    struct vm_error *err)
{
	const char *name = vm_json_string(input, "name", "");
	int busy = vm_vm_is_busy(store, name, err);

	if (busy != 1)
		return busy;
	vm_error_set(err, VM_E_TRY_AGAIN, "in_use", "it runs or is worked on");
	return vm_error_hint(err, "vmstop %s", name);
}

int
vm_work_lock(struct vm_store *store, struct vm_work *work,
    const struct vm_json *input, const struct vm_json *hand,
    struct vm_error *err)
{
	const char *name = vm_json_string(input, "name", "");

	bool next = work->plan.dir == VM_STORE_OLD;

	work->lock_fd = next ?
	    vm_old_lock_next(store, name, VM_LOCK_NO_WAIT, err) :
	    vm_vm_lock(store, name, VM_LOCK_NO_WAIT, err);
	if (work->lock_fd == -1) {
		if (err->kind == VM_E_TRY_AGAIN && !next)
			vm_error_hint(err, "vmstop %s", name);
		return -1;
	}
	/* what was true before we had the lock need not be so now */
	vm_plan_release(&work->plan);
	return vm_plan_make(store, input, hand, next, &work->plan, err);
}

/* ---- the job ---- */

/* The disk in its record, and its file's name. */
static struct vm_json *
get_disk(const struct vm_work *work)
{
	return vm_json_get(work->plan.record, "disks.0");
}

static const char *
get_file(const struct vm_work *work)
{
	return vm_vm_disk_file(get_disk(work));
}

static int
open_old(const struct vm_work *work, struct vm_error *err)
{
	return vm_store_open_object(work->publish.store, work->plan.dir,
	    work->plan.object, err);
}

static int
make_disk(struct vm_change *job, struct vm_error *err)
{
	struct vm_work *work = job->arg;
	VM_CLEAN_FD int old = -1;

	/* a reflink in a store moved to where there are none: a copy */
	if (work->plan.action == VM_PLAN_REBUILD)
		return vm_fresh_make(&work->publish, &work->base->chain,
		    get_disk(work), true, err);
	old = open_old(work, err);
	return old == -1 ? -1 :
			   vm_disk_file_copy(&work->publish, get_file(work),
			       old, get_file(work), err);
}

static int
change(const struct vm_change *job, const struct vm_op_context *context,
    struct vm_json *warnings, struct vm_error *err)
{
	const struct vm_work *work = job->arg;
	const struct vm_plan *plan = &work->plan;

	if (plan->is_raw && vm_ops_apply(context, plan->layer_ops, err) == -1)
		return -1;
	if (plan->with_identity &&
	    vm_identity_apply(context, plan->record, plan->set_hostname,
		warnings, err) == -1)
		return vm_error_wrap(err, "identity");
	return vm_ops_apply(context, plan->clone_ops, err);
}

/* ---- the directory ---- */

/* The virtual size of the disk as it is. */
static int
read_size(struct vm_work *work, int old, struct vm_error *err)
{
	VM_CLEAN_FD int fd = vm_fd_open_regular(old, get_file(work), err);
	uint64_t size_bytes;
	struct stat st;

	if (fd == -1)
		return -1;
	if (!work->plan.is_raw) {
		if (vm_qcow2_virtual_size(fd, &size_bytes, err) == -1)
			return -1;
	} else if (fstat(fd, &st) == 0) {
		size_bytes = (uint64_t)st.st_size;
	} else {
		return vm_error_errno(err, errno, "%s", get_file(work));
	}
	return vm_json_set_int(get_disk(work), "size", (int64_t)size_bytes,
	    err);
}

static int
fill_object(struct vm_work *work, struct vm_error *err)
{
	const char *const made[] = { get_file(work), META, NULL };
	VM_CLEAN_FD int old = open_old(work, err);

	if (old == -1)
		return -1;
	if (work->plan.action == VM_PLAN_IN_PLACE)
		return vm_lineage_check(work->publish.store, work->plan.record,
			   old, err) == -1 ?
		    -1 :
		    vm_publish_link_rest(&work->publish, old, made, err);
	if (read_size(work, old, err) == -1 ||
	    vm_publish_link(&work->publish, old, LOCK, LOCK, err) == -1)
		return -1;
	if (vm_fresh_link(&work->publish, &work->base->chain, get_disk(work),
		err) == -1)
		return -1;
	return vm_further_link(&work->publish, work->plan.record, old, err);
}

/* An image that is gone can be fetched again, if we know as what. */
static int
explain_base(const struct vm_json *record, struct vm_error *err)
{
	const char *alias = vm_json_string(record, "image.alias", NULL);

	if (err->kind != VM_E_NO_INPUT || alias == NULL)
		return -1;
	return vm_error_hint(err, "vmfetch %s", alias);
}

int
vm_work_begin(struct vm_store *store, struct vm_work *work,
    struct vm_error *err)
{
	const struct vm_plan *plan = &work->plan;
	unsigned flags = vm_ops_flags(plan->clone_ops) |
	    (plan->is_raw ? vm_ops_flags(plan->layer_ops) : 0);

	if (plan->action == VM_PLAN_REBUILD && !work->base->is_open) {
		*err = work->base->error;
		return explain_base(plan->record, err);
	}
	if (vm_publish_begin(store, &work->publish, err) == -1 ||
	    fill_object(work, err) == -1)
		return -1;
	work->disk = vm_buf_printf(err, "%s/%s/%s/%s", store->root,
	    vm_store_dir_name(work->publish.at), work->publish.name,
	    get_file(work));
	if (work->disk == NULL)
		return -1;
	work->job = (struct vm_change){
		.disk = work->disk,
		.is_raw = plan->is_raw,
		.base = plan->image_id,
		.layout = work->base->layout,
		.network = (flags & VM_OP_NETWORK) != 0,
		.heavy = plan->is_raw && vm_json_count(plan->layer_ops) > 0,
		.make_disk = make_disk,
		.change = change,
		.arg = work,
	};
	return 0;
}

/* The host name that the guest has now: the last one that was set. */
static int
settle_hostname(struct vm_json *record, const struct vm_plan *plan,
    struct vm_error *err)
{
	const struct vm_json *lists[] = { plan->layer_ops, plan->clone_ops };

	for (size_t i = 0; i < 2; i++)
		for (size_t n = 0; n < vm_json_count(lists[i]); n++) {
			const char *name = vm_json_string(vm_json_at(lists[i],
							      n),
			    "hostname", NULL);

			if (name != NULL &&
			    vm_json_set_string(record, "identity.hostname",
				name, err) == -1)
				return -1;
		}
	return 0;
}

int
vm_work_complete(struct vm_work *work, struct vm_error *err)
{
	struct vm_json *record = work->plan.record;
	bool rebuilt = work->plan.action == VM_PLAN_REBUILD;
	VM_CLEAN_BUF struct vm_buf text = { 0 };
	const char *before = vm_json_string(record, "state", "stopped");
	/* A copy of a VM has a disk that has run, and is new all the same. */
	const char *state = rebuilt || strcmp(before, "cloned") == 0 ?
	    "customized" :
	    before;
	VM_CLEAN_FREE char *next = strdup(state);

	if (next == NULL)
		return vm_error_nomem(err);
	vm_json_delete(record, "warnings");
	if (vm_record_step(record, next, "customize", (long long)work->job.ms,
		err) == -1 ||
	    settle_hostname(record, &work->plan, err) == -1 ||
	    (rebuilt &&
		(vm_drift_remove(record, "customize", err) == -1 ||
		    vm_drift_remove(record, "instance", err) == -1)))
		return -1;
	if (vm_json_count(work->job.warnings) > 0 &&
	    vm_json_set(record, "warnings", VM_TAKE(work->job.warnings), err) ==
		-1)
		return -1;
	if (vm_disk_file_seal(&work->publish, get_file(work), 0600, err) ==
		-1 ||
	    vm_lineage_note(work->publish.dir_fd, record, err) == -1 ||
	    vm_vm_format(record, &text, err) == -1)
		return -1;
	return vm_publish_write(&work->publish, META, 0600, text.data, text.len,
	    err);
}
