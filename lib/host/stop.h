/*
 * stop.h - ends VMs: asks the guest, waits, then insists.
 *
 * The guest agent is asked first, where one answers; otherwise the power
 * button is pressed (ACPI), again every few seconds as a guest that boots does
 * not hear it.  When the time is over QEMU is told to quit, and killed should
 * it not.  A VM has stopped when its process has ended.  All are asked at once
 * and waited for together.
 */
#ifndef VM_HOST_STOP_H
#define VM_HOST_STOP_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/record/record.h"
#include "lib/store/store.h"

#define VM_STOP_DEFAULT_MS ((uint64_t)60000)

struct vm_stop_options {
	bool force;	     /* do not ask */
	bool dry_run;	     /* only set planned: "stop", "remove" or "none" */
	uint64_t timeout_ms; /* from asking to insisting */
};

/*
 * Stop the VMs of records, in place: state "stopped", stopped_by "agent",
 * "acpi" or "force".  One that does not run passes through.  An ephemeral VM is
 * removed then (state "removed"), also one that has ended by itself.  Failures
 * are noted in each; -1 only when nothing could be tried.
 */
int vm_stop_run(struct vm_store *store, const struct vm_stop_options *options,
    struct vm_records *records, struct vm_error *err) VM_MUST_CHECK;

#endif
