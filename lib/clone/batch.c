#include "lib/clone/batch.h"

#include <sys/resource.h>

#include <string.h>

#include "lib/base/log.h"
#include "lib/base/proc.h"
#include "lib/base/progress.h"
#include "lib/clone/build.h"
#include "lib/clone/existing.h"
#include "lib/clone/network.h"
#include "lib/clone/threads.h"
#include "lib/store/ephemeral.h"

#define BUILDS_EACH 16 /* clones that are worth a thread */

static struct vm_batch_item *
grow(struct vm_batch *batch, struct vm_error *err)
{
	struct vm_batch_item *items, *item;

	/* powers of two: a realloc only when the count is one */
	if ((batch->count & (batch->count - 1)) == 0) {
		items = realloc(batch->items,
		    (batch->count == 0 ? 1 : 2 * batch->count) *
			sizeof(*items));
		if (items == NULL) {
			vm_error_nomem(err);
			return NULL;
		}
		batch->items = items;
	}
	item = &batch->items[batch->count++];
	memset(item, 0, sizeof(*item));
	item->lock_fd = -1;
	return item;
}

int
vm_batch_add_pass(struct vm_batch *batch, struct vm_json *record,
    struct vm_error *err)
{
	struct vm_batch_item *item = grow(batch, err);

	if (item == NULL) {
		vm_json_free(record);
		return -1;
	}
	item->record = record;
	return 0;
}

/* The VM record that image_record becomes for this name. */
static struct vm_json *
make_record(const struct vm_json *image_record, const struct vm_source *source,
    const char *name, long long index, struct vm_error *err)
{
	VM_CLEAN_JSON struct vm_json *record = vm_json_copy(image_record);

	if (record == NULL) {
		vm_error_nomem(err);
		return NULL;
	}
	vm_json_delete(record, "indices");
	vm_json_delete(record, "run"); /* a record may come from anywhere */
	if (vm_json_set_string(record, "kind", "vm", err) == -1 ||
	    vm_json_set_string(record, "name", name, err) == -1 ||
	    vm_json_set_string(record, "state", "cloned", err) == -1 ||
	    vm_json_set(record, "drift", vm_json_new_array(), err) == -1 ||
	    vm_json_set_int(record, "image.virtual_size",
		(int64_t)source->chain.virtual_size, err) == -1 ||
	    (index > 0 && vm_json_set_int(record, "index", index, err) == -1))
		return NULL;
	return VM_TAKE(record);
}

/* A UUID was given: it must be the one that the VM has. */
static int
check_uuid(const struct vm_batch *batch, const struct vm_json *stored,
    struct vm_error *err)
{
	const char *has = vm_json_string(stored, "identity.uuid", "");

	if (*batch->plan.uuid == '\0' || strcmp(batch->plan.uuid, has) == 0)
		return 0;
	vm_error_set(err, VM_E_EXISTS, "uuid_differs",
	    "it is there, with the UUID %s", has);
	return vm_error_hint(err, "vmrm %s",
	    vm_json_string(stored, "name", ""));
}

/* As vm_existing_compare(); volumes that can grow do, then are compared. */
static struct vm_json *
compare_existing(struct vm_batch *batch, struct vm_batch_item *item,
    bool *rebuild)
{
	VM_CLEAN_JSON struct vm_json *stored = vm_existing_compare(batch->store,
	    batch->options, item->record, rebuild, &item->failure);
	int grown = 0;

	if (stored == NULL || check_uuid(batch, stored, &item->failure) == -1)
		return NULL;
	if (!*rebuild && !batch->options->dry_run)
		grown = vm_existing_grow(batch->store, stored, item->record,
		    &item->failure);
	if (grown == 0)
		return VM_TAKE(stored);
	return grown == -1 ? NULL :
			     vm_existing_compare(batch->store, batch->options,
				 item->record, rebuild, &item->failure);
}

