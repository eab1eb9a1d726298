/*
 * ovf.h - what an OVF text says of the one machine that it describes.
 *
 * Open Virtualization Format, DSP0243 versions 1.1 and 2.1: References (files),
 * DiskSection (disks, on files), VirtualSystem / VirtualHardwareSection (CPUs,
 * memory, disks, network cards).  Everything in it is a stranger's text: names
 * are data, numbers are checked, files are relative and beside it.
 */
#ifndef VM_IMAGE_OVF_H
#define VM_IMAGE_OVF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/base/clean.h"
#include "lib/base/error.h"

#define VM_OVF_MAX_BYTES ((size_t)1 << 20)
#define VM_OVF_MAX_DISKS 32
#define VM_OVF_MAX_NICS 8

struct vm_ovf_disk {
	char *href;	   /* a relative path, %XX decoded */
	uint64_t capacity; /* bytes; 0: not said */
	bool is_gzip;	   /* the file is compressed */
};

struct vm_ovf {
	unsigned cpus;		   /* 0: not said */
	uint64_t memory;	   /* bytes; 0: not said */
	struct vm_ovf_disk *disks; /* in the order of DiskSection */
	size_t disk_count;	   /* at least 1 */
	char **networks;	   /* of each card: its name there, or "" */
	size_t nic_count;
	size_t blank_count; /* disks that have no file */
};

/*
 * Parse text.  VM_E_DATA: what xml.h says; "bad_ovf" (not an OVF, a number or
 * a reference that makes no sense, no disk, several machines), "bad_href" (a
 * file that is not beside it), "not_supported" (files in chunks, disks upon
 * disks, compressions but gzip).  Messages begin with "line N: " where there is
 * one.
 */
int vm_ovf_parse(const char *text, size_t len, struct vm_ovf *ovf,
    struct vm_error *err) VM_MUST_CHECK;

void vm_ovf_release(struct vm_ovf *ovf);
#define VM_CLEAN_OVF VM_CLEAN(vm_ovf_release)

#endif
