#include "lib/image/peek.h"

int
vm_peek_fill(struct vm_peek *peek, size_t want, struct vm_error *err)
{
	const void *data;
	size_t len = 1;

	while (peek->head.len < want && len > 0)
		if (peek->pull(peek->context, &data, &len, err) == -1 ||
		    vm_buf_add(&peek->head, data, len, err) == -1)
			return -1;
	return 0;
}

int
vm_peek_read(void *context, const void **data, size_t *len,
    struct vm_error *err)
{
	struct vm_peek *peek = context;

	if (peek->given || peek->head.len == 0)
		return peek->pull(peek->context, data, len, err);
	peek->given = true;
	*data = peek->head.data;
	*len = peek->head.len;
	return 0;
}

void
vm_peek_release(struct vm_peek *peek)
{
	vm_buf_release(&peek->head);
}