/* The VM is there: does it pass, must it be built again, is it another's? */
static void
settle_existing(struct vm_batch *batch, struct vm_batch_item *item)
{
	VM_CLEAN_JSON struct vm_json *stored = NULL;
	bool rebuild;

	item->action = VM_BATCH_PASS;
	stored = compare_existing(batch, item, &rebuild);
	if (stored == NULL)
		return;
	if (!rebuild || batch->options->dry_run) {
		vm_json_free(item->record);
		item->record = VM_TAKE(stored);
		item->action = rebuild ? VM_BATCH_REBUILD : VM_BATCH_PASS;
		return;
	}
	item->lock_fd = vm_vm_lock(batch->store,
	    vm_json_string(item->record, "name", ""), VM_LOCK_NO_WAIT,
	    &item->failure);
	if (item->lock_fd >= 0 &&
	    vm_existing_keep(batch->store, batch->options, item->record,
		&item->failure) == 0)
		item->action = VM_BATCH_REBUILD;
}

/* Was it for one run, and has had it?  Then it is gone; -1: in the failure. */
static int
end_ephemeral(struct vm_batch *batch, struct vm_batch_item *item)
{
	const char *name = vm_json_string(item->record, "name", "");

	if (item->action != VM_BATCH_PASS || vm_error_is_set(&item->failure) ||
	    !vm_ephemeral_has_run(item->record))
		return 0;
	return batch->options->dry_run ?
	    vm_ephemeral_is_over(batch->store, name, &item->failure) :
	    vm_ephemeral_reap(batch->store, name, &item->failure);
}

int
vm_batch_add_vm(struct vm_batch *batch, const struct vm_json *image_record,
    const struct vm_source *source, const char *name, long long index,
    bool exists, struct vm_error *err)
{
	struct vm_json *record = make_record(image_record, source, name, index,
	    err);
	struct vm_batch_item *item;

	if (record == NULL || vm_batch_add_pass(batch, record, err) == -1)
		return -1;
	item = &batch->items[batch->count - 1];
	item->source = source;
	item->action = VM_BATCH_MAKE;
	if (!exists)
		return 0;
	settle_existing(batch, item);
	if (end_ephemeral(batch, item) != 1)
		return 0;
	/* as if it had not been there */
	vm_json_free(item->record);
	item->record = make_record(image_record, source, name, index, err);
	item->action = VM_BATCH_MAKE;
	return item->record == NULL ? -1 : 0;
}

/* ---- building, on several threads ---- */

/* A stretch of the batch that is built and committed together. */
struct group {
	struct vm_batch *batch;
	size_t from, end;
	bool batched; /* shares one sync */
};

static void
build_item(struct group *group, struct vm_batch_item *item)
{
	struct vm_batch *batch = group->batch;
	const struct vm_clone_options *options = batch->options;
	VM_CLEAN_FD int old = -1;

	if (item->action == VM_BATCH_REBUILD) {
		old = vm_store_open_object(batch->store, VM_STORE_VMS,
		    vm_json_string(item->record, "name", ""), &item->failure);
		if (old == -1)
			return;
	}
	if (vm_publish_begin(batch->store, &item->publish, &item->failure) ==
	    -1)
		return;
	item->publish.durable = !options->no_sync;
	item->publish.batched = group->batched;
	if (vm_disks_add(item->source, item->record, &item->publish,
		&item->disks, &item->failure) == -1 ||
	    vm_build_clone(item->source, item->record, options->copy_ok, old,
		&item->publish, &item->failure) == -1) {
		vm_publish_abort(&item->publish);
		vm_disks_release(batch->store, &item->disks);
	}
}

static bool
is_to_build(const struct vm_batch_item *item)
{
	return item->action != VM_BATCH_PASS &&
	    !vm_error_is_set(&item->failure);
}

static void
run_build(void *context, size_t i)
{
	struct group *group = context;
	struct vm_batch_item *item = &group->batch->items[group->from + i];

	if (!is_to_build(item))
		return;
	if (vm_proc_check_stop(&item->failure) == 0)
		build_item(group, item);
	vm_progress_update(group->from + i + 1);
}

