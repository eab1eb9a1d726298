#include "lib/guest/base.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "lib/base/log.h"
#include "lib/guest/disk_file.h"
#include "lib/store/image.h"
#include "lib/store/lock.h"

static void
release_base(struct vm_base *base)
{
	vm_chain_close(&base->chain);
	vm_chain_close(&base->below);
	vm_json_free(base->layout);
	vm_json_free(base->ops);
	vm_publish_abort(&base->publish);
	vm_clean_fd(&base->lock_fd);
	vm_appliance_release(&base->job);
	free(base->disk);
}

void
vm_bases_release(struct vm_bases *bases)
{
	for (size_t i = 0; i < bases->count; i++)
		release_base(&bases->items[i]);
	free(bases->items);
	*bases = (struct vm_bases){ 0 };
}

static struct vm_json *
copy_layout(const struct vm_json *meta)
{
	const struct vm_json *layout = vm_json_get(meta, "layout");

	return layout == NULL ? NULL : vm_json_copy(layout);
}

/* Open the image's chain and learn its layout. */
static int
open_image(struct vm_store *store, struct vm_base *base, struct vm_chain *chain,
    struct vm_error *err)
{
	VM_CLEAN_JSON struct vm_json *meta = vm_image_load(store,
	    base->image_id, err);

	if (meta == NULL)
		return -1;
	if (base->layout == NULL)
		base->layout = copy_layout(meta);
	return vm_chain_open_image(store, base->image_id, chain, err);
}

/* 1: it is open; 0: a layer that is not there; -1: base->error. */
static int
try_open(struct vm_store *store, struct vm_base *base)
{
	VM_CLEAN_JSON struct vm_json *meta = NULL;
	struct vm_error why = { 0 };

	if (base->key[0] == '\0') {
		if (open_image(store, base, &base->chain, &base->error) == -1)
			return -1;
		base->is_open = true;
		return 1;
	}
	meta = vm_chain_load_layer(store, base->key, &why);
	if (meta == NULL &&
	    (why.kind == VM_E_NO_INPUT || why.kind == VM_E_DATA))
		return 0; /* a damaged one is replaced */
	if (meta == NULL) {
		base->error = why;
		return -1;
	}
	if (vm_chain_open_layer(store, base->key, &base->chain, &base->error) ==
	    -1)
		return -1;
	vm_json_free(base->layout);
	base->layout = copy_layout(meta);
	base->is_open = true;
	return 1;
}

static int
compare(const void *a, const void *b)
{
	const struct vm_base *left = a, *right = b;
	int order = strcmp(left->key, right->key);

	return order != 0 ? order : strcmp(left->image_id, right->image_id);
}

struct vm_base *
vm_bases_find(const struct vm_bases *bases, const struct vm_plan *plan)
{
	for (size_t i = 0; i < bases->count; i++)
		if (strcmp(bases->items[i].key, plan->layer_key) == 0 &&
		    strcmp(bases->items[i].image_id, plan->image_id) == 0)
			return &bases->items[i];
	return NULL;
}

int
vm_bases_open(struct vm_store *store, const struct vm_plan *plans, size_t count,
    struct vm_bases *bases, struct vm_error *err)
{
	bases->items = calloc(count + 1, sizeof *bases->items);
	if (bases->items == NULL)
		return vm_error_nomem(err);
	for (size_t i = 0; i < count; i++) {
		struct vm_base *base = &bases->items[bases->count];

		if (plans[i].action == VM_PLAN_PASS ||
		    vm_bases_find(bases, &plans[i]) != NULL)
			continue;
		*base = (struct vm_base){ .lock_fd = -1,
			.ops = vm_json_copy(plans[i].layer_ops),
			.chain.dir_fd = -1,
			.below.dir_fd = -1 };
		snprintf(base->image_id, sizeof base->image_id, "%s",
		    plans[i].image_id);
		snprintf(base->key, sizeof base->key, "%s", plans[i].layer_key);
		bases->count++;
		if (base->ops == NULL)
			return vm_error_nomem(err);
	}
	qsort(bases->items, bases->count, sizeof *bases->items, compare);
	for (size_t i = 0; i < bases->count; i++)
		(void)try_open(store, &bases->items[i]);
	return 0;
}

/* ---- making a layer ---- */

