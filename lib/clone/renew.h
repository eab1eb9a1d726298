/*
 * renew.h - a VM made anew: what its next directory is, and the exchange.
 *
 * The next VM has the name, the identity and the private part of the one that
 * is there, and the role that the input asks for; its disk is made from the
 * newest generation of its image, as vmclone makes one, and has nothing in it
 * yet: "applied" keeps the operations by hand, which vmcustomize does again
 * with those of the role.  It was never started.  "upgrade" in its record says
 * that it has taken the place of another, which is in old/ (store/old.h):
 *
 *	"upgrade":{"from":"debian-12@3","running":true}
 *
 * running: the VM ran, so it is to be started again.
 */
#ifndef VM_CLONE_RENEW_H
#define VM_CLONE_RENEW_H

#include "lib/base/buf.h"
#include "lib/clone/source.h"
#include "lib/record/record.h"
#include "lib/store/alias.h"

struct vm_renew {
	struct vm_json *stored;	 /* with its private part */
	struct vm_json *next;	 /* the same, as it will be */
	struct vm_source source; /* of next's image */
	bool is_due;		 /* it differs from what it should be */
};

#define VM_RENEW_EMPTY                                                         \
	{                                                                      \
		.source = {                                                    \
			.chain = { .dir_fd = -1 },                             \
			.disk_fd = -1,                                         \
			.lock_fd = -1                                          \
		}                                                              \
	}

/*
 * Compare the VM of input (a record, checked against the store) with what its
 * alias means now, or with `to` (alias, alias@N or image id; NULL: none).  Due
 * when the image, customize: or instance: differ.  VM_E_NO_INPUT
 * "vm_not_found", "alias_not_found", "image_not_found"; VM_E_EXISTS
 * "stale_record"; VM_E_USAGE "bad_size".
 */
int vm_renew_plan(struct vm_store *store, const struct vm_json *input,
    const char *to, struct vm_renew *renew, struct vm_error *err) VM_MUST_CHECK;

/* "debian-12@3 to debian-12@4; replays customize: 2, by hand: install, run" */
int vm_renew_describe(const struct vm_renew *renew, struct vm_buf *out,
    struct vm_error *err) VM_MUST_CHECK;

/* Does vmcustomize make a layer for it? */
bool vm_renew_has_layer(const struct vm_renew *renew);

/*
 * Build it and exchange it with the VM, whose lock the caller holds; the VM's
 * directory is then the newest in old/.  On failure nothing has changed.
 */
int vm_renew_commit(struct vm_store *store, struct vm_renew *renew,
    bool running, struct vm_error *err) VM_MUST_CHECK;

void vm_renew_release(struct vm_renew *renew);
#define VM_CLEAN_RENEW VM_CLEAN(vm_renew_release)

#endif
