/*
 * arch.h - this machine's architecture, as various publishers call it.
 */
#ifndef VM_SOURCE_ARCH_H
#define VM_SOURCE_ARCH_H

#include <stdbool.h>

struct vm_arch {
	const char *kernel; /* uname -m, virt-builder: "x86_64" */
	const char *go;	    /* OCI: "amd64" */
	const char *debian; /* simplestreams: "amd64" */
};

/* Never NULL: one that is not in our table has uname's name thrice. */
const struct vm_arch *vm_arch_host(void);

/* Is it one of this machine's names? */
bool vm_arch_is_host(const char *name);

#endif
