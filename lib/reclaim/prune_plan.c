#include "lib/reclaim/prune_plan.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/size.h"
#include "lib/reclaim/prune_scan.h"

#define DIGITS 64 /* of an image's id, without -1 */
#define PART_MS ((uint64_t)7 * 86400 * 1000)

struct planning {
	const struct vm_prune_options *options;
	struct vm_prune_plan *plan;
	struct vm_usage gone; /* files with several names, of the doomed */
};

/* --- dooming ---------------------------------------------------------------*/

/* "9d", "3h", "20s" */
static const char *
format_age(uint64_t age_s, char out[32])
{
	if (age_s >= 86400)
		snprintf(out, 32, "%jud", (uintmax_t)(age_s / 86400));
	else if (age_s >= 3600)
		snprintf(out, 32, "%juh", (uintmax_t)(age_s / 3600));
	else
		snprintf(out, 32, "%jus", (uintmax_t)age_s);
	return out;
}

static int doom(struct planning *p, struct vm_prune_item *item,
    struct vm_error *err, const char *format, ...) VM_PRINTF(4, 5);

static int
doom(struct planning *p, struct vm_prune_item *item, struct vm_error *err,
    const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	vsnprintf(item->reason, sizeof(item->reason), format, ap);
	va_end(ap);
	for (size_t i = 0; i < item->usage.count; i++) {
		const struct vm_usage one = { &item->usage.files[i], 1 };

		if (one.files->links > 1 &&
		    vm_usage_add_all(&p->gone, &one, err) == -1)
			return -1;
		if (one.files->links == 1 ||
		    vm_usage_names(&p->gone, one.files->inode) ==
			one.files->links)
			item->bytes += one.files->bytes;
	}
	item->is_doomed = true;
	p->plan->bytes -= item->bytes < p->plan->bytes ? item->bytes :
							 p->plan->bytes;
	p->plan->order[p->plan->doomed++] = (size_t)(item - p->plan->items);
	return 0;
}

/* Does nothing else have a link to an image's, or a layer's, own file? */
static bool
is_free(const struct planning *p, const struct vm_prune_item *item)
{
	if (item->is_doomed || item->is_kept)
		return item->is_doomed;
	return item->own_links <= 1 ||
	    vm_usage_names(&p->gone, item->own) + 1 >= item->own_links;
}

/* Are they two disks of one artifact, <id>-1 and <id>-2? */
static bool
are_siblings(const struct vm_prune_item *a, const struct vm_prune_item *b)
{
	return a->dir == VM_STORE_IMAGES && b->dir == VM_STORE_IMAGES &&
	    strlen(a->name) > DIGITS && a->name[DIGITS] == '-' &&
	    strncmp(a->name, b->name, DIGITS + 1) == 0;
}

/* It and its siblings, without which it would be fetched again. */
static bool
is_unused(const struct planning *p, const struct vm_prune_item *item)
{
	if (item->is_doomed || !is_free(p, item))
		return false;
	for (size_t i = 0; i < p->plan->count; i++)
		if (are_siblings(item, &p->plan->items[i]) &&
		    !is_free(p, &p->plan->items[i]))
			return false;
	return true;
}

static bool
is_old(const struct vm_prune_item *item, uint64_t limit_ms)
{
	return item->age_s >= limit_ms / 1000;
}

/* --- by kind ---------------------------------------------------------------*/

static int
plan_litter(struct planning *p, struct vm_prune_item *item,
    struct vm_error *err)
{
	return item->is_kept ?
	    0 :
	    doom(p, item, err, "left behind by a command that was killed");
}

static int
plan_part(struct planning *p, struct vm_prune_item *item, struct vm_error *err)
{
	uint64_t keep = p->options->keep_ms;
	char age[32];

	if (item->is_kept || !is_old(item, keep < PART_MS ? keep : PART_MS))
		return 0;
	return doom(p, item, err, "part of a download, untouched for %s",
	    format_age(item->age_s, age));
}

static int
plan_trash(struct planning *p, struct vm_prune_item *item, struct vm_error *err)
{
	const char *where = item->dir == VM_STORE_TRASH ? "in the trash" :
							  "under quarantine";
	char age[32];

	if (!p->options->trash && !is_old(item, VM_PRUNE_TRASH_MS))
		return 0;
	return doom(p, item, err, "%s for %s", where,
	    format_age(item->age_s, age));
}

/* Nobody has said that these are done with, until somebody says so. */
static int
plan_old(struct planning *p, struct vm_prune_item *item, struct vm_error *err)
{
	char age[32];

	if (!p->options->old || item->is_kept ||
	    !is_old(item, p->options->old_ms))
		return 0;
	return doom(p, item, err, "replaced by an upgrade %s ago",
	    format_age(item->age_s, age));
}

static int
plan_file(struct planning *p, struct vm_prune_item *item, struct vm_error *err)
{
	char age[32];

	if (item->is_kept || !is_old(item, p->options->keep_ms))
		return 0;
	return doom(p, item, err, "no VM refers to it, unused for %s",
	    format_age(item->age_s, age));
}

