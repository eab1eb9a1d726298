/* net.c - see net.h. */
#include "lib/host/net.h"

#include <sys/socket.h>

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/adapt/crypto_hash.h"
#include "lib/base/clean.h"
#include "lib/host/tap.h"

#define SSH_PORT 22

static int
fail(struct vm_error *err, size_t i, const char *what)
{
	return vm_error_set(err, VM_E_DATA, "bad_networks",
	    "spec.networks.%zu: %s", i, what);
}

/* ---- what is asked for ---- */

static int
add_forward(struct vm_net *net, int64_t guest, int64_t host,
    struct vm_error *err)
{
	struct vm_net_forward *forward = &net->forwards[net->forward_count];

	if (net->forward_count == VM_NET_FORWARDS || guest < 1 ||
	    guest > UINT16_MAX || host < 0 || host > UINT16_MAX)
		return vm_error_set(err, VM_E_DATA, "bad_networks",
		    "forward: ports are 1 to 65535, at most %d of them",
		    VM_NET_FORWARDS);
	*forward = (struct vm_net_forward){ .guest = (uint16_t)guest,
		.host = (uint16_t)host,
		.is_chosen = host == 0,
		.fd = -1 };
	net->forward_count++;
	return 0;
}

static int
plan_forwards(const struct vm_json *spec, struct vm_net *net,
    struct vm_error *err)
{
	const struct vm_json *list = vm_json_get(spec, "forward");
	size_t i;

	for (i = 0; i < vm_json_count(list); i++) {
		const struct vm_json *forward = vm_json_at(list, i);

		if (add_forward(net, vm_json_int(forward, "guest", 0),
			vm_json_int(forward, "host", 0), err) == -1)
			return -1;
	}
	return 0;
}

/* 239.192.0.0/14 is for an organisation's own use (RFC 2365). */
static int
plan_group(const struct vm_json *record, const char *scope, const char *name,
    struct vm_net *net, struct vm_error *err)
{
	char hex[VM_HASH_SHA256_HEX];
	VM_CLEAN_FREE char *text = vm_buf_printf(err, "%s\n%s/%s", scope,
	    vm_json_string(record, "service", ""), name);
	unsigned long bits;

	if (text == NULL || vm_hash_sha256(text, strlen(text), hex, err) == -1)
		return -1;
	hex[8] = '\0';
	bits = strtoul(hex, NULL, 16);
	snprintf(net->group, sizeof(net->group), "239.%lu.%lu.%lu:%lu",
	    192 + (bits & 3), bits >> 24 & 255, bits >> 16 & 255,
	    20000 + (bits >> 2 & 8191));
	return 0;
}

static int
plan_card(const struct vm_json *record, const char *scope, size_t i,
    struct vm_net *net, struct vm_error *err)
{
	const struct vm_json *nic = vm_json_at(vm_json_get(record,
						   "identity.nics"),
	    i);
	const struct vm_json *spec = vm_json_at(vm_json_get(record,
						    "spec.networks"),
	    i);
	const char *network = vm_json_string(nic, "network", "");
	const char *mac = vm_json_string(nic, "mac", "");

	*net = (struct vm_net){ .tap_fd = -1 };
	if (strlen(mac) != 17 || mac[strspn(mac, "0123456789abcdef:")] != '\0')
		return fail(err, i, "the VM's card has no MAC address");
	memcpy(net->mac, mac, sizeof(net->mac));
	if (strcmp(network, "user") == 0) {
		net->type = VM_NET_USER;
		return plan_forwards(spec, net, err);
	}
	if (strncmp(network, "private:", 8) == 0) {
		net->type = VM_NET_PRIVATE;
		return plan_group(record, scope, network + 8, net, err);
	}
	if (strncmp(network, "bridge:", 7) != 0 ||
	    strlen(network + 7) >= sizeof(net->bridge))
		return fail(err, i, "the VM's card is of no known kind");
	net->type = VM_NET_BRIDGE;
	snprintf(net->bridge, sizeof(net->bridge), "%.15s", network + 7);
	return 0;
}

/* Has the role been given other networks since the VM was cloned? */
static int
check_kinds(const struct vm_json *record, const struct vm_nets *nets,
    struct vm_error *err)
{
	static const char *const words[] = { "user", "private", "bridge" };
	const struct vm_json *spec = vm_json_get(record, "spec.networks");
	size_t i;

