#include "lib/reclaim/prune.h"

#include <sys/file.h>
#include <sys/stat.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/log.h"
#include "lib/base/proc.h"
#include "lib/base/size.h"
#include "lib/store/durable.h"
#include "lib/store/ephemeral.h"
#include "lib/store/pin.h"
#include "lib/reclaim/prune_plan.h"
#include "lib/store/publish.h"

#define TOOL "vmgc"
#define BATCH 64 /* things of one directory that share their syncs */

/* A thing on its way out. */
struct taking {
	const struct vm_prune_item *item;
	const struct vm_use_clock *clock;
	struct vm_json *record;
	struct vm_error failure;
	int fd;			    /* open and locked; -1: not ours */
	char name[VM_PUBLISH_NAME]; /* in tmp/; "": not there */
};

static const char *
name_kind(enum vm_store_dir dir)
{
	switch (dir) {
	case VM_STORE_TMP:
		return "litter";
	case VM_STORE_INCOMING:
		return "part";
	case VM_STORE_TRASH:
		return "trash";
	case VM_STORE_QUARANTINE:
		return "quarantine";
	case VM_STORE_OLD:
		return "old";
	case VM_STORE_LAYERS:
		return "layer";
	case VM_STORE_FILES:
		return "file";
	default:
		return "image";
	}
}

static struct vm_json *
describe(const struct vm_prune_item *item, struct vm_error *err)
{
	VM_CLEAN_JSON struct vm_json *record =
	    vm_record_new(name_kind(item->dir), err);

	if (record == NULL ||
	    vm_json_set_string(record, "name",
		item->alias != NULL ? item->alias : item->name, err) == -1 ||
	    (item->dir == VM_STORE_IMAGES &&
		vm_json_set_string(record, "image.id", item->name, err) ==
		    -1) ||
	    vm_json_set_int(record, "bytes", (int64_t)item->bytes, err) == -1 ||
	    vm_json_set_string(record, "reason", item->reason, err) == -1)
		return NULL;
	return VM_TAKE(record);
}

/* --- taking ----------------------------------------------------------------*/

static bool
is_same(int fd, int dirfd, const char *name)
{
	struct stat mine, named;

	return fstat(fd, &mine) == 0 &&
	    fstatat(dirfd, name, &named, AT_SYMLINK_NOFOLLOW) == 0 &&
	    mine.st_ino == named.st_ino && mine.st_dev == named.st_dev;
}

/* An old disk can have changed places with its VM's since it was looked at. */
static bool
is_another(const struct taking *t)
{
	struct stat st;
	int64_t changed, modified;

	if (t->item->dir != VM_STORE_OLD || fstat(t->fd, &st) == -1)
		return false;
	changed = (int64_t)st.st_ctim.tv_sec * 1000000000 + st.st_ctim.tv_nsec;
	modified = (int64_t)st.st_mtim.tv_sec * 1000000000 + st.st_mtim.tv_nsec;
	return changed != t->item->used_ns && modified != t->item->used_ns;
}

/*
 * Lock it and move it to tmp/.  Gone, or locked by somebody: t->fd is -1 then,
 * or t->name is empty, and that is no failure.
 */
