/*
 * args.h - virt-customize's options as operations.
 *
 *	--hostname NAME		--install PACKAGE,...	--timezone ZONE
 *	--write FILE:CONTENT	--append-line FILE:LINE	--upload FILE:DEST
 *	--mkdir DIR		--delete PATH		--chmod MODE:FILE
 *	--link TARGET:LINK[:LINK...]
 *	--root-password file:FILE|password:TEXT|random|disabled
 *	--ssh-inject USER[:file:FILE|:string:KEY]
 *	--run SCRIPT		--run-command COMMAND
 *	--firstboot SCRIPT	--firstboot-command COMMAND
 *
 * A password is hashed here; it goes no further.
 */
#ifndef VM_GUEST_ARGS_H
#define VM_GUEST_ARGS_H

#include <stdbool.h>

#include "lib/adapt/json.h"
#include "lib/store/store.h"

/* Append what --option VALUE says to ops; VM_E_USAGE "usage". */
int vm_args_add(struct vm_json *ops, const char *option, const char *value,
    struct vm_error *err) VM_MUST_CHECK;

/*
 * Take the contents of the files that ops name into the store (dry_run: only
 * their digests), and the caller's public key where none is named.
 */
int vm_args_import(struct vm_store *store, struct vm_json *ops, bool dry_run,
    struct vm_error *err) VM_MUST_CHECK;

#endif
