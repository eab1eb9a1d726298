#include "lib/clone/network.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

#include "lib/adapt/crypto_hash.h"
#include "lib/record/vars.h"
#include "lib/store/lock.h"
#include "lib/store/vm.h"

#define HOST_FIRST 11
#define HOST_LAST 4094 /* 4095 is the /20's broadcast address */
#define WAIT_MS 60000

/* One private network in use. */
struct subnet {
	char *key;     /* "service/name" */
	uint32_t base; /* 10.A.B.0, host order */
	int lock_fd;
	bool used[HOST_LAST + 1];
};

struct vm_network {
	struct vm_store *store;
	struct subnet *subnets;
	size_t count;
};

struct vm_network *
vm_network_new(struct vm_store *store, struct vm_error *err)
{
	struct vm_network *network = calloc(1, sizeof(*network));

	if (network == NULL)
		vm_error_nomem(err);
	else
		network->store = store;
	return network;
}

void
vm_network_free(struct vm_network *network)
{
	size_t i;

	if (network == NULL)
		return;
	for (i = 0; i < network->count; i++) {
		vm_clean_fd(&network->subnets[i].lock_fd);
		free(network->subnets[i].key);
	}
	free(network->subnets);
	free(network);
}

void
vm_network_clean(struct vm_network **network)
{
	vm_network_free(*network);
}

/* ---- private networks ---- */

/* Mark the address of every card on this network in one VM's record. */
static void
mark_used(struct subnet *subnet, const struct vm_json *record)
{
	const struct vm_json *nics = vm_json_get(record, "identity.nics");
	struct in_addr in;
	char text[INET_ADDRSTRLEN];
	uint32_t host;
	size_t i;

	for (i = 0; i < vm_json_count(nics); i++) {
		const char *address = vm_json_string(vm_json_at(nics, i),
		    "address", "");

		snprintf(text, sizeof(text), "%.*s", (int)strcspn(address, "/"),
		    address);
		if (inet_pton(AF_INET, text, &in) != 1)
			continue;
		host = ntohl(in.s_addr) - subnet->base;
		if (host <= HOST_LAST)
			subnet->used[host] = true;
	}
}

/*
 * Read what the store's VMs use.  Addresses of other networks that fall into
 * the same range are left alone too: that costs nothing and spares a reader
 * the doubt.
 */
static int
load_used(struct vm_network *network, struct subnet *subnet,
    struct vm_error *err)
{
	VM_CLEAN_NAMES char **names = vm_store_list(network->store,
	    VM_STORE_VMS, err);
	size_t i;

	if (names == NULL)
		return -1;
	for (i = 0; names[i] != NULL; i++) {
		VM_CLEAN_JSON struct vm_json *record =
		    vm_vm_load(network->store, names[i], false, NULL);

		/* one that vanished meanwhile or is damaged uses nothing */
		if (record != NULL)
			mark_used(subnet, record);
	}
	return 0;
}

static int
open_subnet(struct vm_network *network, const char *key, struct subnet *subnet,
    struct vm_error *err)
{
	char hex[VM_HASH_SHA256_HEX], lock[32];
	unsigned long bits;

	if (vm_hash_sha256(key, strlen(key), hex, err) == -1)
		return -1;
	snprintf(lock, sizeof(lock), "%.4s", hex);
	bits = strtoul(lock, NULL, 16);
	subnet->base = (uint32_t)(10UL << 24 | (64 + (bits >> 8) % 64) << 16 |
	    (bits & 0xf0) << 8);
	snprintf(lock, sizeof(lock), "net-%.16s", hex);
	subnet->lock_fd = vm_lock_named(network->store, lock, WAIT_MS, err);
	if (subnet->lock_fd == -1)
		return vm_error_wrap(err, "private network %s", key);
	return load_used(network, subnet, err);
}