static int
move_out(struct vm_store *store, struct taking *t)
{
	int dirfd = store->fds[t->item->dir];
	const char *name = t->item->name;

	t->fd = openat(dirfd, name,
	    O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	if (t->fd == -1)
		return errno == ENOENT ?
		    0 :
		    vm_error_errno(&t->failure, errno, "%s", name);
	if (flock(t->fd, LOCK_EX | LOCK_NB) == -1 ||
	    !is_same(t->fd, dirfd, name) || is_another(t))
		return 0;
	if (vm_publish_make_name(t->name, &t->failure) == -1)
		return -1;
	if (vm_publish_move_unsynced(store, t->item->dir, name, VM_STORE_TMP,
		t->name, &t->failure) == 0)
		return 0;
	t->name[0] = '\0';
	return -1;
}

static bool
was_used(const struct taking *t, const char *file)
{
	struct stat st;

	return fstatat(t->fd, file, &st, file[0] == '\0' ? AT_EMPTY_PATH : 0) ==
	    0 &&
	    (int64_t)st.st_mtim.tv_sec * 1000000000 + st.st_mtim.tv_nsec !=
	    t->item->used_ns;
}

/* Was it cloned, pinned or used since the plan was made? */
static bool
is_wanted(const struct taking *t)
{
	const struct vm_prune_item *item = t->item;
	bool is_image = item->dir == VM_STORE_IMAGES;
	struct vm_pin pin;
	char file[96];
	struct stat st;

	if (item->dir == VM_STORE_FILES)
		return was_used(t, "");
	if (!is_image && item->dir != VM_STORE_LAYERS)
		return false;
	snprintf(file, sizeof(file), "%.80s.%s", item->name,
	    is_image ? "raw" : "qcow2");
	if (fstatat(t->fd, file, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
	    st.st_nlink > 1)
		return true;
	if (was_used(t, is_image ? "image.json" : "layer.json"))
		return true;
	return is_image &&
	    (vm_pin_read(t->fd, &pin, NULL) == -1 || pin.pinned ||
		vm_pin_is_leased(&pin, t->clock));
}

/* Back to its name, unless another has that by now: then it is not needed. */
static int
put_back(struct vm_store *store, struct taking *t, struct vm_error *err)
{
	struct vm_error cause = { 0 };

	if (vm_publish_move_unsynced(store, VM_STORE_TMP, t->name, t->item->dir,
		t->item->name, &cause) == 0) {
		t->name[0] = '\0';
		return vm_publish_settle(store, VM_STORE_TMP, t->item->dir,
		    err);
	}
	if (cause.kind == VM_E_EXISTS)
		return 0;
	if (err != NULL)
		*err = cause;
	return -1;
}

static int
destroy(struct vm_store *store, struct taking *t)
{
	int tmp = store->fds[VM_STORE_TMP];
	struct stat st;

	if (fstat(t->fd, &st) == -1)
		return vm_error_errno(&t->failure, errno, "%s", t->item->name);
	/* remove_tree closes its descriptor: the lock is another's then */
	if ((S_ISDIR(st.st_mode) ?
		    vm_durable_remove_tree(store->durable, tmp, t->name,
			VM_TAKE_FD(t->fd)) :
		    vm_durable_unlink(store->durable, tmp, t->name, 0)) == 0)
		return 0;
	return vm_error_errno(&t->failure, errno, "%s", t->item->name);
}

/* The second half, once the move lasts. */
static int
finish(struct vm_store *store, struct taking *t, struct vm_error *err)
{
	if (vm_error_is_set(&t->failure))
		return vm_record_fail(t->record, TOOL, &t->failure, err);
	if (t->fd == -1) /* another vmgc was first */
		return vm_json_set_string(t->record, "state", "removed", err);
	if (t->name[0] != '\0' && is_wanted(t) &&
	    put_back(store, t, &t->failure) == -1)
		return vm_record_fail(t->record, TOOL, &t->failure, err);
	if (t->name[0] == '\0')
		return vm_json_set_string(t->record, "state", "kept", err);
	if (destroy(store, t) == -1)
		return vm_record_fail(t->record, TOOL, &t->failure, err);
	return vm_json_set_string(t->record, "state", "removed", err);
}

/* Things of one directory. */
static int
take_batch(struct vm_store *store, enum vm_store_dir dir, struct taking *batch,
    size_t count, struct vm_error *err)
{
	struct vm_error unsettled = { 0 };
	int result = 0;

	for (size_t i = 0; i < count; i++)
		if (move_out(store, &batch[i]) == -1)
			continue; /* it is in its failure */
	if (vm_publish_settle(store, dir, VM_STORE_TMP, &unsettled) == -1)
		for (size_t i = 0; i < count; i++)
			if (batch[i].name[0] != '\0' &&
			    put_back(store, &batch[i], NULL) == -1)
				vm_log(VM_LOG_WARN, "%s: left in tmp/%s",
				    batch[i].item->name, batch[i].name);
	for (size_t i = 0; i < count; i++) {
		if (vm_error_is_set(&unsettled) &&
		    !vm_error_is_set(&batch[i].failure))
			batch[i].failure = unsettled;
		if (finish(store, &batch[i], err) == -1)
			result = -1;
		vm_clean_fd(&batch[i].fd);
	}
	return result;
}

/* --- litter ----------------------------------------------------------------*/

static int
take_litter(struct vm_store *store, const struct vm_prune_plan *plan,
    struct vm_json *const *records, struct vm_error *err)
{
	struct vm_error failure = { 0 };

	/* what it cannot remove is seen below */
	if (vm_publish_sweep(store, NULL, &failure) == -1)
		vm_log(VM_LOG_INFO, "%s", failure.message);
	for (size_t i = 0; i < plan->doomed; i++) {
		const struct vm_prune_item *item = &plan->items[plan->order[i]];
		bool gone = faccessat(store->fds[VM_STORE_TMP], item->name,
				F_OK, AT_SYMLINK_NOFOLLOW) == -1;

		if (item->dir != VM_STORE_TMP)
			continue;
		if ((!gone && vm_error_is_set(&failure) ?
			    vm_record_fail(records[i], TOOL, &failure, err) :
			    vm_json_set_string(records[i], "state",
				gone ? "removed" : "kept", err)) == -1)
			return -1;
	}
	return 0;
}

/* --- all -------------------------------------------------------------------*/

/* How many from i on are in one directory and may be taken together. */
static size_t
count_alike(const struct vm_prune_plan *plan, size_t i)
{
	enum vm_store_dir dir = plan->items[plan->order[i]].dir;
	size_t n = 1;

	/* a layer may stand on the next one: its link must be gone by then */
	if (dir == VM_STORE_LAYERS)
		return 1;
	while (n < BATCH && i + n < plan->doomed &&
	    plan->items[plan->order[i + n]].dir == dir)
		n++;
	return n;
}

static int
take_all(struct vm_store *store, const struct vm_prune_plan *plan,
    struct vm_json *const *records, struct vm_error *err)
{
	enum vm_store_dir dir;
	size_t alike;

	if (take_litter(store, plan, records, err) == -1)
		return -1;
	for (size_t i = 0; i < plan->doomed; i += alike) {
		struct taking batch[BATCH] = { 0 };

		dir = plan->items[plan->order[i]].dir;
		alike = count_alike(plan, i);
		if (dir == VM_STORE_TMP)
			continue;
		for (size_t j = 0; j < alike; j++)
			batch[j] = (struct taking){ .fd = -1,
				.item = &plan->items[plan->order[i + j]],
				.clock = &plan->clock,
				.record = records[i + j] };
		if (vm_proc_check_stop(err) == -1 ||
		    take_batch(store, dir, batch, alike, err) == -1)
			return -1;
	}
	return 0;
}

static void
say(const struct vm_prune_options *options, const struct vm_prune_plan *plan)
{
	char has[VM_SIZE_TEXT], limit[VM_SIZE_TEXT];

	if (plan->has_jumped)
		vm_log(VM_LOG_WARN,
		    "the clock has jumped: from now on nothing is older than "
		    "this moment");
	if (options->has_max_space && plan->bytes > options->max_space)
		vm_log(VM_LOG_WARN,
		    "%s remain, more than %s: the rest is in use, pinned or in "
		    "the trash%s",
		    vm_size_format(plan->bytes, false, has),
		    vm_size_format(options->max_space, false, limit),
		    options->trash ? "" : "; run: vmgc -n --trash");
}

int
vm_prune_run(struct vm_store *store, const struct vm_prune_options *options,
    struct vm_records *records, struct vm_error *err)
{
	VM_CLEAN_PRUNE struct vm_prune_plan plan = { 0 };
	size_t first;

	/* first: what they stood on may then be free */
	if (vm_ephemeral_sweep(store, options->dry_run, records, err) == -1 ||
	    vm_prune_plan(store, options, &plan, err) == -1)
		return -1;
	first = records->count;
	for (size_t i = 0; i < plan.doomed; i++) {
		struct vm_json *record = describe(&plan.items[plan.order[i]],
		    err);

		if (record == NULL ||
		    vm_records_add(records, record, err) == -1)
			return -1;
		if (options->dry_run &&
		    vm_json_set_string(record, "planned", "remove", err) == -1)
			return -1;
	}
	say(options, &plan);
	if (options->dry_run)
		return 0;
	if (take_all(store, &plan, records->items + first, err) == -1)
		return -1;
	vm_use_save(store, &plan.clock);
	return 0;
}