	for (i = 0; i < vm_json_count(spec); i++) {
		if (i < nets->count &&
		    vm_json_member(vm_json_at(spec, i),
			words[nets->items[i].type]) != NULL)
			continue;
		fail(err, i, "not a card that the VM was cloned with");
		return vm_error_hint(err, "vmclone, under another name");
	}
	return 0;
}

static struct vm_net_forward *
find_forward(struct vm_nets *nets, uint16_t guest)
{
	size_t i, j;

	for (i = 0; i < nets->count; i++) {
		for (j = 0; j < nets->items[i].forward_count; j++) {
			if (nets->items[i].forwards[j].guest == guest)
				return &nets->items[i].forwards[j];
		}
	}
	return NULL;
}

/* A free port to this guest port, on the first card that can have one. */
static int
add_free_forward(struct vm_nets *nets, uint16_t guest, struct vm_error *err)
{
	size_t i;

	if (guest == 0 || find_forward(nets, guest) != NULL)
		return 0;
	for (i = 0; i < nets->count; i++) {
		if (nets->items[i].type == VM_NET_USER)
			return add_forward(&nets->items[i], guest, 0, err);
	}
	return 0;
}

/* The ports of the last start are worth a try: people remember them. */
static void
remember_ports(const struct vm_json *record, struct vm_nets *nets)
{
	const struct vm_json *last = vm_json_get(record, "run.forwards");
	size_t i;

	for (i = 0; i < vm_json_count(last); i++) {
		const struct vm_json *item = vm_json_at(last, i);
		struct vm_net_forward *forward = find_forward(nets,
		    (uint16_t)vm_json_int(item, "guest", 0));

		if (forward != NULL && forward->is_chosen)
			forward->host = (uint16_t)vm_json_int(item, "host", 0);
	}
}

int
vm_net_plan(const struct vm_json *record, const char *scope,
    struct vm_nets *nets, struct vm_error *err)
{
	size_t count = vm_json_count(vm_json_get(record, "identity.nics"));
	int64_t tcp = vm_json_int(record, "spec.ready.tcp.port", 0);
	struct vm_nets plan = { .count = 0 };

	if (count > VM_NET_MAX)
		return vm_error_set(err, VM_E_DATA, "bad_networks",
		    "identity.nics: more than %d cards", VM_NET_MAX);
	for (; plan.count < count; plan.count++) {
		if (plan_card(record, scope, plan.count,
			&plan.items[plan.count], err) == -1)
			return -1;
	}
	if (check_kinds(record, &plan, err) == -1 ||
	    add_free_forward(&plan, SSH_PORT, err) == -1 ||
	    add_free_forward(&plan, (uint16_t)tcp, err) == -1)
		return -1;
	remember_ports(record, &plan);
	*nets = plan;
	return 0;
}

/* ---- what is held ---- */

/* Bind 127.0.0.1:port so that QEMU, and only a listener, can join it. */
static int
hold_port(uint16_t *port, int *errnum)
{
	VM_CLEAN_FD int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct sockaddr_in address = { .sin_family = AF_INET,
		.sin_port = htons(*port),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof(address);
	const int on = 1;

	/*
	 * A port of its own is bound without SO_REUSEADDR, so that it is
	 * nobody's; a given one with it, as it may be in TIME_WAIT.
	 */
	if (fd == -1 ||
	    (*port != 0 &&
		setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) ==
		    -1) ||
	    bind(fd, (struct sockaddr *)&address, len) == -1 ||
	    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) == -1 ||
	    getsockname(fd, (struct sockaddr *)&address, &len) == -1) {
		*errnum = errno;
		return -1;
	}
	*port = ntohs(address.sin_port);
	return VM_TAKE_FD(fd);
}

static int
reserve_forward(struct vm_net_forward *forward, struct vm_error *err)
{
	uint16_t any = 0;
	int errnum = 0;

	forward->fd = hold_port(&forward->host, &errnum);
	if (forward->fd == -1 && forward->is_chosen) {
		forward->fd = hold_port(&any, &errnum);
		forward->host = any;
	}
	if (forward->fd >= 0)
		return 0;
	if (errnum != EADDRINUSE)
		return vm_error_errno(err, errnum, "port %u", forward->host);
	vm_error_set(err, VM_E_UNAVAILABLE, "port_in_use",
	    "port %u of 127.0.0.1: in use", forward->host);
	return vm_error_hint(err, "ss -ltnp 'sport = :%u'", forward->host);
}

