/*
 * doctor.h - what is wrong here, and the one command that mends it.
 *
 * Every finding is a record of kind "check":
 *
 *	{"vmpipe":1,"kind":"check","subject":"host","check":"qemu",
 *	 "for":"vmdeploy","result":"ok","message":"...","fix":"..."}
 *
 * result is "ok", "note" (works, but could work better) or "lacking".  Looking
 * changes nothing, but that damaged masters are taken out of use: the test
 * guest that proves KVM, and vmfetch for such a master, are all that is run.
 */
#ifndef VM_HOST_DOCTOR_H
#define VM_HOST_DOCTOR_H

#include <stdbool.h>

#include "lib/record/record.h"
#include "lib/store/store.h"

enum vm_doctor_result { VM_DOCTOR_OK, VM_DOCTOR_NOTE, VM_DOCTOR_LACKING };

struct vm_doctor_finding {
	const char *check;
	const char *used_by; /* the commands that need it */
	enum vm_doctor_result result;
	char message[512];
	char fix[512]; /* a command, or "" */
};

/* What this host lacks; store may be NULL (none yet). */
int vm_doctor_check_host(struct vm_store *store, struct vm_records *findings,
    struct vm_error *err) VM_MUST_CHECK;

/* Why this VM does not start, or serve. */
int vm_doctor_check_vm(struct vm_store *store, const char *name,
    struct vm_records *findings, struct vm_error *err) VM_MUST_CHECK;

/*
 * Read these masters (alias, alias@N or id; count 0: all) again, from the disk
 * and at idle priority for the rest of this process, and compare them with the
 * digests of their chunks.  One that was only made writable or touched, but has
 * its bytes, is sealed again; one that somebody has open for writing is
 * "lacking".  A damaged one is put under quarantine with the
 * layers on it, a finding of check "clone" names each VM that stands on it, and
 * if it is what an alias means now, or is pinned, it is fetched again with its
 * digest from where it came: "note" then, else "lacking".
 */
int vm_doctor_check_images(struct vm_store *store, char *const *images,
    size_t count, struct vm_records *findings, struct vm_error *err)
    VM_MUST_CHECK;

/*
 * The same of one master, by its id.  patient: NULL, or the VM that is mended
 * and needs it: then it is fetched again in any case, even when it has left the
 * store, and the other VMs on it are only notes.
 */
int vm_doctor_check_master(struct vm_store *store, const char *id,
    const char *patient, struct vm_records *findings, struct vm_error *err)
    VM_MUST_CHECK;

/*
 * Give a stopped VM back what it stands on: its masters are checked as above
 * and fetched again where that is needed, then its links are renewed
 * (relink.h).  The finding "disks" says what was done, or what cannot be.
 */
int vm_doctor_repair_vm(struct vm_store *store, const char *name,
    struct vm_records *findings, struct vm_error *err) VM_MUST_CHECK;

/*
 * What the VMs of the store (NULL: none) and of these records, which may come
 * from many hosts, have in common though each should have it alone (marks.h).
 * One finding of check "identity" for each VM that has something of another,
 * whose member "shared" lists what, its value and with whom: "lacking", or a
 * "note" when it is the name alone.  Records that agree in host, name and UUID
 * are one VM.  One that has run comes before one that has not.
 */
int vm_doctor_check_identity(struct vm_store *store,
    const struct vm_records *records, struct vm_records *findings,
    struct vm_error *err) VM_MUST_CHECK;

/*
 * Layers that are not as they were made: unsealed ones are sealed again, others
 * put under quarantine, and their VMs named ("clone"), as for images.  Part of
 * vm_doctor_check_images() of all.
 */
int vm_doctor_check_layers(struct vm_store *store, struct vm_records *findings,
    struct vm_error *err) VM_MUST_CHECK;

/* How many findings say "lacking". */
size_t vm_doctor_count(const struct vm_records *findings);

/* Append a finding about subject ("host", a VM's name, an image's id). */
int vm_doctor_add(struct vm_records *findings, const char *subject,
    const struct vm_doctor_finding *finding, struct vm_error *err)
    VM_MUST_CHECK;

/* Fill message, and result when it is worse than what was found so far. */
void vm_doctor_say(struct vm_doctor_finding *finding,
    enum vm_doctor_result result, const char *format, ...) VM_PRINTF(3, 4);

/* The same from an error, its hint being the fix. */
void vm_doctor_say_error(struct vm_doctor_finding *finding,
    enum vm_doctor_result result, const struct vm_error *error);

#endif
