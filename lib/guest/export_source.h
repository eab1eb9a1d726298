/*
 * export_source.h - a VM's disk, held still in a directory of ours.
 */
#ifndef VM_GUEST_EXPORT_SOURCE_H
#define VM_GUEST_EXPORT_SOURCE_H

#include "lib/adapt/json.h"
#include "lib/store/chain.h"
#include "lib/store/publish.h"

struct vm_export_source {
	struct vm_json *record; /* the VM's, as it is in the store */
	int lock_fd;		/* the VM's, shared; -1: it runs */
	int vm_fd;		/* the VM's directory */
	bool is_system;
	size_t disk; /* which of the record's */
	struct vm_publish publish;
	struct vm_chain chain; /* in publish's directory; top first */
};

#define VM_EXPORT_SOURCE_NONE                                                  \
	{                                                                      \
		.lock_fd = -1, .vm_fd = -1                                     \
	}

/*
 * Lock the VM of this name, unless it runs, and find its disk (`disk`: the name
 * of a data disk; NULL: the system's) and what that stands on.  VM_E_NO_INPUT
 * "vm_not_found", "disk_not_found", VM_E_TRY_AGAIN "in_use", VM_E_DATA
 * "bad_overlay", "bad_chain", and as vm_lineage_check().
 */
int vm_export_source_open(struct vm_store *store, const char *name,
    const char *disk, struct vm_export_source *source, struct vm_error *err)
    VM_MUST_CHECK;

/*
 * Bring it into an object in tmp/, where chain then is: links; of a VM that
 * runs the disk itself is copied as of this instant, errors as vm_live_copy().
 */
int vm_export_source_take(struct vm_store *store,
    struct vm_export_source *source, struct vm_error *err) VM_MUST_CHECK;

/* Put an empty overlay named `file` on top; one that is there goes. */
int vm_export_source_cover(struct vm_export_source *source, const char *file,
    struct vm_error *err) VM_MUST_CHECK;

void vm_export_source_close(struct vm_export_source *source);

#endif
