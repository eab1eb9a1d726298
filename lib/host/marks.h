/*
 * marks.h - what makes each VM itself, collected over many VMs and compared.
 *
 * A VM's record is taken apart into marks: its name, UUID, machine-id,
 * instance-id, generation ID, MACs, addresses, SSH host keys and, where the
 * record has its private part, the random seed.  All are sorted once, so that
 * tens of thousands of VMs take no second.
 *
 * Addresses are compared on one network only: a bridge is the same wherever its
 * name is the same, a private network is one host's alone.  Addresses that QEMU
 * gives behind its own NAT are none of a VM's own.
 */
#ifndef VM_HOST_MARKS_H
#define VM_HOST_MARKS_H

#include <stdbool.h>
#include <stddef.h>

#include "lib/adapt/json.h"

enum vm_mark {
	VM_MARK_NAME,
	VM_MARK_UUID,
	VM_MARK_MACHINE,
	VM_MARK_INSTANCE,
	VM_MARK_GENERATION,
	VM_MARK_MAC,
	VM_MARK_ADDRESS,
	VM_MARK_KEY,
	VM_MARK_SEED
};

/* One VM has the same as another, which comes before it. */
struct vm_mark_shared {
	size_t vm, with; /* numbers of vm_marks_add() */
	enum vm_mark what;
	const char *value; /* borrowed; of a seed only that it is one */
};

struct vm_marks;

struct vm_marks *vm_marks_new(struct vm_error *err) VM_MUST_CHECK;
void vm_marks_free(struct vm_marks *marks);
void vm_marks_clean(struct vm_marks **marks);
#define VM_CLEAN_MARKS VM_CLEAN(vm_marks_clean)

/*
 * Add the VM of a record, which must outlive the marks; the numbers count from
 * 0.  Those that were started should come first: the others are said to share.
 */
int vm_marks_add(struct vm_marks *marks, const struct vm_json *record,
    struct vm_error *err) VM_MUST_CHECK;

/* "uuid", "mac", ...: the word for it. */
const char *vm_marks_word(enum vm_mark what);

/*
 * Compare: an array of *count, by VM and then by what is shared; the caller
 * frees it.  NULL only with an error.
 */
struct vm_mark_shared *vm_marks_compare(struct vm_marks *marks, size_t *count,
    struct vm_error *err) VM_MUST_CHECK;

#endif
