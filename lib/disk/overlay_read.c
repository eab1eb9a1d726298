#include "lib/disk/overlay_private.h"

#include <stdlib.h>
#include <string.h>

#include "lib/base/fd.h"
#include "lib/base/proc.h"

/* Read; what lies beyond the file's end is zero. */
static int
read_plain(int fd, void *data, size_t len, uint64_t offset,
    struct vm_error *err)
{
	size_t got;

	if (offset > INT64_MAX - len)
		return vm_error_set(err, VM_E_DATA, "bad_table",
		    "qcow2: a cluster at offset %llu",
		    (unsigned long long)offset);
	if (vm_fd_pread(fd, data, len, offset, &got, "disk", err) == -1)
		return -1;
	memset((unsigned char *)data + got, 0, len - got);
	return 0;
}

static int
ready_inflate(struct vm_overlay_layer *layer, struct vm_error *err)
{
	size_t cluster = (size_t)layer->header.cluster;

	if (layer->inflate != NULL)
		return 0;
	/* the entry's number of sectors cannot say more than two clusters */
	if (layer->packed == NULL)
		layer->packed = malloc(2 * cluster);
	if (layer->plain == NULL)
		layer->plain = malloc(cluster);
	if (layer->packed == NULL || layer->plain == NULL)
		return vm_error_nomem(err);
	layer->inflate = vm_inflate_new(layer->header.zstd ? VM_INFLATE_ZSTD :
							     VM_INFLATE_DEFLATE,
	    err);
	return layer->inflate == NULL ? -1 : 0;
}

/* Have the cluster of this entry in layer->plain. */
static int
unpack(struct vm_overlay_layer *layer, uint64_t entry, struct vm_error *err)
{
	const struct vm_qcow2_header *h = &layer->header;
	uint64_t begin, end;
	size_t got;

	if (layer->unpacked == entry)
		return 0;
	if (ready_inflate(layer, err) == -1)
		return -1;
	layer->unpacked = 0;
	vm_qcow2_packed(h, entry, &begin, &end);
	if (end > INT64_MAX)
		return vm_error_set(err, VM_E_DATA, "bad_table",
		    "qcow2: compressed data at offset %llu",
		    (unsigned long long)begin);
	if (vm_fd_pread(layer->fd, layer->packed, (size_t)(end - begin), begin,
		&got, "qcow2", err) == -1)
		return -1;
	if (vm_inflate_block(layer->inflate, layer->packed, got, layer->plain,
		(size_t)h->cluster, err) == -1)
		return vm_error_wrap(err, "qcow2: cluster at offset %llu",
		    (unsigned long long)begin);
	layer->unpacked = entry;
	return 0;
}

static int
read_run(struct vm_overlay *overlay, const struct vm_overlay_run *run,
    unsigned char *data, uint64_t offset, struct vm_error *err)
{
	struct vm_overlay_layer *layer = &overlay->layers[run->depth];

	switch (run->state) {
	case VM_UNIT_PLAIN:
		return read_plain(layer->fd, data, (size_t)run->len, run->at,
		    err);
	case VM_UNIT_PACKED:
		if (unpack(layer, run->at, err) == -1)
			return -1;
		memcpy(data,
		    layer->plain + (offset & (layer->header.cluster - 1)),
		    (size_t)run->len);
		return 0;
	default:
		memset(data, 0, (size_t)run->len);
		return 0;
	}
}

int
vm_overlay_read(struct vm_overlay *overlay, void *data, size_t len,
    uint64_t offset, struct vm_error *err)
{
	struct vm_overlay_run run;

	if (vm_overlay_in_range(overlay, offset, len, err) == -1)
		return -1;
	for (size_t done = 0; done < len; done += (size_t)run.len)
		if (vm_proc_check_stop(err) == -1 ||
		    vm_overlay_find(overlay, offset + done, len - done, &run,
			err) == -1 ||
		    read_run(overlay, &run, (unsigned char *)data + done,
			offset + done, err) == -1)
			return -1;
	return 0;
}
