#include "lib/disk/overlay_private.h"

#include <sys/stat.h>

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/fd.h"
#include "lib/disk/qcow2.h"

#define ALLOW_READ                                                             \
	(VM_QCOW2_ALLOW_BACKING | VM_QCOW2_ALLOW_EXTENDED_L2 |                 \
	    VM_QCOW2_ALLOW_SNAPSHOTS | VM_QCOW2_ALLOW_DIRTY)
#define ALLOW_WRITE (VM_QCOW2_ALLOW_BACKING | VM_QCOW2_ALLOW_EXTENDED_L2)

/* --- one file ------------------------------------------------------------- */

static int
load_l1(struct vm_overlay_layer *layer, struct vm_error *err)
{
	const struct vm_qcow2_header *h = &layer->header;
	size_t len = (size_t)h->l1_used * sizeof(*layer->l1), got;

	/* all of it must be in the file before memory is taken for it */
	if (h->l1_offset % h->cluster != 0 || h->l1_offset > layer->file_size ||
	    len > layer->file_size - h->l1_offset)
		return vm_error_set(err, VM_E_DATA, "bad_table",
		    "qcow2: an L1 table of %zu bytes at offset %llu", len,
		    (unsigned long long)h->l1_offset);
	layer->l1 = malloc(len);
	if (layer->l1 == NULL)
		return vm_error_nomem(err);
	if (vm_fd_pread(layer->fd, layer->l1, len, h->l1_offset, &got, "qcow2",
		err) == -1)
		return -1;
	if (got != len)
		return vm_error_set(err, VM_E_DATA, "truncated",
		    "qcow2: the file ends inside its L1 table");
	return 0;
}

static int
load_qcow2(struct vm_overlay_layer *layer, unsigned allowed,
    struct vm_error *err)
{
	if (vm_qcow2_header_read(layer->fd, layer->file_size, VM_QCOW2_SIZE_MAX,
		allowed, &layer->header, err) == -1 ||
	    load_l1(layer, err) == -1)
		return -1;
	layer->size = layer->header.virtual_size;
	return 0;
}

/* layer->fd is open; what it stands on goes to *below. */
static int
load_layer(struct vm_overlay_layer *layer, const char *format, unsigned allowed,
    struct vm_backing *below, struct vm_error *err)
{
	struct stat st;

	if (fstat(layer->fd, &st) == -1)
		return vm_error_errno(err, errno, "disk");
	if (!S_ISREG(st.st_mode))
		return vm_error_set(err, VM_E_DENIED, "not_regular",
		    "not a regular file");
	layer->file_size = (uint64_t)st.st_size;
	below->file[0] = '\0';
	if (strcmp(format, "raw") == 0) {
		layer->is_raw = true;
		layer->size = (layer->file_size + 511) & ~(uint64_t)511;
		return 0;
	}
	if (strcmp(format, "qcow2") != 0)
		return vm_error_set(err, VM_E_DATA, "bad_overlay",
		    "format \"%s\" is neither raw nor qcow2", format);
	if (load_qcow2(layer, allowed, err) == -1)
		return -1;
	return vm_backing_read(layer->fd, below, err);
}

static void
release_layer(struct vm_overlay_layer *layer)
{
	vm_clean_fd(&layer->fd);
	free(layer->l1);
	vm_overlay_cache_release(&layer->l2);
	vm_inflate_clean(&layer->inflate);
	free(layer->packed);
	free(layer->plain);
}

/* --- the chain ------------------------------------------------------------ */

/* Add a file below those that are there; fd is taken. */
static int
add_layer(struct vm_overlay *overlay, int fd, const char *format,
    unsigned allowed, struct vm_backing *below, struct vm_error *err)
{
	struct vm_overlay_layer *layer = &overlay->layers[overlay->count++];

	layer->fd = fd;
	return load_layer(layer, format, allowed, below, err);
}

static int
add_below(struct vm_overlay *overlay, int dir_fd, struct vm_backing *below,
    struct vm_error *err)
{
	const struct vm_backing it = *below;
	int fd;

	if (overlay->count == VM_CHAIN_MAX + 1)
		return vm_error_set(err, VM_E_DATA, "chain_too_long",
		    "%s: more than %d files below the disk", it.file,
		    VM_CHAIN_MAX);
	if (dir_fd == -1)
		return vm_error_set(err, VM_E_DATA, "backing_file",
		    "it needs %s", it.file);
	fd = vm_fd_open_regular(dir_fd, it.file, err);
	if (fd == -1)
		return -1;
	if (add_layer(overlay, fd, it.format, ALLOW_READ, below, err) == -1)
		return vm_error_wrap(err, "%s", it.file);
	return 0;
}

/* The chain from fd, which is taken, down. */
static struct vm_overlay *
open_chain(int fd, int dir_fd, const char *format,
    enum vm_overlay_access access, struct vm_error *err)
{
	VM_CLEAN_OVERLAY struct vm_overlay *overlay = calloc(1,
	    sizeof(*overlay));
	unsigned allowed = access == VM_OVERLAY_WRITE ? ALLOW_WRITE :
							ALLOW_READ;
	struct vm_backing below;

	if (overlay == NULL) {
		vm_clean_fd(&fd);
		vm_error_nomem(err);
		return NULL;
	}
	if (add_layer(overlay, fd, format, allowed, &below, err) == -1)
		return NULL;
	while (below.file[0] != '\0')
		if (add_below(overlay, dir_fd, &below, err) == -1)
			return NULL;
	if (access == VM_OVERLAY_WRITE &&
	    vm_overlay_writer_open(overlay, err) == -1)
		return NULL;
	return VM_TAKE(overlay);
}

struct vm_overlay *
vm_overlay_open_fd(int fd, int dir_fd, const char *format,
    enum vm_overlay_access access, struct vm_error *err)
{
	int own = fcntl(fd, F_DUPFD_CLOEXEC, 3);

	if (own == -1) {
		vm_error_errno(err, errno, "disk");
		return NULL;
	}
	return open_chain(own, dir_fd, format, access, err);
}

struct vm_overlay *
vm_overlay_open(int dir_fd, const char *file, const char *format,
    enum vm_overlay_access access, struct vm_error *err)
{
	int mode = access == VM_OVERLAY_WRITE ? O_RDWR : O_RDONLY;
	/* O_NONBLOCK: a FIFO must not hang us before it is looked at */
	int fd = openat(dir_fd, file,
	    mode | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY);
	struct vm_overlay *overlay;

	if (fd == -1) {
		vm_error_errno(err, errno, "%s", file);
		return NULL;
	}
	overlay = open_chain(fd, dir_fd, format, access, err);
	if (overlay == NULL)
		vm_error_wrap(err, "%s", file);
	return overlay;
}

uint64_t
vm_overlay_size(const struct vm_overlay *overlay)
{
	return overlay->layers[0].size;
}

size_t
vm_overlay_depth(const struct vm_overlay *overlay)
{
	return overlay->count;
}

void
vm_overlay_close(struct vm_overlay **owned)
{
	struct vm_overlay *overlay = *owned;

	if (overlay == NULL)
		return;
	vm_overlay_writer_close(overlay);
	for (size_t i = 0; i < overlay->count; i++)
		release_layer(&overlay->layers[i]);
	free(overlay);
	*owned = NULL;
}
