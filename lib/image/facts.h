/*
 * facts.h - what image.json says of a master, written when it is published.
 */
#ifndef VM_IMAGE_FACTS_H
#define VM_IMAGE_FACTS_H

#include "lib/image/intake.h"
#include "lib/store/image.h"

struct vm_facts {
	const char *source, *alias; /* as shown; of its generations */
};

/*
 * Publish what was built as the artifact's images, the first of them last; one
 * that is there is success.  Several disks are the images <id>-1, <id>-2, ...,
 * each of which has them all in "disks": [{"id","name","virtual_size"},...] and
 * its own number as "disk".  id[VM_IMAGE_ID + 8] gets the first one's.
 */
int vm_facts_publish(struct vm_store *store, struct vm_intake *intake,
    const struct vm_facts *facts, char *id, struct vm_error *err) VM_MUST_CHECK;

/* The alias of disk number (from 1) of an artifact: alias, alias-2, ... */
char *vm_facts_alias(const char *alias, size_t number, struct vm_error *err)
    VM_MUST_CHECK;

#endif
