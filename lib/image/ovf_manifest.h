/*
 * ovf_manifest.h - an OVF's machine as a manifest (vmpipe-manifest(5)).
 *
 * image.json keeps what the manifest needs as "ovf": {"cpus"?, "memory"?,
 * "disk"? (bytes), "networks": [NAME, ...], "blank_disks"}, so that it can be
 * written without asking the origin again.
 */
#ifndef VM_IMAGE_OVF_MANIFEST_H
#define VM_IMAGE_OVF_MANIFEST_H

#include "lib/adapt/json.h"
#include "lib/image/ovf.h"
#include "lib/store/store.h"

/* The object described above: the caller's. */
struct vm_json *vm_ovf_manifest_describe(const struct vm_ovf *ovf,
    struct vm_error *err) VM_MUST_CHECK;

/*
 * Write the manifest of one role, on the alias's image whose image.json is
 * facts, to path, durably.  The first card is on the user network, as are those
 * on the same network in the OVF; others become private networks of the same
 * name.  A file that says the same is left alone, any other is VM_E_EXISTS
 * "exists"; VM_E_DATA "no_ovf" when the image did not come with one.
 */
int vm_ovf_manifest_write(struct vm_store *store, const char *path,
    const struct vm_json *facts, const char *alias, struct vm_error *err)
    VM_MUST_CHECK;

#endif
