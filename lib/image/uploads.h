/*
 * uploads.h - local files that a role's operations name, taken into the store.
 *
 * upload, run, firstboot, keys and secrets may name a file of this host.
 * Records travel to other commands and hosts, so each such operation gets the
 * content's "sha256" beside the name (schema.h) and the content goes to
 * files/<sha256>.
 */
#ifndef VM_IMAGE_UPLOADS_H
#define VM_IMAGE_UPLOADS_H

#include "lib/adapt/json.h"
#include "lib/base/error.h"
#include "lib/store/store.h"

/*
 * Take in every file that customize: and instance: of the role name and set
 * "sha256" beside it.  Relative names are meant from directory and may not
 * leave it, neither by ".." nor by a symbolic link (VM_E_DATA "path_escape");
 * an absolute one is taken as the user's word.
 */
int vm_uploads_take(struct vm_store *store, struct vm_json *role,
    const char *directory, struct vm_error *err) VM_MUST_CHECK;

#endif