int
vm_net_reserve(struct vm_nets *nets, struct vm_error *err)
{
	size_t i, j;

	for (i = 0; i < nets->count; i++) {
		struct vm_net *net = &nets->items[i];

		if (net->type == VM_NET_BRIDGE &&
		    (net->tap_fd = vm_tap_open(net->bridge, err)) == -1)
			return -1;
		for (j = 0; j < net->forward_count; j++) {
			if (reserve_forward(&net->forwards[j], err) == -1)
				return -1;
		}
	}
	return 0;
}

void
vm_net_release(struct vm_nets *nets)
{
	size_t i, j;

	for (i = 0; i < nets->count; i++) {
		struct vm_net *net = &nets->items[i];

		vm_clean_fd(&net->tap_fd);
		net->tap_fd = -1;
		for (j = 0; j < net->forward_count; j++) {
			vm_clean_fd(&net->forwards[j].fd);
			net->forwards[j].fd = -1;
		}
	}
}

/* ---- what QEMU and the record are told ---- */

static int
add_user(struct vm_argv *argv, const struct vm_net *net, size_t i,
    struct vm_error *err)
{
	VM_CLEAN_BUF struct vm_buf value = { 0 };
	size_t j;

	if (vm_buf_format(&value, err, "user,id=net%zu", i) == -1)
		return -1;
	for (j = 0; j < net->forward_count; j++) {
		if (vm_buf_format(&value, err, ",hostfwd=tcp:127.0.0.1:%u-:%u",
			net->forwards[j].host, net->forwards[j].guest) == -1)
			return -1;
	}
	return vm_argv_add(argv, err, "-netdev", value.data, (char *)NULL);
}

static int
add_card(struct vm_argv *argv, const struct vm_net *net, size_t i,
    struct vm_error *err)
{
	int rc;

	if (net->type == VM_NET_USER)
		rc = add_user(argv, net, i, err);
	else if (net->type == VM_NET_PRIVATE)
		rc = vm_argv_option(argv, err, "-netdev",
		    "socket,id=net%zu,mcast=%s,localaddr=127.0.0.1", i,
		    net->group);
	else if (net->tap_fd >= 0)
		rc = vm_argv_option(argv, err, "-netdev", "tap,id=net%zu,fd=%d",
		    i, net->tap_fd);
	else
		rc = vm_argv_option(argv, err, "-netdev",
		    "bridge,id=net%zu,br=%s", i, net->bridge);
	if (rc == -1)
		return -1;
	return vm_argv_option(argv, err, "-device",
	    "virtio-net-pci,netdev=net%zu,mac=%s,romfile=", i, net->mac);
}

int
vm_net_add(struct vm_argv *argv, const struct vm_nets *nets,
    struct vm_error *err)
{
	size_t i;

	for (i = 0; i < nets->count; i++) {
		if (add_card(argv, &nets->items[i], i, err) == -1)
			return -1;
	}
	return 0;
}

uint16_t
vm_net_find_port(const struct vm_nets *nets, uint16_t guest)
{
	size_t i, j;

	for (i = 0; i < nets->count; i++) {
		for (j = 0; j < nets->items[i].forward_count; j++) {
			if (nets->items[i].forwards[j].guest == guest)
				return nets->items[i].forwards[j].host;
		}
	}
	return 0;
}

struct vm_json *
vm_net_format_forwards(const struct vm_nets *nets, struct vm_error *err)
{
	VM_CLEAN_JSON struct vm_json *list = vm_json_new_array();
	size_t i, j;

	for (i = 0; i < nets->count; i++) {
		for (j = 0; j < nets->items[i].forward_count; j++) {
			const struct vm_net_forward *forward =
			    &nets->items[i].forwards[j];
			struct vm_json *item = vm_json_new_object();

			if (vm_json_append(list, item, err) == -1 ||
			    vm_json_set_int(item, "host", forward->host, err) ==
				-1 ||
			    vm_json_set_int(item, "guest", forward->guest,
				err) == -1)
				return NULL;
		}
	}
	return VM_TAKE(list);
}
