/*
 * ops.h - the operations of customize: and instance:, as data.
 *
 * An operation is an object with one member, {"write":{"path":...}}; what its
 * arguments look like says lib/record/schema.h, what it does is a function
 * over struct vm_engine.  Each has a version, raised when what it does
 * changes, so that layers made by an older one are not taken for the same.
 *
 * To add one: its arguments in lib/record/schema_ops.c, a function and a line
 * in the table here, an option in cmd/vmcustomize.c, a test.
 */
#ifndef VM_GUEST_OPS_H
#define VM_GUEST_OPS_H

#include "lib/adapt/engine.h"
#include "lib/adapt/json.h"
#include "lib/store/store.h"

/* What an operation works with. */
struct vm_op_context {
	const struct vm_engine *engine; /* the guest is mounted */
	const struct vm_json *layout;	/* layout.h */
	struct vm_store *store;		/* files/ */
};

enum vm_op_flag {
	VM_OP_NETWORK = 1 << 0, /* the appliance needs a network */
	VM_OP_HOSTNAME = 1 << 1 /* says what the host's name is */
};

/* All flags of a list of operations (NULL: none). */
unsigned vm_ops_flags(const struct vm_json *ops);

/*
 * Is each one known?  Arguments are the schema's; every file must be in the
 * store.  VM_E_DATA "bad_operation", VM_E_NO_INPUT "file_not_found".
 */
int vm_ops_check(struct vm_store *store, const struct vm_json *ops,
    struct vm_error *err) VM_MUST_CHECK;

/*
 * The list with what decides the result and nothing else: versions in, local
 * files by digest and last component, not by directory.  A new array.
 */
struct vm_json *vm_ops_canonical(const struct vm_json *ops,
    struct vm_error *err) VM_MUST_CHECK;

/* Carry all of them out in order; the first failure ends it, subject in it. */
int vm_ops_apply(const struct vm_op_context *context, const struct vm_json *ops,
    struct vm_error *err) VM_MUST_CHECK;

/* One line for -n: "write /etc/motd", "install nginx curl"; no secrets. */
int vm_ops_describe(const struct vm_json *op, struct vm_buf *out,
    struct vm_error *err) VM_MUST_CHECK;

#endif
