#include "lib/image/ovf.h"

#include <stdlib.h>
#include <string.h>

#include "lib/adapt/xml.h"
#include "lib/base/buf.h"
#include "lib/base/log.h"
#include "lib/base/size.h"
#include "lib/image/ovf_amount.h"
#include "lib/image/ovf_href.h"

#define SHOWN 128
#define CIM "http://schemas.dmtf.org/wbem/wscim/1/cim-schema/2/CIM_"

/* CIM's ResourceType */
enum { CPUS = 3, MEMORY = 4, NIC = 10 };

struct reading {
	const char *ns; /* the envelope's */
	const struct vm_xml_node *root;
	const char *configuration; /* that holds when none is chosen, or NULL */
	struct vm_ovf ovf;
};

static const char *const envelopes[] = {
	"http://schemas.dmtf.org/ovf/envelope/1",
	"http://schemas.dmtf.org/ovf/envelope/2",
};

/* Of what stands in an Item, a StorageItem and an EthernetPortItem. */
static const char *const settings[] = {
	CIM "ResourceAllocationSettingData",
	CIM "StorageAllocationSettingData",
	CIM "StorageAllocationSettingData.xsd",
	CIM "EthernetPortAllocationSettingData",
	CIM "EthernetPortAllocationSettingData.xsd",
};

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static int
bad(const struct vm_xml_node *node, const char *code, const char *what,
    const char *value, struct vm_error *err)
{
	char shown[SHOWN];

	return vm_error_set(err, VM_E_DATA, code, "line %u: %s%s%s%s",
	    vm_xml_line(node), what, value == NULL ? "" : " \"",
	    value == NULL ? "" : vm_log_escape(value, shown, sizeof(shown)),
	    value == NULL ? "" : "\"");
}

/* Attributes have the envelope's prefix; some programs leave it out. */
static const char *
attribute(const struct reading *r, const struct vm_xml_node *node,
    const char *name)
{
	const char *value = vm_xml_attribute(node, r->ns, name);

	return value != NULL ? value : vm_xml_attribute(node, NULL, name);
}

/* A new element at the end of a list. */
static void *
append(void *list, size_t *count, size_t size, struct vm_error *err)
{
	char *grown = realloc(*(void **)list, (*count + 1) * size);

	if (grown == NULL) {
		vm_error_nomem(err);
		return NULL;
	}
	*(void **)list = grown;
	return memset(grown + (*count)++ * size, 0, size);
}

/* --- files --------------------------------------------------------------- */

static const struct vm_xml_node *
find_file(const struct reading *r, const char *id)
{
	const struct vm_xml_node *files = vm_xml_first(r->root, r->ns,
	    "References");
	const struct vm_xml_node *file = files == NULL ?
	    NULL :
	    vm_xml_first(files, r->ns, "File");

	for (; file != NULL; file = vm_xml_next(file, r->ns, "File")) {
		const char *has = attribute(r, file, "id");

		if (has != NULL && strcmp(has, id) == 0)
			return file;
	}
	return NULL;
}

/* --- disks --------------------------------------------------------------- */

static int
read_file(const struct reading *r, const struct vm_xml_node *file,
    struct vm_ovf_disk *disk, struct vm_error *err)
{
	const char *compression = attribute(r, file, "compression");
	const char *href = attribute(r, file, "href");

	if (attribute(r, file, "chunkSize") != NULL)
		return bad(file, "not_supported",
		    "a file in chunks (chunkSize) is not supported", NULL, err);
	if (compression != NULL && strcmp(compression, "gzip") == 0)
		disk->is_gzip = true;
	else if (compression != NULL && compression[0] != '\0' &&
	    strcmp(compression, "identity") != 0)
		return bad(file, "not_supported",
		    "not a compression that is supported:", compression, err);
	disk->href = vm_ovf_href(href == NULL ? "" : href, err);
	if (disk->href == NULL)
		return vm_error_wrap(err, "line %u", vm_xml_line(file));
	return 0;
}

static int
check_new(const struct reading *r, const struct vm_xml_node *node,
    struct vm_error *err)
{
	size_t last = r->ovf.disk_count - 1;

	for (size_t i = 0; i < last; i++)
		if (strcmp(r->ovf.disks[i].href, r->ovf.disks[last].href) == 0)
			return bad(node, "bad_ovf",
			    "two disks on one file:", r->ovf.disks[i].href,
			    err);
	return 0;
}

