/*
 * check.h - a manifest read with all its problems said, and `vmsched check`.
 */
#ifndef VM_SITE_CHECK_H
#define VM_SITE_CHECK_H

#include "lib/record/manifest.h"

/*
 * vm_manifest_load() that logs every problem but the last, which is err.
 */
int vm_check_load(const char *path, struct vm_manifest *manifest,
    struct vm_error *err) VM_MUST_CHECK;

/*
 * Is the manifest good, and are the files that it names there?  Says "ok" in
 * one line, at the level of warnings.  Nothing is touched, no store needed.
 */
int vm_check_manifest(const char *path, struct vm_error *err) VM_MUST_CHECK;

#endif