static int
plan_chain(struct planning *p, struct vm_prune_item *item, struct vm_error *err)
{
	char age[32];

	if (!is_unused(p, item) || !is_old(item, p->options->keep_ms) ||
	    (item->is_current && p->options->keep_current))
		return 0;
	return doom(p, item, err, "no clones, unused for %s",
	    format_age(item->age_s, age));
}

static int
plan_item(struct planning *p, struct vm_prune_item *item, struct vm_error *err)
{
	switch (item->dir) {
	case VM_STORE_TMP:
		return plan_litter(p, item, err);
	case VM_STORE_INCOMING:
		return plan_part(p, item, err);
	case VM_STORE_TRASH:
	case VM_STORE_QUARANTINE:
		return plan_trash(p, item, err);
	case VM_STORE_OLD:
		return plan_old(p, item, err);
	case VM_STORE_FILES:
		return plan_file(p, item, err);
	case VM_STORE_LAYERS:
	case VM_STORE_IMAGES:
		return plan_chain(p, item, err);
	default:
		return 0;
	}
}

/* Layers stand on layers: again, until there is nothing more to find. */
static int
plan_by_age(struct planning *p, struct vm_error *err)
{
	size_t before;

	do {
		before = p->plan->doomed;
		for (size_t i = 0; i < p->plan->count; i++)
			if (!p->plan->items[i].is_doomed &&
			    plan_item(p, &p->plan->items[i], err) == -1)
				return -1;
	} while (p->plan->doomed != before);
	return 0;
}

/* --- by space --------------------------------------------------------------*/

/* The least recently used image or layer that nothing stands on, or NULL. */
static struct vm_prune_item *
find_oldest(const struct planning *p)
{
	struct vm_prune_item *oldest = NULL;

	for (size_t i = 0; i < p->plan->count; i++) {
		struct vm_prune_item *item = &p->plan->items[i];

		if ((item->dir == VM_STORE_LAYERS ||
			item->dir == VM_STORE_IMAGES) &&
		    (oldest == NULL || item->used_ns < oldest->used_ns) &&
		    is_unused(p, item))
			oldest = item;
	}
	return oldest;
}

static int
plan_by_space(struct planning *p, struct vm_error *err)
{
	char limit[VM_SIZE_TEXT];
	struct vm_prune_item *item;

	vm_size_format(p->options->max_space, false, limit);
	while (p->plan->bytes > p->options->max_space &&
	    (item = find_oldest(p)) != NULL)
		for (size_t i = 0; i < p->plan->count; i++) {
			struct vm_prune_item *one = &p->plan->items[i];

			if (!one->is_doomed &&
			    (one == item || are_siblings(one, item)) &&
			    doom(p, one, err, "no clones, the store is over %s",
				limit) == -1)
				return -1;
		}
	return 0;
}

/* --- all -------------------------------------------------------------------*/

static int
measure(struct vm_store *store, uint64_t *bytes, struct vm_error *err)
{
	VM_CLEAN_USAGE struct vm_usage all = { 0 };

	for (int dir = 0; dir < VM_STORE_DIRS; dir++)
		if (vm_usage_add(&all, store->fds[dir], ".", err) == -1)
			return -1;
	return vm_usage_total(&all, bytes, err);
}

static int
make_plan(struct vm_store *store, struct planning *p, struct vm_error *err)
{
	struct vm_prune_plan *plan = p->plan;

	vm_use_check(store, &p->options->now, &plan->clock);
	plan->has_jumped = plan->clock.jumped;
	if (vm_prune_scan(store, plan, err) == -1 ||
	    measure(store, &plan->bytes, err) == -1)
		return -1;
	plan->order = calloc(plan->count + 1, sizeof(*plan->order));
	if (plan->order == NULL)
		return vm_error_nomem(err);
	if (plan_by_age(p, err) == -1)
		return -1;
	return p->options->has_max_space ? plan_by_space(p, err) : 0;
}

int
vm_prune_plan(struct vm_store *store, const struct vm_prune_options *options,
    struct vm_prune_plan *plan, struct vm_error *err)
{
	VM_CLEAN_PRUNE struct vm_prune_plan made = { 0 };
	struct planning p = { .options = options, .plan = &made };
	int result = make_plan(store, &p, err);

	vm_usage_release(&p.gone);
	if (result == 0) {
		*plan = made;
		made = (struct vm_prune_plan){ 0 };
	}
	return result;
}

void
vm_prune_release(struct vm_prune_plan *plan)
{
	for (size_t i = 0; i < plan->count; i++) {
		free(plan->items[i].name);
		free(plan->items[i].alias);
		vm_usage_release(&plan->items[i].usage);
	}
	free(plan->items);
	free(plan->order);
	*plan = (struct vm_prune_plan){ 0 };
}
