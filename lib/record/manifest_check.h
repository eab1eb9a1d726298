/*
 * manifest_check.h - what a table cannot say: checks across roles.
 *
 * Rings of `after`, roles that nothing defines, ports and addresses that two
 * VMs would share, counts that contradict one another, names too long.
 */
#ifndef VM_RECORD_MANIFEST_CHECK_H
#define VM_RECORD_MANIFEST_CHECK_H

#include "lib/record/schema.h"

/* json is the manifest in normal form, root the nodes it was built from. */
void vm_manifest_check_whole(const struct vm_json *json,
    const struct vm_yaml_node *root, struct vm_schema_run *run);

/*
 * The roles' names in `after` order, manifest order where that leaves a
 * choice.  A ring: VM_E_DATA "bad_manifest", *ring (if not NULL) one of them.
 */
struct vm_json *vm_manifest_order_roles(const struct vm_json *roles,
    const char **ring, struct vm_error *err) VM_MUST_CHECK;

#endif
