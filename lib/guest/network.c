/*
 * Cards are told apart by MAC, because a guest names them by where they are
 * plugged in.  systemd-networkd matches by MAC itself; for ifupdown a .link
 * file lets udev give each card a name of ours (systemd.link(5)), and where
 * there is no udev they are eth0, eth1 ... in the order in which they are
 * plugged in.
 */
#include <arpa/inet.h>
#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "lib/guest/identity.h"
#include "lib/guest/tree.h"

#define NETWORKD "/etc/systemd/network"
#define IFUPDOWN "/etc/network"
#define DNS_MAX 8

struct nic {
	const char *mac;
	const char *address;	   /* "10.0.0.3/24"; NULL: by DHCP */
	const char *gateway;	   /* or NULL */
	const struct vm_json *dns; /* list of addresses, or NULL */
	bool ipv4_only;		   /* QEMU's user network */
};

/* "52:54:00:..", so that nothing else gets into a file. */
static bool
is_mac(const char *mac)
{
	for (size_t i = 0; i < 17; i++)
		if (i % 3 == 2 ? mac[i] != ':' :
				 !isxdigit((unsigned char)mac[i]))
			return false;
	return mac[17] == '\0';
}

/* An address, with "/bits" or without. */
static bool
is_address(const char *text)
{
	unsigned char raw[16];
	char address[64];
	size_t len = strcspn(text, "/");
	const char *bits = text + len;

	if (len >= sizeof address ||
	    (bits[0] == '/' &&
		(bits[1] == '\0' || strlen(bits) > 4 ||
		    bits[1 + strspn(bits + 1, "0123456789")])))
		return false;
	memcpy(address, text, len);
	address[len] = '\0';
	return inet_pton(AF_INET, address, raw) == 1 ||
	    inet_pton(AF_INET6, address, raw) == 1;
}

/* What is known of card i: its identity and what the role says of it. */
static int
get_nic(const struct vm_json *record, size_t i, struct nic *nic,
    struct vm_error *err)
{
	const struct vm_json *own = vm_json_at(vm_json_get(record,
						   "identity.nics"),
	    i);
	const struct vm_json *asked = vm_json_at(vm_json_get(record,
						     "spec.networks"),
	    i);

	*nic = (struct nic){
		.mac = vm_json_string(own, "mac", ""),
		.address = vm_json_string(own, "address", NULL),
		.gateway = vm_json_string(asked, "gateway", NULL),
		.dns = vm_json_get(asked, "dns"),
		.ipv4_only = strcmp(vm_json_string(own, "network", ""),
				 "user") == 0,
	};
	bool good = is_mac(nic->mac) &&
	    (nic->address == NULL || is_address(nic->address)) &&
	    (nic->gateway == NULL || is_address(nic->gateway)) &&
	    vm_json_count(nic->dns) <= DNS_MAX;
	for (size_t n = 0; good && n < vm_json_count(nic->dns); n++) {
		const char *server = vm_json_text(vm_json_at(nic->dns, n));

		good = server != NULL && is_address(server);
	}
	if (good)
		return 0;
	return vm_error_set(err, VM_E_DATA, "bad_network",
	    "network card %zu: a MAC or IP address is none", i + 1);
}

static int
format_networkd(const struct nic *nic, struct vm_buf *out, struct vm_error *err)
{
	if (vm_buf_format(out, err, "[Match]\nMACAddress=%s\n\n[Network]\n",
		nic->mac) == -1)
		return -1;
	if (nic->address == NULL)
		return vm_buf_format(out, err, "DHCP=%s\n",
		    nic->ipv4_only ? "ipv4" : "yes");
	if (vm_buf_format(out, err, "Address=%s\n", nic->address) == -1 ||
	    (nic->gateway != NULL &&
		vm_buf_format(out, err, "Gateway=%s\n", nic->gateway) == -1))
		return -1;
	for (size_t i = 0; i < vm_json_count(nic->dns); i++)
		if (vm_buf_format(out, err, "DNS=%s\n",
			vm_json_text(vm_json_at(nic->dns, i))) == -1)
			return -1;
	return 0;
}

static int
write_networkd(const struct vm_engine *engine, const struct vm_json *record,
    struct vm_error *err)
{
	size_t count = vm_json_count(vm_json_get(record, "identity.nics"));