/* The subnet of this network, opened at its first use. */
static struct subnet *
find_subnet(struct vm_network *network, const char *key, struct vm_error *err)
{
	struct subnet *grown, *subnet;
	size_t i;

	for (i = 0; i < network->count; i++) {
		if (strcmp(network->subnets[i].key, key) == 0)
			return &network->subnets[i];
	}
	grown = realloc(network->subnets,
	    (network->count + 1) * sizeof(*network->subnets));
	if (grown == NULL) {
		vm_error_nomem(err);
		return NULL;
	}
	network->subnets = grown;
	subnet = &grown[network->count];
	memset(subnet, 0, sizeof(*subnet));
	subnet->lock_fd = -1;
	if ((subnet->key = strdup(key)) == NULL) {
		vm_error_nomem(err);
		return NULL;
	}
	network->count++;
	return open_subnet(network, key, subnet, err) == -1 ? NULL : subnet;
}

static int
set_private_address(struct vm_network *network, const struct vm_json *record,
    const char *name, struct vm_json *nic, struct vm_error *err)
{
	VM_CLEAN_FREE char *key = vm_buf_printf(err, "%s/%s",
	    vm_json_string(record, "service", ""), name);
	char address[INET_ADDRSTRLEN + 4];
	struct subnet *subnet;
	uint32_t host, value;

	if (key == NULL || (subnet = find_subnet(network, key, err)) == NULL)
		return -1;
	for (host = HOST_FIRST; host <= HOST_LAST; host++) {
		if (!subnet->used[host])
			break;
	}
	if (host > HOST_LAST)
		return vm_error_set(err, VM_E_SYSTEM, "network_full",
		    "private network %s: all %d addresses are in use", name,
		    HOST_LAST - HOST_FIRST + 1);
	value = subnet->base + host;
	snprintf(address, sizeof(address), "%u.%u.%u.%u/20", value >> 24,
	    value >> 16 & 255, value >> 8 & 255, value & 255);
	if (vm_json_set_string(nic, "address", address, err) == -1)
		return -1;
	subnet->used[host] = true;
	return 0;
}

/* ---- one card ---- */

/* Is a MAC the manifest gives used by another VM of the store? */
static int
check_mac(struct vm_network *network, const struct vm_json *record,
    const char *mac, struct vm_error *err)
{
	VM_CLEAN_NAMES char **names = vm_store_list(network->store,
	    VM_STORE_VMS, err);
	size_t i, j;

	if (names == NULL)
		return -1;
	for (i = 0; names[i] != NULL; i++) {
		VM_CLEAN_JSON struct vm_json *other = vm_vm_load(network->store,
		    names[i], false, NULL);
		const struct vm_json *nics = vm_json_get(other,
		    "identity.nics");

		if (strcmp(names[i], vm_json_string(record, "name", "")) == 0)
			continue;
		for (j = 0; j < vm_json_count(nics); j++) {
			if (strcasecmp(vm_json_string(vm_json_at(nics, j),
					   "mac", ""),
				mac) == 0)
				return vm_error_set(err, VM_E_EXISTS,
				    "mac_taken", "MAC %s: %s has it", mac,
				    names[i]);
		}
	}
	return 0;
}

static int
set_mac(struct vm_network *network, const struct vm_json *record,
    const char *wanted, struct vm_json *nic, struct vm_error *err)
{
	unsigned char b[5];
	char mac[18];

	if (wanted != NULL) {
		if (check_mac(network, record, wanted, err) == -1)
			return -1;
		return vm_json_set_string(nic, "mac", wanted, err);
	}
	if (vm_hash_random(b, sizeof(b), err) == -1)
		return -1;
	snprintf(mac, sizeof(mac), "52:%02x:%02x:%02x:%02x:%02x", b[0], b[1],
	    b[2], b[3], b[4]);
	return vm_json_set_string(nic, "mac", mac, err);
}

/* "private:shop", "bridge:br0" or "user": what the card is plugged into. */
static char *
network_of(const struct vm_json *spec, struct vm_error *err)
{
	const char *name;

	if ((name = vm_json_string(spec, "private", NULL)) != NULL)
		return vm_buf_printf(err, "private:%s", name);
	if ((name = vm_json_string(spec, "bridge", NULL)) != NULL)
		return vm_buf_printf(err, "bridge:%s", name);
	return vm_buf_printf(err, "user");
}

