/*
 * use.h - when things were last used, and how far the clock can be believed.
 *
 * Theory of operation.  The last use of an image, a layer or an uploaded file
 * is the mtime of image.json, of layer.json or of the file: noting it is one
 * utimensat(2), needs no space, and rsync -a keeps it.  locks/clock has the
 * newest of them as its own mtime, and a new one is never older than that, so
 * that the order of uses is right even when the wall clock goes back.
 *
 * Ages are differences of wall clock times, so a clock that jumps would make
 * fresh things old.  locks/clock therefore also holds a reading of the wall
 * clock and of the time since boot, taken whenever vmgc ends.  When both have
 * not advanced alike since then (after a reboot: when the wall clock went back,
 * or ahead by more than 90 days), the clock has jumped; from then on nothing is
 * older than the moment at which that was noticed.  The file is advice: without
 * it, or when it makes no sense, nothing has an age yet.
 */
#ifndef VM_STORE_USE_H
#define VM_STORE_USE_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/store/store.h"

/* What the kernel says: uptime is /proc/uptime, boot its boot_id. */
struct vm_use_reading {
	int64_t wall_s;
	int64_t uptime_s;
	char boot[40];
};

struct vm_use_clock {
	struct vm_use_reading now;
	int64_t since_s; /* nothing is older than this; 0: no limit */
	bool jumped;	 /* it was seen just now */
};

/* VM_E_SYSTEM "no_clock" without /proc. */
int vm_use_read_time(struct vm_use_reading *now, struct vm_error *err)
    VM_MUST_CHECK;

/* Judge this reading by what locks/clock says; writes nothing. */
void vm_use_check(struct vm_store *store, const struct vm_use_reading *now,
    struct vm_use_clock *clock);

/* Note the reading for the next time; a failure does not matter. */
void vm_use_save(struct vm_store *store, const struct vm_use_clock *clock);

/* Seconds since that time of the wall clock, never more than is certain. */
uint64_t vm_use_age(const struct vm_use_clock *clock, int64_t then_s);

/*
 * The object in images/, layers/ or files/ is being used; a failure does not
 * matter.  What was used last of all less than 0.1 s ago is not noted again.
 */
void vm_use_note(struct vm_store *store, enum vm_store_dir dir,
    const char *object);

/* Its last use in nanoseconds since 1970; 0 when that is not known. */
int64_t vm_use_last(const struct vm_store *store, enum vm_store_dir dir,
    const char *object);

#endif
