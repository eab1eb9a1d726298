/*
 * site.h - the site manager on this host (patent claims 1 and 11: a manager
 * sends the relevant part of a manifest to a host, which deploys clones).
 *
 * What happens to a manifest, in this order:
 *
 *	intent.h	it is kept, with the counts that scale has set
 *	fleet.h		what is there is compared with it: decisions
 *	apply.c		roles in `after` order, each through the pipe
 *	step.h		vmfetch | vmclone | vmcustomize | vmdeploy themselves,
 *			records between them
 *	remove.c	scale-in, --prune and delete: vmstop, then vmrm
 *
 * Nothing here knows how an image is fetched or a VM started; the commands do,
 * and the same can be typed by hand.  One call works on a service at a time,
 * under a lock of its own.
 */
#ifndef VM_SITE_SITE_H
#define VM_SITE_SITE_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/record/manifest.h"
#include "lib/record/output.h"
#include "lib/record/record.h"
#include "lib/store/store.h"

struct vm_site_options {
	bool dry_run; /* decide, and touch nothing */
	bool prune;   /* apply: remove what is too many */
	bool force;   /* delete: stop what runs */
	bool quiet;   /* these three to all commands */
	int verbose;
	uint64_t jobs;
};

/* The members that a decision or a VM is shown with. */
extern const struct vm_output vm_site_output;

/*
 * The decisions (fleet.h); *changes says how many of them change something.
 * A store that is NULL is one that is not there yet.
 */
int vm_site_plan(struct vm_store *store, const struct vm_manifest *manifest,
    const struct vm_site_options *options, struct vm_records *out,
    size_t *changes, struct vm_error *err) VM_MUST_CHECK;

/*
 * Bring the service to what the manifest says.  out gets the VMs as the pipe
 * left them, each with its "action"; a role whose `after` is not ready becomes
 * one failed record, VM_E_UNAVAILABLE "after_not_ready".  -1: nothing done.
 * The manifest's members are taken (it is empty afterwards).
 */
int vm_site_apply(struct vm_store *store, struct vm_manifest *manifest,
    const struct vm_site_options *options, struct vm_records *out,
    struct vm_error *err) VM_MUST_CHECK;

/* The VMs of services (all with none named), with what apply would do. */
int vm_site_status(struct vm_store *store, char **services, size_t count,
    struct vm_records *out, struct vm_error *err) VM_MUST_CHECK;

/*
 * "SERVICE/ROLE" shall have count VMs from now on: clones more, or stops and
 * removes (to the trash) those with the highest indices.  VM_E_USAGE
 * "out_of_range", VM_E_NO_INPUT "no_service", "no_role".
 */
int vm_site_scale(struct vm_store *store, const char *target, size_t count,
    const struct vm_site_options *options, struct vm_records *out,
    struct vm_error *err) VM_MUST_CHECK;

/*
 * Remove a service ("shop"), or the VMs of one role ("shop/web").
 * VM_E_TRY_AGAIN "in_use" when one of them runs and not options->force.
 */
int vm_site_delete(struct vm_store *store, const char *target,
    const struct vm_site_options *options, struct vm_records *out,
    struct vm_error *err) VM_MUST_CHECK;

#endif
