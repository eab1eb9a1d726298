/*
 * manifest_files.h - the files of this host that a role's operations name.
 *
 * Each is an object with "source" (upload, run, firstboot) or "file" (keys and
 * secrets) in customize: or instance:; relative names are meant from the
 * manifest's directory.  vmfetch takes their contents into the store and puts
 * "sha256" beside the name; vmsched digests them to see what has changed.
 */
#ifndef VM_RECORD_MANIFEST_FILES_H
#define VM_RECORD_MANIFEST_FILES_H

#include "lib/adapt/json.h"
#include "lib/base/error.h"

/* Object is the operation's (borrowed, may be changed); -1 ends the walk. */
typedef int vm_manifest_file(void *context, struct vm_json *object,
    const char *path, struct vm_error *err);

int vm_manifest_each_file(struct vm_json *role, vm_manifest_file *visit,
    void *context, struct vm_error *err) VM_MUST_CHECK;

/* Put "sha256" beside each name; VM_E_NO_INPUT for one that is not there. */
int vm_manifest_digest_files(struct vm_json *role, const char *directory,
    struct vm_error *err) VM_MUST_CHECK;

#endif
