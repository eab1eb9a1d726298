/*
 * facts.h - what image.json says of a master, written when it is published.
 */
#ifndef VM_IMAGE_FACTS_H
#define VM_IMAGE_FACTS_H

#include "lib/image/master.h"

struct vm_facts {
	const char *source, *alias; /* as shown; of its generations */
	const struct vm_master *master;
};

/* Publish the object as the master's image; one that is there is success. */
int vm_facts_publish(struct vm_store *store, struct vm_publish *object,
    const struct vm_facts *facts, struct vm_error *err) VM_MUST_CHECK;

#endif