static void
build_group(struct group *group)
{
	const struct vm_threads threads = {
		.count = group->end - group->from,
		.jobs = group->batch->options->jobs,
		.each = BUILDS_EACH,
		.work = run_build,
		.context = group,
	};

	vm_threads_run(&threads);
}

/* ---- identity, on several threads: an rsa key takes its time ---- */

static int
make_identity(const struct vm_batch *batch, struct vm_batch_item *item)
{
	if (vm_proc_check_stop(&item->failure) == -1)
		return -1;
	return vm_identity_make(item->record, &batch->plan, &item->failure);
}

static void
run_identity(void *context, size_t i)
{
	struct vm_batch *batch = context;
	struct vm_batch_item *item = &batch->items[i];

	if (item->action == VM_BATCH_MAKE && is_to_build(item))
		(void)make_identity(batch, item);
}

static void
make_identities(struct vm_batch *batch)
{
	const struct vm_threads threads = {
		.count = batch->count,
		.jobs = batch->options->jobs,
		.each = batch->plan.host_keys[VM_KEY_RSA] ? 1 : BUILDS_EACH,
		.work = run_identity,
		.context = batch,
	};

	vm_threads_run(&threads);
}

/* ---- what the ledger gives, one after another ---- */

static int
open_ledger(const struct vm_batch *batch, struct vm_ledger *ledger,
    struct vm_error *err)
{
	size_t i;

	if (*batch->plan.uuid != '\0')
		vm_ledger_want_claims(ledger);
	for (i = 0; i < batch->count; i++) {
		if (is_to_build(&batch->items[i]) &&
		    vm_network_want(ledger, batch->items[i].record, err) == -1)
			return -1;
	}
	return vm_ledger_open(ledger, err);
}

static int
prepare_item(struct vm_ledger *ledger, const struct vm_batch *batch,
    struct vm_batch_item *item)
{
	VM_CLEAN_JSON struct vm_json *old =
	    vm_json_copy(vm_json_get(item->record, "identity.nics"));
	struct vm_json *nics;

	if (item->action == VM_BATCH_MAKE && *batch->plan.uuid != '\0' &&
	    vm_ledger_claim_uuid(ledger, batch->plan.uuid,
		vm_json_string(item->record, "name", ""), &item->failure) == -1)
		return -1;
	nics = vm_network_assign(ledger, item->record, old, &item->failure);
	if (nics == NULL)
		return -1;
	return vm_json_set(item->record, "identity.nics", nics, &item->failure);
}

/* ---- publishing ---- */

/* Volumes of a clone that is there are its own now; else new ones go. */
static void
settle_disks(struct vm_batch *batch, struct vm_batch_item *item)
{
	if (vm_error_is_set(&item->failure))
		vm_disks_release(batch->store, &item->disks);
	else if (vm_disks_settle(batch->store, &item->disks, item->record,
		     &item->failure) == -1)
		vm_error_wrap(&item->failure, "it is there, but");
}

/* Hand what was built of one kind to one commit. */
static int
commit_kind(struct group *group, enum vm_batch_action action,
    enum vm_publish_mode mode, struct vm_error *err)
{
	struct vm_batch *batch = group->batch;
	size_t most = group->end - group->from + 1;
	VM_CLEAN_FREE struct vm_publish *publishes = NULL;
	VM_CLEAN_FREE const char **names = NULL;
	VM_CLEAN_FREE struct vm_error *results = NULL;
	VM_CLEAN_FREE size_t *where = NULL;
	size_t n = 0, i;