	if (vm_tree_make_dirs(engine, NETWORKD, &vm_tree_keep, err) == -1)
		return -1;
	for (size_t i = 0; i < count; i++) {
		VM_CLEAN_BUF struct vm_buf text = { 0 };
		char path[64];
		struct nic nic;

		snprintf(path, sizeof path, NETWORKD "/10-vmpipe-%zu.network",
		    i);
		if (get_nic(record, i, &nic, err) == -1 ||
		    format_networkd(&nic, &text, err) == -1 ||
		    vm_tree_write(engine, path, text.data, text.len,
			&vm_tree_keep, err) == -1)
			return -1;
	}
	return 0;
}

/* One stanza of interfaces(5); *name says how udev calls the card. */
static int
format_interface(const struct nic *nic, const char *name, struct vm_buf *out,
    struct vm_error *err)
{
	const char *family = nic->address != NULL &&
		strchr(nic->address, ':') != NULL ?
	    "inet6" :
	    "inet";

	if (vm_buf_format(out, err, "auto %s\niface %s %s %s\n", name, name,
		family, nic->address == NULL ? "dhcp" : "static") == -1)
		return -1;
	if (nic->address == NULL)
		return 0;
	if (vm_buf_format(out, err, "\taddress %s\n", nic->address) == -1 ||
	    (nic->gateway != NULL &&
		vm_buf_format(out, err, "\tgateway %s\n", nic->gateway) == -1))
		return -1;
	for (size_t i = 0; i < vm_json_count(nic->dns); i++)
		if (vm_buf_format(out, err, "%s%s",
			i == 0 ? "\tdns-nameservers " : " ",
			vm_json_text(vm_json_at(nic->dns, i))) == -1)
			return -1;
	return vm_json_count(nic->dns) == 0 ? 0 : vm_buf_add(out, "\n", 1, err);
}

/* udev's file that gives the card with this MAC our name. */
static int
write_link(const struct vm_engine *engine, size_t i, const struct nic *nic,
    const char *name, struct vm_error *err)
{
	VM_CLEAN_BUF struct vm_buf text = { 0 };
	char path[64];

	snprintf(path, sizeof path, NETWORKD "/10-vmpipe-%zu.link", i);
	if (vm_tree_make_dirs(engine, NETWORKD, &vm_tree_keep, err) == -1 ||
	    vm_buf_format(&text, err,
		"[Match]\nMACAddress=%s\n\n[Link]\nName=%s\n", nic->mac,
		name) == -1)
		return -1;
	return vm_tree_write(engine, path, text.data, text.len, &vm_tree_keep,
	    err);
}

static int
write_ifupdown(const struct vm_op_context *context,
    const struct vm_json *record, struct vm_error *err)
{
	const struct vm_engine *engine = context->engine;
	size_t count = vm_json_count(vm_json_get(record, "identity.nics"));
	bool udev = strcmp(vm_json_string(context->layout, "init", ""),
			"systemd") == 0;
	VM_CLEAN_BUF struct vm_buf text = { 0 };

	for (size_t i = 0; i < count; i++) {
		char name[32];
		struct nic nic;

		snprintf(name, sizeof name, udev ? "net%zu" : "eth%zu", i);
		if (get_nic(record, i, &nic, err) == -1 ||
		    (udev && write_link(engine, i, &nic, name, err) == -1) ||
		    format_interface(&nic, name, &text, err) == -1)
			return -1;
	}
	if (vm_tree_make_dirs(engine, IFUPDOWN "/interfaces.d", &vm_tree_keep,
		err) == -1 ||
	    vm_tree_write(engine, IFUPDOWN "/interfaces.d/vmpipe",
		text.len == 0 ? "" : text.data, text.len, &vm_tree_keep,
		err) == -1)
		return -1;
	return vm_tree_append_line(engine, IFUPDOWN "/interfaces",
	    "source " IFUPDOWN "/interfaces.d/vmpipe", true, &vm_tree_keep,
	    err);
}

int
vm_network_apply(const struct vm_op_context *context,
    const struct vm_json *record, struct vm_json *warnings,
    struct vm_error *err)
{
	const char *kind = vm_json_string(context->layout, "network", "none");

	if (vm_json_count(vm_json_get(record, "identity.nics")) == 0)
		return 0;
	if (strcmp(kind, "networkd") == 0)
		return write_networkd(context->engine, record, err);
	if (strcmp(kind, "ifupdown") == 0)
		return write_ifupdown(context, record, err);
	VM_CLEAN_FREE char *warning = vm_buf_printf(err,
	    "network: the guest uses %s, which is not configured",
	    strcmp(kind, "none") == 0 ? "nothing known" : kind);
	if (warning == NULL)
		return -1;
	return vm_json_append(warnings, vm_json_new_string(warning), err);
}
