/*
 * guestfs_private.h - what guestfs_*.c share.
 */
#ifndef VM_ADAPT_GUESTFS_PRIVATE_H
#define VM_ADAPT_GUESTFS_PRIVATE_H

#include <guestfs.h>

#include "lib/adapt/guestfs.h"

struct vm_guestfs {
	guestfs_h *h;
	char **devices; /* "/dev/sda", ... after the launch */
	size_t drive_count;
};

/*
 * Why libguestfs' last call failed: its first line, for what may follow is how
 * to debug libguestfs.  Returns out.
 */
#define VM_GUESTFS_REASON 768
const char *vm_guestfs_reason(struct vm_guestfs *g,
    char out[VM_GUESTFS_REASON]);

/* libguestfs' last error as ours: "what: reason".  Returns -1. */
int vm_guestfs_error(struct vm_guestfs *g, const char *what,
    struct vm_error *err);

/* Free a NULL-terminated list that libguestfs gave us. */
void vm_guestfs_clean_list(char ***list);
#define VM_CLEAN_LIST VM_CLEAN(vm_guestfs_clean_list)

/* guestfs_drives.c: the acts on drives of struct vm_engine_ops. */
int vm_guestfs_partitions(void *state, size_t drive,
    struct vm_engine_partition *list, size_t *count, struct vm_error *err);
int vm_guestfs_mount(void *state, size_t drive, int partition, const char *at,
    bool read_only, struct vm_error *err);
int vm_guestfs_unmount_all(void *state, struct vm_error *err);

/* guestfs_files.c */
extern const struct vm_engine_ops vm_guestfs_ops;

#endif