/* The i-th card on this network among those it had, or NULL. */
static const struct vm_json *
find_old(const struct vm_json *old, const char *on, size_t i)
{
	const struct vm_json *nic = vm_json_at(old, i);

	if (strcmp(vm_json_string(nic, "network", ""), on) == 0)
		return nic;
	return NULL;
}

/* Static address of the manifest, expanded for this clone. */
static int
set_static(const struct vm_json *record, const struct vm_json *spec,
    struct vm_json *nic, struct vm_error *err)
{
	const struct vm_vars vars = { .record = record };
	VM_CLEAN_FREE char *address = vm_vars_expand_string(&vars,
	    vm_json_string(spec, "address", ""), err);

	if (address == NULL)
		return -1;
	return vm_json_set_string(nic, "address", address, err);
}

static struct vm_json *
make_nic(struct vm_network *network, const struct vm_json *record,
    const struct vm_json *spec, const struct vm_json *old, size_t i,
    struct vm_error *err)
{
	VM_CLEAN_JSON struct vm_json *nic = vm_json_new_object();
	VM_CLEAN_FREE char *on = network_of(spec, err);
	const char *private = vm_json_string(spec, "private", NULL);
	const struct vm_json *before;
	int rc = 0;

	if (nic == NULL || on == NULL) {
		vm_error_nomem(err);
		return NULL;
	}
	before = find_old(old, on, i);
	if (before != NULL && vm_json_string(spec, "mac", NULL) == NULL)
		rc = vm_json_set_string(nic, "mac",
		    vm_json_string(before, "mac", ""), err);
	else
		rc = set_mac(network, record, vm_json_string(spec, "mac", NULL),
		    nic, err);
	if (rc == -1 || vm_json_set_string(nic, "network", on, err) == -1)
		return NULL;
	if (vm_json_string(spec, "address", NULL) != NULL)
		rc = set_static(record, spec, nic, err);
	else if (private != NULL && before != NULL &&
	    vm_json_string(before, "address", NULL) != NULL)
		rc = vm_json_set_string(nic, "address",
		    vm_json_string(before, "address", ""), err);
	else if (private != NULL)
		rc = set_private_address(network, record, private, nic, err);
	return rc == -1 ? NULL : VM_TAKE(nic);
}

/*
 * A user card more: the only one where no networks are asked for, else for ssh
 * from the host, which cannot reach the private ones.
 */
static int
add_user(struct vm_network *network, const struct vm_json *record,
    const struct vm_json *old, bool management, struct vm_json *nics,
    struct vm_error *err)
{
	VM_CLEAN_JSON struct vm_json *spec = vm_json_new_object();
	struct vm_json *nic;

	if (spec == NULL)
		return vm_error_nomem(err);
	nic = make_nic(network, record, spec, old, vm_json_count(nics), err);
	if (nic == NULL || vm_json_append(nics, nic, err) == -1)
		return -1;
	return management ? vm_json_set_bool(nic, "management", true, err) : 0;
}

struct vm_json *
vm_network_assign(struct vm_network *network, const struct vm_json *record,
    const struct vm_json *old, struct vm_error *err)
{
	const struct vm_json *wanted = vm_json_get(record, "spec.networks");
	VM_CLEAN_JSON struct vm_json *nics = vm_json_new_array();
	bool reachable = false;
	size_t i;

	if (nics == NULL) {
		vm_error_nomem(err);
		return NULL;
	}
	for (i = 0; i < vm_json_count(wanted); i++) {
		const struct vm_json *spec = vm_json_at(wanted, i);
		struct vm_json *nic = make_nic(network, record, spec, old, i,
		    err);

		if (nic == NULL || vm_json_append(nics, nic, err) == -1) {
			vm_error_wrap(err, "networks.%zu", i);
			return NULL;
		}
		if (vm_json_string(spec, "private", NULL) == NULL)
			reachable = true;
	}
	/* an empty list is a wish for no card at all */
	if ((wanted == NULL || (i > 0 && !reachable)) &&
	    add_user(network, record, old, wanted != NULL, nics, err) == -1)
		return NULL;
	return VM_TAKE(nics);
}
