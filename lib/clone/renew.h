/*
 * renew.h - a VM made anew: its next directory, and the exchange.
 *
 * The next VM has the name, the identity and the private part of the one that
 * is there, and the role that the input asks for; its disk is made from the
 * newest generation of its image, as vmclone makes one, and has nothing in it
 * yet: "applied" keeps the operations by hand, which vmcustomize does again
 * with those of the role.  It was never started.  "upgrade" in its record says
 * that it is to take the place of another (store/old.h):
 *
 *	"upgrade":{"from":"debian-12@3","running":true}
 *
 * running, once it has: that one ran, so it is to be started.
 */
#ifndef VM_CLONE_RENEW_H
#define VM_CLONE_RENEW_H

#include "lib/base/buf.h"
#include "lib/clone/disks.h"
#include "lib/clone/ledger.h"
#include "lib/clone/source.h"
#include "lib/record/record.h"
#include "lib/store/alias.h"

struct vm_renew {
	struct vm_store *store;
	struct vm_json *stored;	  /* with its private part */
	struct vm_json *next;	  /* the same, as it will be */
	struct vm_source source;  /* of next's image */
	bool is_due;		  /* it differs from what it should be */
	char *object;		  /* its name in old/, once it is built */
	struct vm_disks disks;	  /* its volumes, locked till the exchange */
	struct vm_ledger *ledger; /* its addresses, where they are new */
};

#define VM_RENEW_EMPTY(from)                                                   \
	{                                                                      \
		.store = (from), .source = {                                   \
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
int vm_renew_plan(struct vm_renew *renew, const struct vm_json *input,
    const char *to, struct vm_error *err) VM_MUST_CHECK;

/* "debian-12@3 to debian-12@4; replays customize: 2, by hand: install, run" */
int vm_renew_describe(const struct vm_renew *renew, struct vm_buf *out,
    struct vm_error *err) VM_MUST_CHECK;

/* Build it in old/; the VM, which may run, is not touched. */
int vm_renew_build(struct vm_renew *renew, struct vm_error *err) VM_MUST_CHECK;

/*
 * It has been customised: exchange it with the VM, whose lock the caller holds
 * and which is the newest in old/ then.  On failure nothing has changed;
 * VM_E_TRY_AGAIN "raced" when the VM is not what it was at vm_renew_plan().
 */
int vm_renew_exchange(struct vm_renew *renew, bool running,
    struct vm_error *err) VM_MUST_CHECK;

/* It is not to be: remove it, and new volumes with it. */
void vm_renew_discard(struct vm_renew *renew);

void vm_renew_release(struct vm_renew *renew);
#define VM_CLEAN_RENEW VM_CLEAN(vm_renew_release)

#endif
