#include "lib/image/demand.h"

#include "lib/record/input.h"

static int
refuse(struct vm_error *err, const char *why)
{
	vm_error_set(err, VM_E_USAGE, "usage", "%s", why);
	return vm_error_hint(err, "vmfetch --help");
}

bool
vm_demand_is_for_names(const struct vm_image_options *options)
{
	return options->all && !options->fetch.refresh &&
	    options->catalog_count > 0;
}

/* Is there an option that says something about one source, or one server? */
static bool
is_for_one(const struct vm_image_options *options)
{
	const struct vm_http_access *access = &options->fetch.reach.access;

	return options->fetch.alias != NULL || options->checksum != NULL ||
	    options->checksums != NULL || options->signature != NULL ||
	    options->mirror_count > 0 ||
	    (!vm_demand_is_for_names(options) &&
		(options->keyring != NULL || access->token != NULL ||
		    access->user != NULL || access->cert_file != NULL));
}

int
vm_demand_check(const struct vm_image_options *options, struct vm_error *err)
{
	size_t sources = options->operand_count + (options->image != NULL);
	bool manifest = options->manifest != NULL;

	for (size_t i = 0; i < options->operand_count; i++)
		manifest |= vm_input_classify(options->operands[i]) ==
		    VM_OPERAND_MANIFEST;
	if (options->all &&
	    (sources > 0 || manifest ||
		(!options->fetch.refresh && !vm_demand_is_for_names(options))))
		return refuse(err,
		    "--all goes with --refresh or --catalog, and no sources");
	if (sources == 0 && !manifest && !options->all)
		return refuse(err,
		    "no source: give a URL, a path, an alias or a "
		    "manifest, or --refresh --all");
	if (options->pin.unpin && (options->pin.pin || options->pin.lease))
		return refuse(err,
		    "--unpin goes with neither --pin nor --lease");
	if (options->role_count > 0 && !manifest)
		return refuse(err, "--role goes with a manifest");
	if (is_for_one(options) && (sources != 1 || manifest))
		return refuse(err,
		    "-a, --checksum, --checksums, --signature, --keyring, "
		    "--mirror, --cert and --auth-file go with one source");
	if (options->manifest_out != NULL && (sources != 1 || manifest))
		return refuse(err, "--manifest-out goes with one source");
	if (options->fetch.locked && options->fetch.lock_file == NULL)
		return refuse(err, "--locked goes with --lock FILE");
	if (options->fetch.locked && options->fetch.refresh)
		return refuse(err, "--locked and --refresh exclude each other");
	return 0;
}
