/*
 * clean.h - locals that release what they own when they go out of scope.
 *
 * A local that owns something carries one of these attributes; ownership is
 * passed on with VM_TAKE(), which leaves the empty value behind.  Each module
 * with a release function of its own defines its macro beside it, through
 * VM_CLEAN(function).  Clean-up does not run on a signal, so nothing that must
 * be undone may depend on it.
 */
#ifndef VM_BASE_CLEAN_H
#define VM_BASE_CLEAN_H

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define VM_CLEAN(function) __attribute__((cleanup(function)))

/* The pointer's value; the variable is NULL afterwards. */
#define VM_TAKE(p)                                                             \
	__extension__({                                                        \
		__typeof__(p) vm_taken_ = (p);                                 \
		(p) = NULL;                                                    \
		vm_taken_;                                                     \
	})

/* The descriptor's value; the variable is -1 afterwards. */
#define VM_TAKE_FD(fd)                                                         \
	__extension__({                                                        \
		int vm_taken_ = (fd);                                          \
		(fd) = -1;                                                     \
		vm_taken_;                                                     \
	})

static inline void
vm_clean_free(void *p)
{
	free(*(void **)p);
}

static inline void
vm_clean_fd(int *fd)
{
	if (*fd >= 0)
		close(*fd);
}

static inline void
vm_clean_file(FILE **f)
{
	if (*f != NULL)
		fclose(*f);
}

#define VM_CLEAN_FREE VM_CLEAN(vm_clean_free)
#define VM_CLEAN_FD VM_CLEAN(vm_clean_fd)
#define VM_CLEAN_FILE VM_CLEAN(vm_clean_file)

#endif
