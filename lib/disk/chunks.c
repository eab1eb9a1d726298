#include "lib/disk/chunks.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/base/fd.h"

bool
vm_chunks_is_zero(const void *data, size_t len)
{
	const unsigned char *bytes = data;

	return bytes[0] == 0 && memcmp(bytes, bytes + 1, len - 1) == 0;
}

uint64_t
vm_chunks_of(uint64_t size_bytes)
{
	return size_bytes / VM_CHUNK + (size_bytes % VM_CHUNK != 0);
}

size_t
vm_chunks_workers(void)
{
	long cores = sysconf(_SC_NPROCESSORS_ONLN);

	return cores < 1		 ? 1 :
	    cores > VM_CHUNK_WORKERS_MAX ? VM_CHUNK_WORKERS_MAX :
					   (size_t)cores;
}

int
vm_chunks_grow(struct vm_chunks *chunks, size_t count, struct vm_error *err)
{
	char **hex;

	if (count <= chunks->count)
		return 0;
	hex = reallocarray(chunks->hex, count, sizeof(*hex));
	if (hex == NULL)
		return vm_error_nomem(err);
	memset(hex + chunks->count, 0, (count - chunks->count) * sizeof(*hex));
	chunks->hex = hex;
	chunks->count = count;
	return 0;
}

int
vm_chunks_digest(struct vm_hash *hash, const void *data, size_t len, char **hex,
    struct vm_error *err)
{
	char text[VM_HASH_MAX_HEX];

	*hex = NULL;
	if (len == 0 || vm_chunks_is_zero(data, len))
		return 0;
	if (vm_hash_add(hash, data, len, err) == -1 ||
	    vm_hash_finish(hash, text, err) == -1)
		return -1;
	*hex = strdup(text);
	return *hex == NULL ? vm_error_nomem(err) : 0;
}

/* How many bytes at the front are a hole, or are none, as the first piece. */
static size_t
run_length(const unsigned char *data, size_t len, bool *hole)
{
	size_t end = 0, piece;

	while (end < len) {
		bool zero;

		piece = len - end < VM_CHUNK_HOLE ? len - end : VM_CHUNK_HOLE;
		zero = vm_chunks_is_zero(data + end, piece);
		if (end == 0)
			*hole = zero;
		else if (zero != *hole)
			break;
		end += piece;
	}
	return end;
}

int
vm_chunks_write(int fd, uint64_t index, const void *data, size_t len,
    struct vm_error *err)
{
	const unsigned char *from = data;
	uint64_t offset = index * VM_CHUNK;
	bool hole = false;

	for (size_t at = 0, run; at < len; at += run) {
		run = run_length(from + at, len - at, &hole);
		if (!hole &&
		    vm_fd_pwrite(fd, from + at, run, offset + at, "the master",
			err) == -1)
			return -1;
	}
	/* Only a hint: what it cannot do the fsync at the end will. */
	(void)sync_file_range(fd, (off_t)offset, (off_t)len,
	    SYNC_FILE_RANGE_WRITE);
	return 0;
}

int
vm_chunks_format(const struct vm_chunks *chunks, uint64_t size_bytes,
    struct vm_buf *out, struct vm_error *err)
{
	if (vm_buf_format(out, err, "vmpipe-chunks 1 sha256 %llu %llu\n",
		(unsigned long long)VM_CHUNK,
		(unsigned long long)size_bytes) == -1)
		return -1;
	for (uint64_t i = 0; i < vm_chunks_of(size_bytes); i++) {
		const char *hex = chunks->hex[i];

		if (vm_buf_add_string(out, hex != NULL ? hex : "-", err) ==
			-1 ||
		    vm_buf_add(out, "\n", 1, err) == -1)
			return -1;
	}
	return 0;
}

void
vm_chunks_release(struct vm_chunks *chunks)
{
	for (size_t i = 0; i < chunks->count; i++)
		free(chunks->hex[i]);
	free(chunks->hex);
}
