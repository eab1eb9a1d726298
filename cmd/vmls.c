/* vmls - lists VMs, images, layers and volumes; only reads. */
#include <stdio.h>
#include <string.h>

#include "lib/base/cli.h"
#include "lib/record/output.h"
#include "lib/view/view.h"

struct opts {
	struct vm_cli_values common;
	enum vm_view_type type;
	enum vm_view_format format;
	bool has_type, has_format, tree, descending;
	const char *why, *sort;
	struct vm_cli_list states;
};

static int
set_type(const struct vm_cli_option *option, const char *value, void *opts,
    struct vm_error *err)
{
	struct opts *o = opts;

	(void)option;
	o->has_type = true;
	return vm_view_parse_type(value, &o->type, err);
}

static int
set_format(const struct vm_cli_option *option, const char *value, void *opts,
    struct vm_error *err)
{
	struct opts *o = opts;

	(void)option;
	o->has_format = true;
	return vm_view_parse_format(value, &o->format, err);
}

#define AT(field) offsetof(struct opts, field)

static const struct vm_cli_option options[] = {
	{ 't', "type", "TYPE",
	    "list these: vm (default), image, layer, volume, old", VM_CLI_CALL,
	    0, 0, 0, set_type },
	{ 0, "state", "STATE", "only VMs in this state; repeatable",
	    VM_CLI_LIST, AT(states), 0, 0, NULL },
	{ 's', "sort", "FIELD", "sort by this field instead of the name",
	    VM_CLI_STRING, AT(sort), 0, 0, NULL },
	{ 'd', "descending", NULL, "sort the other way round", VM_CLI_FLAG,
	    AT(descending), 0, 0, NULL },
	{ 0, "tree", NULL, "draw everything below what it stands on",
	    VM_CLI_FLAG, AT(tree), 0, 0, NULL },
	{ 0, "why", "IMAGE", "list what keeps this image in the store",
	    VM_CLI_STRING, AT(why), 0, 0, NULL },
	{ 0, "format", "FORMAT",
	    "print VMs for others: ssh-config, known-hosts, hosts, ansible",
	    VM_CLI_CALL, 0, 0, 0, set_format },
	{ 0 },
};

static const struct vm_cli vmls_cli = {
	.name = "vmls",
	.synopsis = "[PATTERN ...]",
	.summary = "list VMs, images, layers and volumes; only reads",
	.options = options,
	.common = VM_CLI_OUTPUT | VM_CLI_JSON,
};

static const struct vm_output_field fields[] = {
	{ "name", NULL, false, "name; of an image ALIAS@GENERATION" },
	{ "kind", NULL, false, "vm, image, layer, volume or old" },
	{ "state", NULL, false, "what a VM is doing; attached or orphan" },
	{ "service", NULL, false, "service of the manifest" },
	{ "role", NULL, false, "role in the service" },
	{ "index", NULL, false, "number within the role, from 1" },
	{ "drift", NULL, false, "in what a VM differs from what is asked for" },
	{ "used", NULL, true, "bytes its own disk takes up" },
	{ "refer", NULL, true, "bytes with all that it stands on" },
	{ "snapshots", NULL, false, "how many snapshots a VM's disk has" },
	{ "clones", NULL, false, "hard links to an image or layer elsewhere" },
	{ "image.alias", "IMAGE", false, "alias of the image" },
	{ "image.generation", "GEN", false, "generation of that alias" },
	{ "image.id", "IMAGE-ID", false, "SHA-256 of the published image" },
	{ "image.virtual_size", "SIZE", true, "size of the image's disk" },
	{ "current", NULL, false, "is it what its alias means now?" },
	{ "source", NULL, false, "where an image came from" },
	{ "fetched", NULL, false, "when an image came" },
	{ "last_used", "USED-AT", false, "when an image was last used" },
	{ "pinned", NULL, false, "is an image pinned? (vmfetch --pin)" },
	{ "lease", NULL, false, "when an image's lease ends" },
	{ "vm", NULL, false, "VM that a volume or an old disk belongs to" },
	{ "size", NULL, true, "size of a volume" },
	{ "mount", NULL, false, "where the guest mounts a volume" },
	{ "layer", NULL, false, "key of the layer" },
	{ "disks.0.path", "DISK", false, "path of a VM's disk" },
	{ "disks.0.mode", "MODE", false, "overlay, reflink or copy" },
	{ "identity.uuid", NULL, false, "UUID" },
	{ "identity.hostname", NULL, false, "host name in the guest" },
	{ "identity.nics.0.address", NULL, false, "address of the first NIC" },
	{ "identity.nics.0.mac", NULL, false, "MAC of the first NIC" },
	{ "ssh.user", NULL, false, "user that vmssh logs in as" },
	{ "ssh.host", "SSH-HOST", false, "address that vmssh connects to" },
	{ "ssh.port", NULL, false, "port that vmssh connects to" },
	{ "spec.cpus", NULL, false, "processors asked for" },
	{ "spec.memory", NULL, false, "memory asked for" },
	{ "error.tool", NULL, false, "command that failed" },
	{ "error.code", "ERROR", false, "word for what failed" },
	{ "error.message", NULL, false, "what failed" },
	{ "depth", NULL, false, "how deep in the tree (--tree)" },
	{ "on", NULL, false, "what it stands on (--tree)" },
	{ "note", NULL, false, "what else there is to it (--tree)" },
	{ "why", NULL, false, "why it keeps the image (--why)" },
	{ 0 },
};

