#include "lib/disk/snapshots.h"

#include <sys/stat.h>

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/fd.h"
#include "lib/base/log.h"
#include "lib/disk/layout.h"

#define MAGIC 0x514649fbu
#define HEADER 72		 /* what all versions have */
#define COUNT_MAX 65536u	 /* as QEMU: QCOW_MAX_SNAPSHOTS */
#define EXTRA_MAX 1024u		 /* as QEMU: QCOW_MAX_SNAPSHOT_EXTRA_DATA */
#define ENTRY 40		 /* bytes before the extra data */
#define EXTRA_KNOWN ((size_t)16) /* large state size, disk size */
#define TRIES 16

/* What the header says. */
struct place {
	uint32_t count;
	uint64_t offset;
	uint64_t virtual_size;
};

struct reader {
	int fd;
	uint64_t at, file_size;
};

static int
bad(struct vm_error *err, const char *what)
{
	return vm_error_set(err, VM_E_DATA, "bad_snapshots",
	    "qcow2: snapshot table: %s", what);
}

static int
read_place(int fd, struct place *place, struct vm_error *err)
{
	unsigned char h[HEADER];
	uint32_t bits;
	size_t got;

	if (vm_fd_pread(fd, h, sizeof(h), 0, &got, "qcow2", err) == -1)
		return -1;
	if (got != sizeof(h) || vm_be32(h, 0) != MAGIC || vm_be32(h, 4) < 2 ||
	    vm_be32(h, 4) > 3)
		return vm_error_set(err, VM_E_DATA, "not_qcow2",
		    "not a qcow2 file");
	*place = (struct place){ .count = vm_be32(h, 60),
		.offset = vm_be64(h, 64),
		.virtual_size = vm_be64(h, 24) };
	bits = vm_be32(h, 20);
	if (place->count == 0)
		return 0;
	if (bits < 9 || bits > 21 || place->count > COUNT_MAX ||
	    place->offset == 0 || place->offset % ((uint64_t)1 << bits) != 0)
		return bad(err, "out of place");
	return 0;
}

/* The next len bytes of the table, all of which must be there. */
static int
take(struct reader *reader, void *data, size_t len, struct vm_error *err)
{
	size_t got;

	if (reader->at > reader->file_size ||
	    len > reader->file_size - reader->at)
		return bad(err, "goes beyond the file's end");
	if (vm_fd_pread(reader->fd, data, len, reader->at, &got, "qcow2",
		err) == -1)
		return -1;
	if (got != len)
		return bad(err, "goes beyond the file's end");
	reader->at += len;
	return 0;
}

/* A text that can be shown, passed to a program and found again as it is. */
static int
take_text(struct reader *reader, char *text, size_t size, size_t len,
    struct vm_error *err)
{
	char escaped[1024];

	if (len >= size)
		return bad(err, "a name is too long");
	if (take(reader, text, len, err) == -1)
		return -1;
	text[len] = '\0';
	if (strlen(text) != len ||
	    strcmp(vm_log_escape(text, escaped, sizeof(escaped)), text) != 0)
		return bad(err, "a name that is no text");
	return 0;
}

static int
take_entry(struct reader *reader, const struct place *place,
    struct vm_snapshot *snapshot, struct vm_error *err)
{
	unsigned char h[ENTRY], extra[EXTRA_KNOWN] = { 0 };
	uint32_t extra_len, known;

	reader->at = (reader->at + 7) & ~(uint64_t)7;
	if (take(reader, h, sizeof(h), err) == -1)
		return -1;
	extra_len = vm_be32(h, 36);
	if (extra_len > EXTRA_MAX)
		return bad(err, "too much extra data");
	known = extra_len < sizeof(extra) ? extra_len : sizeof(extra);
	if (take(reader, extra, known, err) == -1)
		return -1;
	reader->at += extra_len - known;
	snapshot->created_s = vm_be32(h, 16);
	snapshot->state_bytes = known >= 8 ? vm_be64(extra, 0) : vm_be32(h, 32);
	snapshot->virtual_size = known >= 16 ? vm_be64(extra, 8) :
					       place->virtual_size;
	if (take_text(reader, snapshot->id, sizeof(snapshot->id),
		(size_t)h[12] << 8 | h[13], err) == -1)
		return -1;
	return take_text(reader, snapshot->name, sizeof(snapshot->name),
	    (size_t)h[14] << 8 | h[15], err);
}

static int
read_table(int fd, const struct place *place, struct vm_snapshots *snapshots,
    struct vm_error *err)
{
	struct reader reader = { .fd = fd, .at = place->offset };
	struct stat st;

	if (fstat(fd, &st) == -1)
		return vm_error_errno(err, errno, "qcow2");
	reader.file_size = (uint64_t)st.st_size;
	/* What cannot fit is not made room for. */
	if (place->offset > reader.file_size ||
	    (reader.file_size - place->offset) / ENTRY < place->count)
		return bad(err, "goes beyond the file's end");
	snapshots->items = calloc(place->count, sizeof(*snapshots->items));
	if (snapshots->items == NULL)
		return vm_error_nomem(err);
	for (; snapshots->count < place->count; snapshots->count++) {
		if (take_entry(&reader, place,
			&snapshots->items[snapshots->count], err) == -1)
			return -1;
	}
	return 0;
}

int
vm_snapshots_read(int fd, struct vm_snapshots *snapshots, struct vm_error *err)
{
	VM_CLEAN_SNAPSHOTS struct vm_snapshots found = { 0 };
	struct place place, after;
	int tries, rc = 0;

	for (tries = 0; tries < TRIES; tries++) {
		if (read_place(fd, &place, err) == -1)
			return -1;
		vm_snapshots_release(&found);
		if (place.count > 0)
			rc = read_table(fd, &place, &found, err);
		if (read_place(fd, &after, rc == 0 ? err : NULL) == -1)
			return -1;
		if (place.count != after.count || place.offset != after.offset)
			continue;
		if (rc == 0) {
			*snapshots = found;
			found = (struct vm_snapshots){ 0 };
		}
		return rc;
	}
	return vm_error_set(err, VM_E_TRY_AGAIN, "changing",
	    "qcow2: its snapshot table changes all the time");
}

void
vm_snapshots_release(struct vm_snapshots *snapshots)
{
	free(snapshots->items);
	*snapshots = (struct vm_snapshots){ 0 };
}

int
vm_snapshots_count(int fd, size_t *count, struct vm_error *err)
{
	struct place place;

	if (read_place(fd, &place, err) == -1)
		return -1;
	*count = place.count;
	return 0;
}

const struct vm_snapshot *
vm_snapshots_find(const struct vm_snapshots *snapshots, const char *name)
{
	size_t i;

	for (i = 0; i < snapshots->count; i++) {
		if (strcmp(snapshots->items[i].name, name) == 0)
			return &snapshots->items[i];
	}
	return NULL;
}
