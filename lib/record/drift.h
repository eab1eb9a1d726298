/*
 * drift.h - in what a VM that exists differs from what is asked for now.
 *
 * DESIGN "Run again, nothing changes": the words are "image", "customize",
 * "instance", "disk", "machine".
 */
#ifndef VM_RECORD_DRIFT_H
#define VM_RECORD_DRIFT_H

#include "lib/record/record.h"

/*
 * Compare what is stored (vm.json) with the role as wanted now; image_id is
 * the id the wanted image has now (NULL: not known, not compared).  Returns a
 * new JSON array in the order above, empty when nothing differs.
 *
 * customize, instance: spec's member against stored "applied", which holds
 * vm_drift_digest() of what was applied; a VM that nothing was applied to and
 * that was never started has no drift in them.
 * machine: cpus, memory, networks, firmware and all other members of the role
 * that only matter at start; disk: disk (against the size that the disk has)
 * and further disks and volumes.  after, replicas, scale, place, update,
 * autostart, ready and image are no drift.
 */
struct vm_json *vm_drift_between(const struct vm_json *stored,
    const struct vm_json *spec, const char *image_id, struct vm_error *err)
    VM_MUST_CHECK;

/* The part of "disk" that is about further disks: as stored's disks say. */
bool vm_drift_has_disks(const struct vm_json *stored,
    const struct vm_json *spec);

/* Add the words of drift to record's own that it does not have yet. */
int vm_drift_add(struct vm_json *record, const struct vm_json *drift,
    struct vm_error *err) VM_MUST_CHECK;

/* SHA-256 of a value's canonical form ("" hashes for NULL: absent). */
int vm_drift_digest(const struct vm_json *value, char hex[65],
    struct vm_error *err) VM_MUST_CHECK;

/* It is as wanted now: the word goes from record's drift. */
int vm_drift_remove(struct vm_json *record, const char *word,
    struct vm_error *err) VM_MUST_CHECK;

#endif