	publishes = calloc(most, sizeof(*publishes));
	names = calloc(most, sizeof(*names));
	results = calloc(most, sizeof(*results));
	where = calloc(most, sizeof(*where));
	if (!publishes || !names || !results || !where)
		return vm_error_nomem(err);
	for (i = group->from; i < group->end; i++) {
		if (batch->items[i].action != action ||
		    !is_to_build(&batch->items[i]))
			continue;
		publishes[n] = batch->items[i].publish;
		memset(&batch->items[i].publish, 0,
		    sizeof(batch->items[i].publish));
		names[n] = vm_json_string(batch->items[i].record, "name", "");
		where[n++] = i;
	}
	if (n == 0)
		return 0;
	/* when none could be published, each result says why */
	if (vm_publish_commit_all(publishes, VM_STORE_VMS, names, mode, results,
		n, err) == -1)
		vm_log(VM_LOG_INFO, "none of %zu clones published", n);
	for (i = 0; i < n; i++) {
		batch->items[where[i]].failure = results[i];
		vm_publish_abort(&publishes[i]);
		settle_disks(batch, &batch->items[where[i]]);
	}
	return 0;
}

/* Somebody made the same VM meanwhile: it is the one that is there now. */
static void
settle_lost_races(struct vm_batch *batch)
{
	size_t i;

	for (i = 0; i < batch->count; i++) {
		struct vm_batch_item *item = &batch->items[i];

		if (item->action != VM_BATCH_MAKE ||
		    item->failure.kind != VM_E_EXISTS ||
		    strcmp(item->failure.code, "exists") != 0)
			continue;
		vm_error_clear(&item->failure);
		settle_existing(batch, item);
		if (item->action == VM_BATCH_REBUILD)
			vm_error_set(&item->failure, VM_E_TRY_AGAIN, "raced",
			    "another vmclone made it otherwise just now");
	}
}

/*
 * Each object keeps a descriptor open until its commit, each of its volumes
 * two.
 */
static size_t
group_size(const struct vm_batch *batch)
{
	struct rlimit limit;
	size_t most = 0, size, i;

	for (i = 0; i < batch->count; i++) {
		size_t volumes = vm_json_count(
		    vm_json_get(batch->items[i].record, "spec.volumes"));

		most = volumes > most ? volumes : most;
	}
	if (getrlimit(RLIMIT_NOFILE, &limit) == -1 || limit.rlim_cur < 128)
		return 1;
	size = limit.rlim_cur > 2048 ? 1024 : (size_t)(limit.rlim_cur - 64) / 2;
	size /= 1 + most;
	return size > 0 ? size : 1;
}

int
vm_batch_make(struct vm_batch *batch, struct vm_error *err)
{
	VM_CLEAN_LEDGER struct vm_ledger *ledger = vm_ledger_new(batch->store,
	    err);
	size_t size = group_size(batch), i;

	if (ledger == NULL)
		return -1;
	/* before any lock is held: others need not wait for our keys */
	make_identities(batch);
	if (open_ledger(batch, ledger, err) == -1)
		return -1;
	for (i = 0; i < batch->count; i++) {
		if (is_to_build(&batch->items[i]))
			(void)prepare_item(ledger, batch, &batch->items[i]);
	}
	vm_progress_start("clones", batch->count, VM_PROGRESS_ITEMS);
	for (i = 0; i < batch->count; i += size) {
		struct group group = { .batch = batch, .from = i };

		group.end = batch->count - i < size ? batch->count : i + size;
		group.batched = group.end - i > VM_PUBLISH_EACH;
		build_group(&group);
		if (commit_kind(&group, VM_BATCH_MAKE, VM_PUBLISH_NEW, err) ==
			-1 ||
		    commit_kind(&group, VM_BATCH_REBUILD, VM_PUBLISH_REPLACE,
			err) == -1)
			return -1;
	}
	vm_progress_end();
	settle_lost_races(batch);
	return 0;
}

void
vm_batch_release(struct vm_batch *batch)
{
	size_t i;

	for (i = 0; i < batch->count; i++) {
		struct vm_batch_item *item = &batch->items[i];

		vm_json_free(item->record);
		vm_clean_fd(&item->lock_fd);
		vm_publish_abort(&item->publish);
		vm_disks_release(batch->store, &item->disks);
	}
	free(batch->items);
	batch->items = NULL;
	batch->count = 0;
}
