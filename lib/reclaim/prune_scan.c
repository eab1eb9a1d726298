#include "lib/reclaim/prune_scan.h"

#include <sys/file.h>
#include <sys/stat.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/fd.h"
#include "lib/base/log.h"
#include "lib/store/alias.h"
#include "lib/store/lock.h"
#include "lib/store/meta.h"
#include "lib/store/pin.h"

#define RECORD_MAX ((size_t)8 << 20)
#define DIGEST 64
#define SECOND_NS 1000000000LL

/* --- one thing -------------------------------------------------------------*/

/* Is it locked by whoever makes or fills it? */
static bool
is_locked(const struct vm_store *store, const struct vm_prune_item *item)
{
	VM_CLEAN_FD int fd = openat(store->fds[item->dir], item->name,
	    O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	char name[DIGEST + 16];

	if (fd != -1 && flock(fd, LOCK_SH | LOCK_NB) == -1)
		return true;
	if (item->dir != VM_STORE_INCOMING ||
	    strspn(item->name, "0123456789abcdef") != DIGEST)
		return false;
	/* a download is its source's: lib/image/flight.c */
	snprintf(name, sizeof(name), "fetch-%.64s", item->name);
	return vm_lock_is_held(store->fds[VM_STORE_LOCKS], name, NULL) != 0;
}

/* Is a vmupgrade about to exchange it? */
static bool
is_upgrading(const struct vm_store *store, const char *old_name)
{
	const char *dot = strrchr(old_name, '.');
	char name[256 + 16];

	snprintf(name, sizeof(name), "upgrade-%.*s",
	    dot == NULL ? 0 : (int)(dot - old_name), old_name);
	return vm_lock_is_held(store->fds[VM_STORE_LOCKS], name, NULL) != 0;
}

/* Its own file's links; the pin of an image. */
static void
look_at_chain(const struct vm_store *store, struct vm_prune_item *item,
    const struct vm_use_clock *clock)
{
	bool is_image = item->dir == VM_STORE_IMAGES;
	VM_CLEAN_FD int fd = vm_store_open_object(store, item->dir, item->name,
	    NULL);
	char file[96];
	struct vm_pin pin;
	struct stat st;

	snprintf(file, sizeof(file), "%.80s.%s", item->name,
	    is_image ? "raw" : "qcow2");
	if (fd != -1 && fstatat(fd, file, &st, AT_SYMLINK_NOFOLLOW) == 0) {
		item->own = st.st_ino;
		item->own_links = st.st_nlink;
	}
	if (fd == -1 || !is_image)
		return;
	if (vm_pin_read(fd, &pin, NULL) == -1 || pin.pinned ||
	    vm_pin_is_leased(&pin, clock))
		item->is_kept = true;
}

static int64_t
in_ns(struct timespec then)
{
	return (int64_t)then.tv_sec * SECOND_NS + then.tv_nsec;
}

/* When was a download last gone on with? */
static int64_t
written_ns(const struct vm_store *store, const char *part)
{
	int incoming = store->fds[VM_STORE_INCOMING];
	int64_t newest = 0;
	char data[256 + 8];
	struct stat st;

	if (fstatat(incoming, part, &st, AT_SYMLINK_NOFOLLOW) == 0)
		newest = in_ns(st.st_mtim);
	snprintf(data, sizeof(data), "%.255s/data", part);
	if (fstatat(incoming, data, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
	    in_ns(st.st_mtim) > newest)
		newest = in_ns(st.st_mtim);
	return newest;
}

/* Since when has it been where it is?  A rename sets the ctime. */
static int64_t
came_ns(const struct vm_store *store, const struct vm_prune_item *item)
{
	struct stat st;

	if (fstatat(store->fds[item->dir], item->name, &st,
		AT_SYMLINK_NOFOLLOW) == -1)
		return INT64_MAX;
	return in_ns(st.st_ctim) > in_ns(st.st_mtim) ? in_ns(st.st_ctim) :
						       in_ns(st.st_mtim);
}

static int64_t
last_ns(const struct vm_store *store, const struct vm_prune_item *item)
{
	switch (item->dir) {
	case VM_STORE_IMAGES:
	case VM_STORE_LAYERS:
	case VM_STORE_FILES:
		return vm_use_last(store, item->dir, item->name);
	case VM_STORE_INCOMING:
		return written_ns(store, item->name);
	default:
		return came_ns(store, item);
	}
}

static int
look_at(struct vm_store *store, struct vm_prune_item *item,
    const struct vm_use_clock *clock, struct vm_error *err)
{
	if (vm_usage_add(&item->usage, store->fds[item->dir], item->name,
		err) == -1)
		return -1;
	if (item->dir == VM_STORE_IMAGES || item->dir == VM_STORE_LAYERS)
		look_at_chain(store, item, clock);
	if (item->dir == VM_STORE_TMP || item->dir == VM_STORE_INCOMING)
		item->is_kept = is_locked(store, item);
	if (item->dir == VM_STORE_OLD)
		item->is_kept = is_upgrading(store, item->name);
	item->used_ns = last_ns(store, item);
	item->age_s = vm_use_age(clock, item->used_ns / SECOND_NS);
	return 0;
}

static int
scan_dir(struct vm_store *store, enum vm_store_dir dir,
    struct vm_prune_plan *plan, struct vm_error *err)
{
	VM_CLEAN_NAMES char **names = vm_store_list(store, dir, err);
	struct vm_prune_item *grown;
	size_t count = 0;

	if (names == NULL)
		return -1;
	while (names[count] != NULL)
		count++;
	grown = reallocarray(plan->items, plan->count + count + 1,
	    sizeof(*grown));
	if (grown == NULL)
		return vm_error_nomem(err);
	plan->items = grown;
	for (size_t i = 0; i < count; i++) {
		struct vm_prune_item *item = &plan->items[plan->count];

		*item = (struct vm_prune_item){ .dir = dir,
			.name = strdup(names[i]) };
		if (item->name == NULL)
			return vm_error_nomem(err);
		plan->count++;
		if (look_at(store, item, &plan->clock, err) == -1)
			return -1;
	}
	return 0;
}

/* --- aliases ---------------------------------------------------------------*/

static struct vm_prune_item *
find(struct vm_prune_plan *plan, enum vm_store_dir dir, const char *name)
{
	for (size_t i = 0; i < plan->count; i++)
		if (plan->items[i].dir == dir &&
		    strcmp(plan->items[i].name, name) == 0)
			return &plan->items[i];
	return NULL;
}

static int
scan_alias(struct vm_prune_plan *plan, const char *name,
    const struct vm_json *alias, struct vm_error *err)
{
	const struct vm_json *all = vm_json_get(alias, "generations");
	int64_t current = vm_json_int(alias, "current", 0);

	for (void *it = vm_json_first(all); it != NULL;
	     it = vm_json_next(all, it)) {
		struct vm_prune_item *item = find(plan, VM_STORE_IMAGES,
		    vm_json_string(vm_json_value(it), "id", ""));
		bool is_current = strtoll(vm_json_key(it), NULL, 10) == current;

		if (item == NULL || (item->alias != NULL && !is_current))
			continue;
		free(item->alias);
		item->alias = vm_buf_printf(err, "%s@%s", name,
		    vm_json_key(it));
		if (item->alias == NULL)
			return -1;
		item->is_current = item->is_current || is_current;
	}
	return 0;
}

/* An alias that cannot be read may mean any image: then none goes by age. */
static int
scan_aliases(struct vm_store *store, struct vm_prune_plan *plan,
    struct vm_error *err)
{
	VM_CLEAN_NAMES char **names = vm_store_list(store, VM_STORE_ALIASES,
	    err);

	if (names == NULL)
		return -1;
	for (size_t i = 0; names[i] != NULL; i++) {
		struct vm_error failure = { 0 };
		VM_CLEAN_JSON struct vm_json *alias = vm_alias_load(store,
		    names[i], &failure);

		if (alias != NULL &&
		    scan_alias(plan, names[i], alias, err) == -1)
			return -1;
		if (alias != NULL || failure.kind == VM_E_NO_INPUT)
			continue;
		vm_log(VM_LOG_WARN, "%s; images stay", failure.message);
		for (size_t j = 0; j < plan->count; j++)
			if (plan->items[j].dir == VM_STORE_IMAGES)
				plan->items[j].is_kept = true;
	}
	return 0;
}

/* --- who refers to an uploaded file ----------------------------------------*/

/* Keep each file whose digest stands in this text. */
static void
keep_digests(struct vm_prune_plan *plan, const char *text, size_t len)
{
	char hex[DIGEST + 1] = "";
	size_t run = 0;

	for (size_t i = 0; i <= len; i++) {
		struct vm_prune_item *item;

		if (i < len && text[i] != '\0' &&
		    strchr("0123456789abcdef", text[i]) != NULL) {
			run++;
			continue;
		}
		if (run == DIGEST) {
			memcpy(hex, text + i - DIGEST, DIGEST);
			item = find(plan, VM_STORE_FILES, hex);
			if (item != NULL)
				item->is_kept = true;
		}
		run = 0;
	}
}

static void
keep_all_files(struct vm_prune_plan *plan)
{
	for (size_t i = 0; i < plan->count; i++)
		if (plan->items[i].dir == VM_STORE_FILES)
			plan->items[i].is_kept = true;
}

/* What the records of VMs say, here, replaced and in the trash. */
static int
scan_records(struct vm_store *store, enum vm_store_dir dir,
    struct vm_prune_plan *plan, struct vm_error *err)
{
	VM_CLEAN_NAMES char **names = vm_store_list(store, dir, err);

	if (names == NULL)
		return -1;
	for (size_t i = 0; names[i] != NULL; i++) {
		VM_CLEAN_BUF struct vm_buf text = { 0 };
		VM_CLEAN_FD int fd = vm_store_open_object(store, dir, names[i],
		    NULL);
		struct vm_error failure = { 0 };

		if (fd == -1)
			continue; /* gone, or no VM */
		if (vm_fd_read_file(fd, "vm.json", RECORD_MAX, &text,
			&failure) == 0)
			keep_digests(plan, text.data == NULL ? "" : text.data,
			    text.len);
		else if (failure.kind != VM_E_NO_INPUT) {
			vm_log(VM_LOG_WARN, "%s: %s; uploaded files stay",
			    names[i], failure.message);
			keep_all_files(plan);
		}
	}
	return 0;
}

int
vm_prune_scan(struct vm_store *store, struct vm_prune_plan *plan,
    struct vm_error *err)
{
	static const enum vm_store_dir dirs[] = { VM_STORE_TMP,
		VM_STORE_INCOMING, VM_STORE_TRASH, VM_STORE_QUARANTINE,
		VM_STORE_OLD, VM_STORE_LAYERS, VM_STORE_FILES,
		VM_STORE_IMAGES };

	for (size_t i = 0; i < sizeof(dirs) / sizeof(dirs[0]); i++)
		if (scan_dir(store, dirs[i], plan, err) == -1)
			return -1;
	if (scan_aliases(store, plan, err) == -1)
		return -1;
	if (scan_records(store, VM_STORE_VMS, plan, err) == -1 ||
	    scan_records(store, VM_STORE_OLD, plan, err) == -1)
		return -1;
	return scan_records(store, VM_STORE_TRASH, plan, err);
}
