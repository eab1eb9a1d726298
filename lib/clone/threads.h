/*
 * threads.h - the same work on each item of a list, on several threads.
 */
#ifndef VM_CLONE_THREADS_H
#define VM_CLONE_THREADS_H

#include <stddef.h>

struct vm_threads {
	size_t count;  /* items */
	unsigned jobs; /* threads at most; 0: one per core */
	size_t each;   /* a thread for fewer items costs more than it brings */
	void (*work)(void *context, size_t i);
	void *context;
};

/*
 * Call work(context, i) once for every i below count, lowest first; returns
 * when all is done.  The calling thread works too, so this cannot fail.
 */
void vm_threads_run(const struct vm_threads *threads);

#endif
