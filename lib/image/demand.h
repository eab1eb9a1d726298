/*
 * demand.h - does what vmfetch was asked for make sense together?
 */
#ifndef VM_IMAGE_DEMAND_H
#define VM_IMAGE_DEMAND_H

#include "lib/image/run.h"

/* VM_E_USAGE for options that exclude or need each other. */
int vm_demand_check(const struct vm_image_options *options,
    struct vm_error *err) VM_MUST_CHECK;

/* All names of the catalogues? */
bool vm_demand_is_for_names(const struct vm_image_options *options);

#endif
