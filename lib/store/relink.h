/*
 * relink.h - gives a stopped VM back what it stands on.
 *
 * A master has its bytes by its name, so one that was fetched again, or that
 * another VM still has, takes the place of the VM's link, and the VM's disk is
 * what it was.  A layer was made here and nowhere else: a layer of the same key
 * that was made anew has other bytes, so only the very same file can take its
 * place.  The VM's directory is built anew from links and changes places with
 * the old one, so that a killed process leaves the one or the other.
 */
#ifndef VM_STORE_RELINK_H
#define VM_STORE_RELINK_H

#include <stdbool.h>

#include "lib/store/store.h"

/*
 * Link what is wrong in the VM's chain to the store's own images and layers,
 * and note what it stands on now; *changed says whether there was anything to
 * do.  VM_E_TRY_AGAIN "in_use" when it runs; VM_E_DATA "base_changed" or
 * "base_missing" when the store does not have what is needed (the hint says
 * what brings it), and the VM is as it was then.
 */
int vm_relink_vm(struct vm_store *store, const char *name, bool *changed,
    struct vm_error *err) VM_MUST_CHECK;

#endif
