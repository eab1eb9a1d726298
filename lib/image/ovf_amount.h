/*
 * ovf_amount.h - quantities in an OVF, in units as DSP0004 writes them.
 *
 * "byte * 2^30", "byte*10^9", and the words of older exports: "MegaBytes",
 * "GB".
 */
#ifndef VM_IMAGE_OVF_AMOUNT_H
#define VM_IMAGE_OVF_AMOUNT_H

#include <stdint.h>

#include "lib/base/error.h"

/* quantity times unit; VM_E_DATA "bad_ovf" when that is no number of bytes. */
int vm_ovf_amount(const char *quantity, const char *unit, uint64_t *bytes,
    struct vm_error *err) VM_MUST_CHECK;

#endif
