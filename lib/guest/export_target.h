/*
 * export_target.h - where an exported image goes: FILE, or a stream.
 */
#ifndef VM_GUEST_EXPORT_TARGET_H
#define VM_GUEST_EXPORT_TARGET_H

#include "lib/adapt/crypto_hash.h"
#include "lib/guest/export.h"
#include "lib/store/publish.h"

struct vm_export_target {
	const struct vm_export_options *options; /* borrowed */
	int dir_fd;				 /* of FILE; -1: a stream */
	char *path;				 /* FILE's, absolute; or NULL */
	struct vm_outside outside;
	int stream_fd; /* what is to be streamed; or -1 */

	/* Of what was written. */
	uint64_t size;
	char sha256[VM_HASH_MAX_HEX];
};

#define VM_EXPORT_TARGET_NONE                                                  \
	{                                                                      \
		.dir_fd = -1, .stream_fd = -1                                  \
	}

/*
 * See whether FILE can be made; options stay in use.  VM_E_EXISTS "exists",
 * VM_E_DENIED "not_a_file" (even to be replaced), "directory", "in_store",
 * VM_E_NO_INPUT "not_found".
 */
int vm_export_target_check(const struct vm_store *store,
    const struct vm_export_options *options, struct vm_export_target *target,
    struct vm_error *err) VM_MUST_CHECK;

/* A descriptor to write the image to, the target's; without a name so far. */
int vm_export_target_open(struct vm_store *store,
    struct vm_export_target *target, struct vm_error *err) VM_MUST_CHECK;

/* It is written: digest it and give it its name, or stream it. */
int vm_export_target_finish(struct vm_export_target *target,
    struct vm_error *err) VM_MUST_CHECK;

void vm_export_target_close(struct vm_export_target *target);

#endif
