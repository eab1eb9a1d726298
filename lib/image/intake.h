/*
 * intake.h - the disks that a source holds, built but not published yet.
 *
 * A disk image, whatever it is packed in, is one; a tar file (bundle.h) may
 * hold several.  All of them are built before the first is published, so that
 * an artifact that is no good leaves nothing.
 */
#ifndef VM_IMAGE_INTAKE_H
#define VM_IMAGE_INTAKE_H

#include "lib/adapt/json.h"
#include "lib/image/master.h"

#define VM_INTAKE_MAX 32 /* disks in one artifact */

struct vm_intake_disk {
	struct vm_publish publish;
	struct vm_master master;
	char *name; /* the file's in the artifact; NULL: it is the artifact */
};

/* All-zero is empty. */
struct vm_intake {
	struct vm_stream_result stream;
	struct vm_intake_disk disks[VM_INTAKE_MAX];
	size_t count;
	struct vm_json *machine; /* that an OVF describes, or NULL */
};

/*
 * Read the stream to its end and build all disks in it.  When the server says
 * that nothing has changed (stream.reply.not_modified) there is none.
 * VM_E_DATA "digest_mismatch" before any other complaint about the data, and
 * what master.h and bundle.h say.
 */
int vm_intake_build(struct vm_store *store, struct vm_stream *stream,
    const struct vm_master_options *options, struct vm_intake *intake,
    struct vm_error *err) VM_MUST_CHECK;

/* A place for disk i, to build it in; name is copied, and may be NULL. */
struct vm_intake_disk *vm_intake_begin(struct vm_store *store,
    struct vm_intake *intake, size_t i, const char *name, struct vm_error *err)
    VM_MUST_CHECK;

/* What was not published goes. */
void vm_intake_release(struct vm_intake *intake);
#define VM_CLEAN_INTAKE VM_CLEAN(vm_intake_release)

#endif