static int
make_disk(struct vm_change *job, struct vm_error *err)
{
	struct vm_base *base = job->arg;
	char file[sizeof base->key + 8];

	snprintf(file, sizeof file, "%s.qcow2", base->key);
	return vm_disk_file_make(&base->publish, file, &base->below,
	    base->below.virtual_size, err);
}

static int
change(const struct vm_change *job, const struct vm_op_context *context,
    struct vm_json *warnings, struct vm_error *err)
{
	const struct vm_base *base = job->arg;

	(void)warnings;
	return vm_ops_apply(context, base->ops, err);
}

static int
begin(struct vm_store *store, struct vm_base *base, struct vm_error *err)
{
	VM_CLEAN_FREE char *lock = vm_buf_printf(err, "layer-%s", base->key);

	if (lock == NULL)
		return -1;
	base->lock_fd = vm_lock_named(store, lock, VM_LOCK_FOREVER, err);
	if (base->lock_fd == -1)
		return -1;
	/* somebody else may have made it while we waited */
	if (try_open(store, base) != 0)
		return vm_error_is_set(&base->error) ? -1 : 0;
	if (open_image(store, base, &base->below, err) == -1 ||
	    vm_publish_begin(store, &base->publish, err) == -1 ||
	    vm_chain_link(&base->below, &base->publish, err) == -1)
		return -1;
	base->disk = vm_buf_printf(err, "%s/%s/%s/%s.qcow2", store->root,
	    vm_store_dir_name(base->publish.at), base->publish.name, base->key);
	if (base->disk == NULL)
		return -1;
	base->job = (struct vm_change){
		.disk = base->disk,
		.base = base->image_id,
		.layout = base->layout,
		.network = (vm_ops_flags(base->ops) & VM_OP_NETWORK) != 0,
		.heavy = true,
		.make_disk = make_disk,
		.change = change,
		.arg = base,
	};
	return 1;
}

int
vm_base_begin(struct vm_store *store, struct vm_base *base)
{
	struct vm_error err = { 0 };
	int result = begin(store, base, &err);

	if (result == -1) {
		if (!vm_error_is_set(&base->error))
			base->error = err;
		vm_publish_abort(&base->publish);
	}
	if (result != 1) {
		vm_clean_fd(&base->lock_fd);
		base->lock_fd = -1;
	}
	return result == 1;
}

static int
publish(struct vm_store *store, struct vm_base *base, struct vm_error *err)
{
	VM_CLEAN_JSON struct vm_json *facts = vm_json_new_object();
	char file[sizeof base->key + 8];

	snprintf(file, sizeof file, "%s.qcow2", base->key);
	if (vm_disk_file_seal(&base->publish, file, 0444, err) == -1 ||
	    vm_json_set(facts, "operations", vm_ops_canonical(base->ops, err),
		err) == -1)
		return -1;
	if (base->layout != NULL &&
	    vm_json_set(facts, "layout", vm_json_copy(base->layout), err) == -1)
		return -1;
	if (vm_chain_publish_layer(store, &base->publish, &base->below,
		base->key, facts, err) == -1)
		return -1;
	vm_log(VM_LOG_INFO, "layer %.12s: made in %llu ms", base->key,
	    (unsigned long long)base->job.ms);
	return try_open(store, base) == 1 ? 0 : -1;
}

void
vm_base_finish(struct vm_store *store, struct vm_base *base)
{
	struct vm_error err = { 0 };

	if (!base->job.is_done)
		err = base->job.error;
	else if (publish(store, base, &err) == 0)
		vm_error_clear(&err);
	if (vm_error_is_set(&err) && !vm_error_is_set(&base->error))
		base->error = err;
	vm_publish_abort(&base->publish);
	vm_clean_fd(&base->lock_fd);
	base->lock_fd = -1;
}

void
vm_bases_learn(struct vm_store *store, struct vm_bases *bases,
    const char *image_id, const struct vm_json *layout)
{
	struct vm_error err = { 0 };
	bool known = false;

	for (size_t i = 0; i < bases->count; i++) {
		struct vm_base *base = &bases->items[i];

		if (strcmp(base->image_id, image_id) != 0)
			continue;
		known = known || base->layout != NULL;
		if (base->layout == NULL)
			base->layout = vm_json_copy(layout);
	}
	/* not knowing it the next time costs a second, no more */
	if (!known && vm_image_set_layout(store, image_id, layout, &err) == -1)
		vm_log(VM_LOG_INFO, "layout not kept: %s", err.message);
}
