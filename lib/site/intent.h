/*
 * intent.h - what was asked for: services/<service>.json in the store.
 *
 * {"vmpipe":1,"service":"shop","directory":DIR,"manifest":TEXT,
 *  "replicas":{"web":{"count":5,"over":{"initial":2}}}}, mode 0600: the text of
 * the manifest that was applied last, where its relative paths are meant from,
 * and the counts that `vmsched scale` has set.  The VMs themselves are facts
 * and stand in vms/; what stands here can be thrown away and applied again.
 */
#ifndef VM_SITE_INTENT_H
#define VM_SITE_INTENT_H

#include "lib/record/manifest.h"
#include "lib/store/store.h"

struct vm_intent {
	struct vm_manifest manifest;
	struct vm_json *replicas; /* {"web":{"count","over"}} or NULL */
};

/* VM_E_NO_INPUT "no_service"; VM_E_DATA when the file is not ours. */
int vm_intent_load(struct vm_store *store, const char *service,
    struct vm_intent *intent, struct vm_error *err) VM_MUST_CHECK;

int vm_intent_save(struct vm_store *store, const struct vm_intent *intent,
    struct vm_error *err) VM_MUST_CHECK;

/* Nothing there is fine. */
int vm_intent_remove(struct vm_store *store, const char *service,
    struct vm_error *err) VM_MUST_CHECK;

/* The names of all services, sorted: a JSON array. */
struct vm_json *vm_intent_list(struct vm_store *store, struct vm_error *err)
    VM_MUST_CHECK;

/*
 * How many VMs the role shall have: the count that scale has set, as long as
 * the manifest's replicas are the ones it was set over, else the manifest's.
 */
size_t vm_intent_count(const struct vm_intent *intent, const char *role);

/* Set it; VM_E_USAGE "out_of_range" when the manifest's min or max forbid. */
int vm_intent_scale(struct vm_intent *intent, const char *role, size_t count,
    struct vm_error *err) VM_MUST_CHECK;

/* The role, or NULL with VM_E_NO_INPUT "no_role" naming the nearest. */
const struct vm_json *vm_intent_role(const struct vm_intent *intent,
    const char *role, struct vm_error *err);

void vm_intent_release(struct vm_intent *intent);
#define VM_CLEAN_INTENT VM_CLEAN(vm_intent_release)

#endif
