/*
 * nearest.h - what was meant: the known word nearest to a mistyped one.
 *
 * Distance is the number of letters inserted, deleted, changed or swapped with
 * their neighbour (Damerau 1964, Levenshtein 1966; optimal string alignment).
 * A word is near when that is at most a third of its length, and not all of it.
 */
#ifndef VM_BASE_NEAREST_H
#define VM_BASE_NEAREST_H

#include <stddef.h>

/* Longer words are near to nothing. */
#define VM_NEAREST_MAX 64

/* A search: set word, leave the rest zero, offer candidates, read best. */
struct vm_nearest {
	const char *word;
	const char *best; /* borrowed from a candidate; NULL: none */
	size_t distance;  /* of best */
};

/* Take candidate when it is near and nearer than the best so far. */
void vm_nearest_offer(struct vm_nearest *nearest, const char *candidate);

/* The nearest of a NULL-terminated array, or NULL. */
const char *vm_nearest_find(const char *word, const char *const *candidates);

#endif
