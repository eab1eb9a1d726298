/*
 * fleet.h - the VMs of a service as they are, and what is to be done to them.
 *
 * A decision is a VM record with the member "action":
 *
 *	create	not there yet ("state":"absent")
 *	rebuild	there, never started, and no longer as the manifest says
 *	start	there, not running
 *	wait	runs, not known to be ready
 *	none	as it should be
 *	remove	more than there shall be, or of no role, and to be removed
 *	extra	the same, and left alone
 *
 * Of the VMs that a role has, those with the lowest indices are kept; what is
 * missing gets the lowest free ones, as in vmclone.  The same code makes the
 * plan that is shown and the plan that is carried out.
 */
#ifndef VM_SITE_FLEET_H
#define VM_SITE_FLEET_H

#include "lib/record/record.h"
#include "lib/site/intent.h"

/*
 * The service's VMs, by role and index, each with the state it is in: what
 * vm.json calls running is stopped when nothing holds its lock.  A store that
 * is NULL is one that is not there yet.
 */
int vm_fleet_load(struct vm_store *store, const char *service,
    struct vm_records *fleet, struct vm_error *err) VM_MUST_CHECK;

/*
 * The decisions for one role, or with role NULL for all in `after` order and
 * then for VMs whose role is gone.  `drift` of each is brought up to date.
 */
int vm_fleet_plan(struct vm_store *store, const struct vm_intent *intent,
    const char *role, bool prune, struct vm_records *plan, struct vm_error *err)
    VM_MUST_CHECK;

/* Is it one of those that change something? */
bool vm_fleet_is_change(const struct vm_json *decision);
bool vm_fleet_is_action(const struct vm_json *decision, const char *action);

/* Does it run, or is it suspended? */
bool vm_fleet_is_up(const struct vm_json *record);

#endif