static const char *const default_fields[] = {
	[VM_VIEW_VMS] = "name,state,image.alias,image.generation,"
			"identity.nics.0.address,ssh.port,used,drift",
	[VM_VIEW_IMAGES] = "name,state,current,image.virtual_size,used,refer,"
			   "clones,fetched,last_used",
	[VM_VIEW_LAYERS] = "name,image.alias,image.generation,used,refer,"
			   "clones",
	[VM_VIEW_VOLUMES] = "name,state,vm,size,used,mount",
	[VM_VIEW_OLD] = "name,vm,image.alias,image.generation,used,refer",
};

static int
refuse(const char *what, struct vm_error *err)
{
	return vm_cli_usage(&vmls_cli, err, "%s", what);
}

static int
check(const struct opts *o, struct vm_error *err)
{
	const struct vm_cli_values *common = &o->common;
	bool listing = o->sort != NULL || o->states.count > 0 ||
	    common->operand_count > 0;
	bool text = common->json || common->no_header || common->fields != NULL;

	if (o->tree + (o->why != NULL) + o->has_format > 1)
		return refuse("--tree, --why and --format: one at a time", err);
	if ((o->tree || o->why != NULL) && (listing || o->has_type))
		return refuse("--tree, --why: no names, -s, -t, --state", err);
	if (o->has_format && (text || (o->has_type && o->type != VM_VIEW_VMS)))
		return refuse("--format prints VMs in a form of its own", err);
	if (o->states.count > 0 && o->type != VM_VIEW_VMS)
		return refuse("--state is for VMs", err);
	return 0;
}

/* Is `field` among the fields printed or sorted by? */
static bool
wants(const struct opts *o, const char *field)
{
	const char *text = o->common.fields;
	size_t len = strlen(field);

	if (o->sort != NULL && strcmp(o->sort, field) == 0)
		return true;
	if (text == NULL)
		return !o->common.json;
	for (; *text != '\0'; text += strcspn(text, ","), text += *text == ',')
		if (strncmp(text, field, len) == 0 &&
		    (text[len] == ',' || text[len] == '\0'))
			return true;
	return false;
}

static struct vm_view_options
make_options(const struct opts *o)
{
	return (struct vm_view_options){
		.type = o->type,
		.patterns = o->common.operands,
		.pattern_count = o->common.operand_count,
		.states = o->states.items,
		.state_count = o->states.count,
		.sort = o->sort,
		.descending = o->descending,
		.usage = !o->has_format &&
		    (wants(o, "used") || wants(o, "refer")),
		.names_only = o->type == VM_VIEW_VMS && !o->has_format &&
		    o->common.fields != NULL &&
		    strcmp(o->common.fields, "name") == 0 && o->sort == NULL &&
		    o->states.count == 0,
	};
}

static int
show(const struct opts *o, struct vm_store *store, struct vm_error *err)
{
	const struct vm_output output = {
		.known = fields,
		.fields = o->why != NULL ? "kind,name,state,why" :
		    o->tree		 ? "depth,name,kind,state,note" :
					   default_fields[o->type],
		.table_always = true,
	};
	const struct vm_view_options view = make_options(o);
	VM_CLEAN_RECORDS struct vm_records records = { 0 };
	VM_CLEAN_BUF struct vm_buf text = { 0 };
	bool draws = o->tree && !o->common.json && !o->common.no_header &&
	    o->common.fields == NULL;
	int rc;

	if (o->tree)
		rc = vm_view_lineage(store, &records, err);
	else if (o->why != NULL)
		rc = vm_view_why(store, o->why, &records, err);
	else
		rc = vm_view_list(store, &view, &records, err);
	if (rc == 0 && o->has_format)
		rc = vm_view_export(&records, o->format, &text, err);
	if (rc == 0 && draws)
		rc = vm_view_tree(&records, o->common.exact, &text, err);
	if (rc == 0 && !draws && !o->has_format)
		rc = vm_output_write(&output, &o->common, &records, err);
	if (rc == 0 && text.len > 0)
		fwrite(text.data, 1, text.len, stdout);
	return rc;
}

static int
run(const struct opts *o, struct vm_error *err)
{
	const struct vm_output output = { .known = fields };
	VM_CLEAN_STORE struct vm_store *store = NULL;

	if (check(o, err) == -1)
		return -1;
	if (vm_output_help(&output, &o->common))
		return 0;
	store = vm_store_open(o->common.root, false, err);
	return store == NULL ? -1 : show(o, store, err);
}

int
main(int argc, char *argv[])
{
	struct opts opts = { 0 };
	struct vm_error err = { 0 };

	vm_cli_start(&vmls_cli);
	if (vm_cli_parse(&vmls_cli, &opts, argc, argv, &err) == -1 ||
	    run(&opts, &err) == -1)
		return vm_cli_fail(&err);
	return vm_cli_finish();
}
