/*
 * view.h - what is in the store, as it is now; nothing here writes.
 *
 * A VM's record is what was stored, made true: one recorded as running whose
 * lock nobody holds is "stopped", and "image" is in its drift when its alias
 * has moved on.  Locks are looked at only where the record says running.
 *
 * Objects that vanish while they are listed are left out; one that cannot be
 * read is listed as a failed record, its failure logged and noted.
 *
 *	view_list	which objects, filtered and sorted
 *	view_vm, view_image, view_old	records of each kind
 *	view_catalog	which alias an image belongs to
 *	view_disk	what files take up and share
 *	view_lineage, view_why	how objects stand on one another
 *	view_note, view_tree	that for people
 *	view_export	the list in the words of ssh, hosts(5) and Ansible
 */
#ifndef VM_VIEW_VIEW_H
#define VM_VIEW_VIEW_H

#include <stdbool.h>

#include "lib/base/buf.h"
#include "lib/record/record.h"
#include "lib/store/store.h"

enum vm_view_type {
	VM_VIEW_VMS,
	VM_VIEW_IMAGES,
	VM_VIEW_LAYERS,
	VM_VIEW_VOLUMES,
	VM_VIEW_OLD /* what upgrades have replaced */
};

/* "vm", "image", "layer", "volume", "old"; VM_E_USAGE naming the nearest. */
int vm_view_parse_type(const char *word, enum vm_view_type *type,
    struct vm_error *err) VM_MUST_CHECK;

struct vm_view_options {
	enum vm_view_type type;
	char *const *patterns; /* fnmatch(3) on names; none: all */
	size_t pattern_count;
	char *const *states; /* any of these; none: all */
	size_t state_count;
	const char *sort; /* a field; NULL: by name */
	bool descending;
	bool names_only; /* nothing but the names is wanted */
	bool usage;	 /* add used and refer to VMs (images have them) */
};

/*
 * Append the records, sorted.  A pattern that is a plain name and matches
 * nothing is logged and noted as VM_E_NO_INPUT; VM_E_USAGE for a state that
 * does not exist.
 *
 * Beyond a VM's own members: used (bytes its disk takes up), refer (with all
 * it stands on), snapshots (how many its disk has).  An old disk is a VM's
 * record with the kind "old", the name <vm>.<n> and the VM's name in "vm".
 * Images, layers and volumes: name, used, refer, clones (hard links elsewhere),
 * image, and for images current, source, fetched, last_used, pinned, lease.
 */
int vm_view_list(struct vm_store *store, const struct vm_view_options *options,
    struct vm_records *records, struct vm_error *err) VM_MUST_CHECK;

/*
 * What keeps an image (an alias, alias@N or id) in the store: records of
 * aliases, pins, leases, layers, VMs, old disks and trash with "why".
 */
int vm_view_why(struct vm_store *store, const char *image,
    struct vm_records *records, struct vm_error *err) VM_MUST_CHECK;

/*
 * view_lineage.c: append every object, each followed by what stands on it:
 *
 *	image		a master; one that is gone but for its hard links is
 *			"removed"
 *	  layer		on an image or a layer
 *	    vm		on a layer or an image; a copy of a VM on that VM
 *	      volume	its own, attached; an orphan stands on nothing
 *	      old	a disk that an upgrade has replaced
 *	    trash	a VM that was removed
 *	  disk		a VM's further disk, on the image that it was made from
 *
 * Beyond vm_view_list()'s members: depth (0: stands on nothing), on (the name
 * of what it stands on) and note (for people: pinned, copy of box, ...).
 */
int vm_view_lineage(struct vm_store *store, struct vm_records *records,
    struct vm_error *err) VM_MUST_CHECK;

/* These records, as a tree. */
int vm_view_tree(const struct vm_records *records, bool exact,
    struct vm_buf *out, struct vm_error *err) VM_MUST_CHECK;

enum vm_view_format {
	VM_VIEW_SSH_CONFIG,  /* ssh_config(5) */
	VM_VIEW_KNOWN_HOSTS, /* sshd(8), SSH_KNOWN_HOSTS FILE FORMAT */
	VM_VIEW_HOSTS,	     /* hosts(5) */
	VM_VIEW_ANSIBLE	     /* Ansible's INI inventory */
};

int vm_view_parse_format(const char *word, enum vm_view_format *format,
    struct vm_error *err) VM_MUST_CHECK;

/*
 * VM records in that format; VMs that lack what it needs are left out.  Text
 * that holds more than printable ASCII is left out too: the record may have
 * been edited, the format's reader shall not be.
 */
int vm_view_export(const struct vm_records *records, enum vm_view_format format,
    struct vm_buf *out, struct vm_error *err) VM_MUST_CHECK;

#endif
