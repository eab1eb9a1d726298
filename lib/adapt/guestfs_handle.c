#include <errno.h>
#include <glob.h>
#include <stdio.h>
#include <string.h>

#include "lib/adapt/guestfs_private.h"

/* A kernel panic of the appliance ends it, rather than leaving it hung. */
#define APPEND "panic=1"

struct vm_guestfs *
vm_guestfs_new(const struct vm_guestfs_options *options, struct vm_error *err)
{
	VM_CLEAN_GUESTFS struct vm_guestfs *g = calloc(1, sizeof *g);

	if (g == NULL || (g->h = guestfs_create()) == NULL) {
		vm_error_nomem(err);
		return NULL;
	}
	guestfs_set_error_handler(g->h, NULL, NULL);
	if (guestfs_set_backend(g->h, "direct") == -1 ||
	    guestfs_set_append(g->h, APPEND) == -1 ||
	    guestfs_set_autosync(g->h, 1) == -1 ||
	    guestfs_set_network(g->h, options->network) == -1 ||
	    (options->memory_mib > 0 &&
		guestfs_set_memsize(g->h, options->memory_mib) == -1)) {
		vm_guestfs_error(g, "libguestfs", err);
		return NULL;
	}
	return VM_TAKE(g);
}

int
vm_guestfs_add_drive(struct vm_guestfs *g, const char *path, bool is_raw,
    struct vm_error *err)
{
	/*
	 * Nothing reads these files again after a crash: the clone is thrown
	 * away then, and published only after a sync of our own.
	 */
	if (guestfs_add_drive_opts(g->h, path, GUESTFS_ADD_DRIVE_OPTS_FORMAT,
		is_raw ? "raw" : "qcow2", GUESTFS_ADD_DRIVE_OPTS_CACHEMODE,
		"unsafe", GUESTFS_ADD_DRIVE_OPTS_DISCARD, "besteffort",
		-1) == -1)
		return vm_guestfs_error(g, path, err);
	g->drive_count++;
	return 0;
}

/* Is there a kernel for the appliance that we may read? */
static bool
has_kernel(void)
{
	glob_t found = { 0 };
	bool readable = false;

	if (getenv("LIBGUESTFS_PATH") != NULL ||
	    getenv("SUPERMIN_KERNEL") != NULL)
		return true;
	if (glob("/boot/vmlinu[xz]*", 0, NULL, &found) == 0)
		for (size_t i = 0; i < found.gl_pathc && !readable; i++)
			readable = access(found.gl_pathv[i], R_OK) == 0;
	globfree(&found);
	return readable;
}

int
vm_guestfs_launch(struct vm_guestfs *g, struct vm_error *err)
{
	char reason[VM_GUESTFS_REASON];

	if (guestfs_launch(g->h) == -1) {
		if (!has_kernel()) {
			vm_error_set(err, VM_E_UNAVAILABLE, "no_kernel",
			    "libguestfs: no kernel in /boot that this user "
			    "may read");
			vm_error_hint(err, "vmdoctor");
			return -1;
		}
		vm_error_set(err, VM_E_UNAVAILABLE, "no_appliance",
		    "libguestfs: the appliance did not start: %s",
		    vm_guestfs_reason(g, reason));
		return vm_error_hint(err, "libguestfs-test-tool");
	}
	if ((g->devices = guestfs_list_devices(g->h)) == NULL)
		return vm_guestfs_error(g, "list of drives", err);
	return 0;
}

struct vm_engine
vm_guestfs_engine(struct vm_guestfs *g)
{
	return (struct vm_engine){ .ops = &vm_guestfs_ops, .state = g };
}

int
vm_guestfs_shutdown(struct vm_guestfs *g, struct vm_error *err)
{
	if (guestfs_shutdown(g->h) == -1)
		return vm_guestfs_error(g, "end of the appliance", err);
	return 0;
}

void
vm_guestfs_free(struct vm_guestfs *g)
{
	if (g == NULL)
		return;
	vm_guestfs_clean_list(&g->devices);
	if (g->h != NULL)
		guestfs_close(g->h);
	free(g);
}

void
vm_guestfs_clean(struct vm_guestfs **g)
{
	vm_guestfs_free(*g);
}

void
vm_guestfs_clean_list(char ***list)
{
	if (*list == NULL)
		return;
	for (char **item = *list; *item != NULL; item++)
		free(*item);
	free(*list);
	*list = NULL;
}

const char *
vm_guestfs_reason(struct vm_guestfs *g, char out[VM_GUESTFS_REASON])
{
	const char *text = guestfs_last_error(g->h);

	if (text == NULL)
		text = "failed";
	snprintf(out, VM_GUESTFS_REASON, "%.*s", (int)strcspn(text, "\n"),
	    text);
	return out;
}

int
vm_guestfs_error(struct vm_guestfs *g, const char *what, struct vm_error *err)
{
	char reason[VM_GUESTFS_REASON];
	int errnum = guestfs_last_errno(g->h);

	vm_guestfs_reason(g, reason);
	if (g->devices != NULL && !guestfs_is_ready(g->h))
		return vm_error_set(err, VM_E_UNAVAILABLE, "engine",
		    "%s: the appliance has died: %s", what, reason);
	switch (errnum) {
	case ENOENT:
	case ENOTDIR:
		return vm_error_set(err, VM_E_NO_INPUT, "not_found",
		    "%s: not in the guest", what);
	case ENOSPC:
	case EDQUOT:
		return vm_error_set(err, VM_E_IO, "guest_full",
		    "%s: the guest's file system is full", what);
	case EROFS:
		return vm_error_set(err, VM_E_DATA, "guest_read_only",
		    "%s: the guest's file system is read-only", what);
	case ENOMEM:
		return vm_error_nomem(err);
	default:
		return vm_error_set(err, VM_E_DATA, "guest_error", "%s: %s",
		    what, reason);
	}
}
