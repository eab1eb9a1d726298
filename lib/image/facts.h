/*
 * facts.h - what image.json says about a fetch (store/image.h has its form).
 */
#ifndef VM_IMAGE_FACTS_H
#define VM_IMAGE_FACTS_H

#include "lib/adapt/json.h"
#include "lib/image/master.h"

/* The master, made from this source now and called so: a new object. */
struct vm_json *vm_facts_describe(const struct vm_source *source,
    const char *alias, const struct vm_master *master, struct vm_error *err)
    VM_MUST_CHECK;

#endif