static int
read_disk(struct reading *r, const struct vm_xml_node *node,
    struct vm_error *err)
{
	const char *file_ref = attribute(r, node, "fileRef");
	const char *capacity = attribute(r, node, "capacity");
	const char *unit = attribute(r, node, "capacityAllocationUnits");
	const struct vm_xml_node *file;
	struct vm_ovf_disk *disk;

	if (attribute(r, node, "parentRef") != NULL)
		return bad(node, "not_supported",
		    "a disk upon another (parentRef) is not supported", NULL,
		    err);
	if (file_ref == NULL || file_ref[0] == '\0') {
		r->ovf.blank_count++;
		return 0;
	}
	file = find_file(r, file_ref);
	if (file == NULL)
		return bad(node, "bad_ovf", "there is no file", file_ref, err);
	if (r->ovf.disk_count == VM_OVF_MAX_DISKS)
		return bad(node, "bad_ovf", "too many disks", NULL, err);
	disk = append(&r->ovf.disks, &r->ovf.disk_count, sizeof(*disk), err);
	if (disk == NULL || read_file(r, file, disk, err) == -1 ||
	    check_new(r, node, err) == -1)
		return -1;
	if (capacity != NULL &&
	    vm_ovf_amount(capacity,
		unit == NULL || unit[0] == '\0' ? "byte" : unit,
		&disk->capacity, err) == -1)
		return vm_error_wrap(err, "line %u", vm_xml_line(node));
	return 0;
}

static int
read_disks(struct reading *r, struct vm_error *err)
{
	const struct vm_xml_node *section = vm_xml_first(r->root, r->ns,
	    "DiskSection");
	const struct vm_xml_node *node = section == NULL ?
	    NULL :
	    vm_xml_first(section, r->ns, "Disk");

	for (; node != NULL; node = vm_xml_next(node, r->ns, "Disk"))
		if (read_disk(r, node, err) == -1)
			return -1;
	if (r->ovf.disk_count > 0)
		return 0;
	return vm_error_set(err, VM_E_DATA, "bad_ovf",
	    "the OVF has no disk that is a file");
}

/* --- the machine --------------------------------------------------------- */

/* A setting of an item, or NULL. */
static const char *
setting(const struct vm_xml_node *item, const char *name)
{
	for (size_t i = 0; i < COUNT(settings); i++) {
		const struct vm_xml_node *node = vm_xml_first(item, settings[i],
		    name);

		if (node != NULL)
			return vm_xml_text(node);
	}
	return NULL;
}

/* Is it there when nobody chooses a configuration, and no mere bound? */
static bool
is_usual(const struct reading *r, const struct vm_xml_node *item)
{
	const char *list = attribute(r, item, "configuration");
	size_t len = r->configuration == NULL ? 0 : strlen(r->configuration);

	if (attribute(r, item, "bound") != NULL)
		return false;
	if (list == NULL)
		return true;
	for (; len > 0 && *list != '\0'; list += strcspn(list, " ")) {
		list += strspn(list, " ");
		if (strcspn(list, " ") == len &&
		    strncmp(list, r->configuration, len) == 0)
			return true;
	}
	return false;
}

static int
read_cpus(struct reading *r, const char *quantity, struct vm_error *err)
{
	uint64_t number;

	if (vm_size_parse_number(quantity, 1, 255, &number, err) == -1)
		return vm_error_set(err, VM_E_DATA, "bad_ovf",
		    "not a number of CPUs from 1 to 255");
	r->ovf.cpus = (unsigned)number;
	return 0;
}

static int
read_nic(struct reading *r, const struct vm_xml_node *item,
    struct vm_error *err)
{
	const char *network = setting(item, "Connection");
	char **name;

	if (r->ovf.nic_count == VM_OVF_MAX_NICS)
		return vm_error_set(err, VM_E_DATA, "bad_ovf",
		    "more than %d network cards", VM_OVF_MAX_NICS);
	name = append(&r->ovf.networks, &r->ovf.nic_count, sizeof(*name), err);
	if (name == NULL)
		return -1;
	*name = vm_buf_printf(err, "%s", network == NULL ? "" : network);
	return *name == NULL ? -1 : 0;
}

static int
read_item(struct reading *r, const struct vm_xml_node *item,
    struct vm_error *err)
{
	const char *type = setting(item, "ResourceType");
	const char *quantity = setting(item, "VirtualQuantity");
	const char *unit = setting(item, "AllocationUnits");
	int result = 0;

