/*
 * store_input.h - what commands that work on VMs begin with: input, then store.
 *
 * The commands of a pipe start together: when the last one looks, the first
 * one has not made the store yet.  So the store is opened when the first name
 * asks for it, else after the input has ended.
 */
#ifndef VM_STORE_STORE_INPUT_H
#define VM_STORE_STORE_INPUT_H

#include "lib/record/input.h"
#include "lib/store/store.h"

/*
 * Read the input (its context is ours, its resolve gets the store) and open
 * the store, which must be there.  1: there is something to do; 0: there are
 * only failed records or none, which need no store (*store may be NULL) and
 * are to be passed on; -1: as vm_input_read() and vm_store_open() say.
 */
int vm_store_read_input(const struct vm_input *input, const char *root,
    const char *tool, struct vm_store **store, struct vm_records *records,
    struct vm_error *err) VM_MUST_CHECK;

#endif
