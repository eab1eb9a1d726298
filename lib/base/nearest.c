#include <string.h>

#include "lib/base/nearest.h"

static size_t
min3(size_t a, size_t b, size_t c)
{
	size_t least = a < b ? a : b;

	return least < c ? least : c;
}

/* Three rows suffice: a swap looks two rows back. */
static size_t
distance(const char *a, size_t alen, const char *b, size_t blen)
{
	size_t rows[3][VM_NEAREST_MAX + 1];
	size_t *older = rows[0], *old = rows[1], *row = rows[2];

	for (size_t j = 0; j <= blen; j++)
		old[j] = j;
	for (size_t i = 1; i <= alen; i++) {
		size_t *spare = older;

		row[0] = i;
		for (size_t j = 1; j <= blen; j++) {
			row[j] = min3(row[j - 1] + 1, old[j] + 1,
			    old[j - 1] + (a[i - 1] != b[j - 1]));
			if (i > 1 && j > 1 && a[i - 1] == b[j - 2] &&
			    a[i - 2] == b[j - 1] && older[j - 2] + 1 < row[j])
				row[j] = older[j - 2] + 1;
		}
		older = old;
		old = row;
		row = spare;
	}
	return old[blen];
}

void
vm_nearest_offer(struct vm_nearest *nearest, const char *candidate)
{
	size_t len = strnlen(nearest->word, VM_NEAREST_MAX + 1);
	size_t candidate_len = strnlen(candidate, VM_NEAREST_MAX + 1);
	size_t found;

	if (len > VM_NEAREST_MAX || candidate_len > VM_NEAREST_MAX)
		return;
	found = distance(nearest->word, len, candidate, candidate_len);
	if (found > (len + 2) / 3 || found >= len)
		return;
	if (nearest->best == NULL || found < nearest->distance) {
		nearest->best = candidate;
		nearest->distance = found;
	}
}

const char *
vm_nearest_find(const char *word, const char *const *candidates)
{
	struct vm_nearest nearest = { .word = word };

	for (; *candidates != NULL; candidates++)
		vm_nearest_offer(&nearest, *candidates);
	return nearest.best;
}
