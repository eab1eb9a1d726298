/*
 * fields.c - what vmsched shows of a VM.
 */
#include "lib/site/site.h"

static const struct vm_output_field fields[] = {
	{ "name", NULL, false, "the VM's name" },
	{ "service", NULL, false, "the service" },
	{ "role", NULL, false, "the role" },
	{ "index", NULL, false, "number within the role" },
	{ "state", NULL, false, "absent, cloned, running, ready, stopped ..." },
	{ "action", NULL, false,
	    "create, rebuild, start, wait, remove, extra" },
	{ "drift", NULL, false, "in what it differs from the manifest" },
	{ "image.alias", "IMAGE", false, "the image's name" },
	{ "identity.nics.0.address", "ADDRESS", false, "its first address" },
	{ "ssh.port", "SSH", false,
	    "the port of 127.0.0.1 that leads to sshd" },
	{ "error.message", "ERROR", false, "what went wrong" },
	{ 0 },
};

const struct vm_output vm_site_output = {
	.known = fields,
	.fields = "name,role,state,action,drift,identity.nics.0.address",
	.table_always = true,
};
