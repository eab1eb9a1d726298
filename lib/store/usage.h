/*
 * usage.h - what files take up, each counted once however many names it has;
 * private to lib/store.
 */
#ifndef VM_STORE_USAGE_H
#define VM_STORE_USAGE_H

#include <sys/types.h>

#include <stdint.h>

#include "lib/store/store.h"

struct vm_usage_file {
	ino_t inode;
	nlink_t links;
	uint64_t bytes; /* allocated */
};

/* All-zero is empty. */
struct vm_usage {
	struct vm_usage_file *files;
	size_t count;
};

/*
 * Append the file dirfd/name, or all files below the directory.  What vanishes
 * meanwhile, or is neither, counts nothing.
 */
int vm_usage_add(struct vm_usage *usage, int dirfd, const char *name,
    struct vm_error *err) VM_MUST_CHECK;
/* Append what another one holds. */
int vm_usage_add_all(struct vm_usage *usage, const struct vm_usage *more,
    struct vm_error *err) VM_MUST_CHECK;
void vm_usage_release(struct vm_usage *usage);
#define VM_CLEAN_USAGE VM_CLEAN(vm_usage_release)

/* How many names of this inode it holds. */
size_t vm_usage_names(const struct vm_usage *usage, ino_t inode);

/* Bytes in files, each inode once. */
int vm_usage_total(const struct vm_usage *usage, uint64_t *bytes,
    struct vm_error *err) VM_MUST_CHECK;

#endif
