/*
 * A compressed download that comes in small pieces.
 */
#include <stdlib.h>

#include "lib/adapt/archive.h"

#define PIECE 512
#define ENOUGH ((size_t)64 << 20)

struct source {
	const unsigned char *data;
	size_t left;
};

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size);

static int
pull(void *context, const void **data, size_t *len, struct vm_error *err)
{
	struct source *source = context;

	(void)err;
	*data = source->data;
	*len = source->left < PIECE ? source->left : PIECE;
	source->data += *len;
	source->left -= *len;
	return 0;
}

int
LLVMFuzzerTestOneInput(const unsigned char *data, size_t size)
{
	VM_CLEAN_ARCHIVE struct vm_archive *archive = NULL;
	struct source source = { data, size };
	struct vm_error err = { 0 };
	const void *out;
	size_t len, total = 0;

	archive = vm_archive_open(pull, &source, &err);
	if (archive == NULL)
		return 0;
	while (total < ENOUGH) {
		if (vm_archive_read(archive, &out, &len, &err) == -1)
			return 0;
		if (len == 0)
			break;
		total += len;
	}
	return 0;
}