	if (type == NULL || !is_usual(r, item))
		return 0;
	switch (strtol(type, NULL, 10)) {
	case CPUS:
		if (quantity != NULL)
			result = read_cpus(r, quantity, err);
		break;
	case MEMORY:
		if (quantity != NULL)
			result = vm_ovf_amount(quantity,
			    unit == NULL || unit[0] == '\0' ? "MB" : unit,
			    &r->ovf.memory, err);
		break;
	case NIC:
		result = read_nic(r, item, err);
		break;
	default:
		break;
	}
	return result == -1 ? vm_error_wrap(err, "line %u", vm_xml_line(item)) :
			      0;
}

/* The one VirtualSystem, alone or in a collection. */
static const struct vm_xml_node *
find_system(const struct reading *r, struct vm_error *err)
{
	const char *const several = "VirtualSystemCollection";
	const struct vm_xml_node *in = vm_xml_first(r->root, r->ns, several);
	const struct vm_xml_node *system;
	bool nested = in != NULL && vm_xml_first(in, r->ns, several) != NULL;

	system = vm_xml_first(in == NULL ? r->root : in, r->ns,
	    "VirtualSystem");
	if (system != NULL && !nested &&
	    vm_xml_next(system, r->ns, "VirtualSystem") == NULL)
		return system;
	vm_error_set(err, VM_E_DATA, "bad_ovf",
	    system == NULL && !nested ? "the OVF describes no machine" :
					"the OVF describes several machines");
	return NULL;
}

static void
find_configuration(struct reading *r)
{
	const struct vm_xml_node *section = vm_xml_first(r->root, r->ns,
	    "DeploymentOptionSection");
	const struct vm_xml_node *node = section == NULL ?
	    NULL :
	    vm_xml_first(section, r->ns, "Configuration");

	if (node != NULL)
		r->configuration = attribute(r, node, "id");
	for (; node != NULL; node = vm_xml_next(node, r->ns, "Configuration")) {
		const char *is_default = attribute(r, node, "default");

		if (is_default != NULL && strcmp(is_default, "true") == 0)
			r->configuration = attribute(r, node, "id");
	}
}

static int
read_machine(struct reading *r, struct vm_error *err)
{
	static const char *const items[] = { "Item", "StorageItem",
		"EthernetPortItem" };
	const struct vm_xml_node *system = find_system(r, err), *hardware;

	if (system == NULL)
		return -1;
	find_configuration(r);
	hardware = vm_xml_first(system, r->ns, "VirtualHardwareSection");
	for (size_t i = 0; hardware != NULL && i < COUNT(items); i++) {
		const struct vm_xml_node *item = vm_xml_first(hardware, r->ns,
		    items[i]);

		for (; item != NULL; item = vm_xml_next(item, r->ns, items[i]))
			if (read_item(r, item, err) == -1)
				return -1;
	}
	return 0;
}

/* --- all ----------------------------------------------------------------- */

static int
read_envelope(struct reading *r, struct vm_error *err)
{
	for (size_t i = 0; i < COUNT(envelopes); i++)
		if (vm_xml_is(r->root, envelopes[i], "Envelope"))
			r->ns = envelopes[i];
	if (r->ns == NULL)
		return bad(r->root, "bad_ovf",
		    "not an OVF envelope of version 1 or 2", NULL, err);
	return read_disks(r, err) == -1 ? -1 : read_machine(r, err);
}

int
vm_ovf_parse(const char *text, size_t len, struct vm_ovf *ovf,
    struct vm_error *err)
{
	struct vm_xml *xml VM_CLEAN_XML = vm_xml_parse(text, len, err);
	struct reading r = { 0 };

	if (xml == NULL)
		return -1;
	r.root = vm_xml_root(xml);
	if (read_envelope(&r, err) == -1) {
		vm_ovf_release(&r.ovf);
		return -1;
	}
	*ovf = r.ovf;
	return 0;
}

void
vm_ovf_release(struct vm_ovf *ovf)
{
	for (size_t i = 0; i < ovf->disk_count; i++)
		free(ovf->disks[i].href);
	for (size_t i = 0; i < ovf->nic_count; i++)
		free(ovf->networks[i]);
	free(ovf->disks);
	free(ovf->networks);
	*ovf = (struct vm_ovf){ 0 };
}
