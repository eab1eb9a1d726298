/*
 * doctor_tables.h - do the tables of a VM's qcow2 disks agree with each other?
 */
#ifndef VM_HOST_DOCTOR_TABLES_H
#define VM_HOST_DOCTOR_TABLES_H

#include "lib/host/doctor.h"

/*
 * Of a VM that does not run, whose directory is open at dir_fd.  Clusters that
 * nothing uses are a note, a damaged table is "lacking"; the fix is that of
 * qemu-img, which writes what we only read.
 */
void vm_doctor_tables_check(const struct vm_store *store, const char *name,
    const struct vm_json *record, int dir_fd,
    struct vm_doctor_finding *finding);

#endif
