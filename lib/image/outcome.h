/*
 * outcome.h - what a record says of an image that was fetched for it.
 */
#ifndef VM_IMAGE_OUTCOME_H
#define VM_IMAGE_OUTCOME_H

#include "lib/image/fetch.h"
#include "lib/record/record.h"

#define VM_IMAGE_TOOL "vmfetch"

/*
 * Put what was fetched into the record, with what the image's own file says of
 * it (facts; NULL: nothing), and, where it has no role, one that is only this
 * image.
 */
int vm_outcome_note(struct vm_store *store, const struct vm_fetched *fetched,
    const struct vm_json *facts, uint64_t ms, struct vm_json *record,
    struct vm_error *err) VM_MUST_CHECK;

/* The same image as in another record: the same outcome, asked for once. */
int vm_outcome_copy(const struct vm_json *from, struct vm_json *record,
    struct vm_error *err) VM_MUST_CHECK;

#endif
