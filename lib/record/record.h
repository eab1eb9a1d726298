/*
 * record.h - the one JSON object per line that flows through the pipe.
 *
 * An image record stands for one role:
 *
 *	{"vmpipe":1,"kind":"image","state":"fetched",
 *	 "service":"shop","role":"web",		absent when made by hand
 *	 "image":{"id":HEX64,"alias":"debian-12","generation":4,
 *	          "virtual_size":BYTES},
 *	 "spec":{the whole role},"indices":[1,2],	optional
 *	 "timing_ms":{"fetch":0}, unknown members}
 *
 * A VM record has "kind":"vm","name","index","host","drift","disks",
 * "identity","ssh" as well; vmpipe(7) lists every member.  Unknown members are
 * kept, and copied from an image record to each of its VMs.
 *
 * The store owns the facts (image, layer, disks, identity, state, applied,
 * started), the record owns spec.  vm.json is the last record plus "private"
 * (host keys, seed; never printed), "applied" (digests of what was customised)
 * and "started" (the disk has run once).
 *
 * States of a VM: cloned, customized, running, ready, stopped, suspended,
 * failed.  A failed record carries
 *	"error":{"tool","status","code","message","retryable","hint"?}
 * and later commands pass it through untouched.
 */
#ifndef VM_RECORD_RECORD_H
#define VM_RECORD_RECORD_H

#include <stdbool.h>
#include <stddef.h>

#include "lib/adapt/json.h"
#include "lib/base/error.h"

#define VM_RECORD_MAX ((size_t)1 << 20) /* bytes in one line */
#define VM_NAME_MAX 63

/* A list that owns its records; all-zero is empty. */
struct vm_records {
	struct vm_json **items;
	size_t count;
};

/* Append (taken even on failure). */
int vm_records_add(struct vm_records *records, struct vm_json *record,
    struct vm_error *err) VM_MUST_CHECK;
void vm_records_release(struct vm_records *records);
#define VM_CLEAN_RECORDS VM_CLEAN(vm_records_release)

/* {"vmpipe":1,"kind":kind}. */
struct vm_json *vm_record_new(const char *kind, struct vm_error *err)
    VM_MUST_CHECK;

/*
 * Is it a record we understand?  VM_E_DATA "bad_record" (not an object, no
 * kind, bad name, wrong type of a member we use), VM_E_CONFIG "version" when
 * "vmpipe" is not 1.
 */
int vm_record_check(const struct vm_json *record, struct vm_error *err)
    VM_MUST_CHECK;

bool vm_record_is_kind(const struct vm_json *record, const char *kind);
bool vm_record_is_failed(const struct vm_json *record);

/* "shop-web-3", else "shop/web", else the alias, else "record": for messages */
const char *vm_record_subject(const struct vm_json *record, char *out,
    size_t size);

/* Mark it failed by tool (its state is replaced, all else is kept). */
int vm_record_fail(struct vm_json *record, const char *tool,
    const struct vm_error *failure, struct vm_error *err) VM_MUST_CHECK;

/* 1 and *failure filled when it was tool that failed it, else 0. */
int vm_record_failure(const struct vm_json *record, const char *tool,
    struct vm_error *failure) VM_MUST_CHECK;

/* Set state and, with ms >= 0, timing_ms.<phase>. */
int vm_record_step(struct vm_json *record, const char *state, const char *phase,
    long long ms, struct vm_error *err) VM_MUST_CHECK;

/* [a-z0-9][a-z0-9-]{0,62}; VM_E_USAGE "bad_name", message shows it escaped. */
int vm_record_check_name(const char *name, struct vm_error *err) VM_MUST_CHECK;

#endif
