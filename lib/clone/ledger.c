#include "lib/clone/ledger.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/adapt/crypto_hash.h"
#include "lib/store/lock.h"
#include "lib/store/vm.h"

#define HOST_FIRST 11
#define HOST_LAST 4094 /* 4095 is the /20's broadcast address */
#define WAIT_MS 300000 /* another batch may be of 10,000 */
#define KEY_TEXT 64    /* of a MAC or UUID */
#define CLAIMS "identity"

/* One private network that is asked for. */
struct subnet {
	char *network; /* "service/name" */
	char lock[24]; /* its name among the store's locks */
	uint32_t base; /* 10.A.B.0, host order */
	bool used[HOST_LAST + 1];
};

struct vm_ledger {
	struct vm_store *store;
	struct subnet **subnets;
	size_t count;
	bool claims;
	int *lock_fds;
	size_t lock_count;
	struct vm_json *taken; /* MAC or UUID: the VM that has it */
};

struct vm_ledger *
vm_ledger_new(struct vm_store *store, struct vm_error *err)
{
	struct vm_ledger *ledger = calloc(1, sizeof(*ledger));

	if (ledger == NULL || (ledger->taken = vm_json_new_object()) == NULL) {
		free(ledger);
		vm_error_nomem(err);
		return NULL;
	}
	ledger->store = store;
	return ledger;
}

void
vm_ledger_free(struct vm_ledger *ledger)
{
	size_t i;

	if (ledger == NULL)
		return;
	for (i = 0; i < ledger->lock_count; i++)
		vm_clean_fd(&ledger->lock_fds[i]);
	for (i = 0; i < ledger->count; i++) {
		free(ledger->subnets[i]->network);
		free(ledger->subnets[i]);
	}
	vm_json_free(ledger->taken);
	free(ledger->lock_fds);
	free(ledger->subnets);
	free(ledger);
}

void
vm_ledger_clean(struct vm_ledger **ledger)
{
	vm_ledger_free(*ledger);
}

/* ---- what is wanted ---- */

static struct subnet *
find_subnet(const struct vm_ledger *ledger, const char *network)
{
	size_t i;

	for (i = 0; i < ledger->count; i++) {
		if (strcmp(ledger->subnets[i]->network, network) == 0)
			return ledger->subnets[i];
	}
	return NULL;
}

static struct subnet *
new_subnet(const char *network, struct vm_error *err)
{
	struct subnet *subnet = calloc(1, sizeof(*subnet));
	char hex[VM_HASH_SHA256_HEX], digits[5];
	unsigned long bits;

	if (subnet == NULL || (subnet->network = strdup(network)) == NULL) {
		vm_error_nomem(err);
	} else if (vm_hash_sha256(network, strlen(network), hex, err) == 0) {
		snprintf(digits, sizeof(digits), "%.4s", hex);
		bits = strtoul(digits, NULL, 16);
		subnet->base = (uint32_t)(10UL << 24 |
		    (64 + (bits >> 8) % 64) << 16 | (bits & 0xf0) << 8);
		snprintf(subnet->lock, sizeof(subnet->lock), "net-%.16s", hex);
		return subnet;
	}
	if (subnet != NULL)
		free(subnet->network);
	free(subnet);
	return NULL;
}

int
vm_ledger_want_network(struct vm_ledger *ledger, const char *network,
    struct vm_error *err)
{
	struct subnet **grown;

	if (find_subnet(ledger, network) != NULL)
		return 0;
	grown = realloc(ledger->subnets,
	    (ledger->count + 1) * sizeof(struct subnet *));
	if (grown == NULL)
		return vm_error_nomem(err);
	ledger->subnets = grown;
	grown[ledger->count] = new_subnet(network, err);
	if (grown[ledger->count] == NULL)
		return -1;
	ledger->count++;
	return 0;
}

void
vm_ledger_want_claims(struct vm_ledger *ledger)
{
	ledger->claims = true;
}

/* ---- opening it ---- */

/* Mark the address of every card on this network in one VM's record. */
static void
mark_used(struct subnet *subnet, const struct vm_json *nics)
{
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

/* In lower case: MACs and UUIDs are numbers. */
static void
make_key(const char *value, char key[KEY_TEXT])
{
	size_t i;

	for (i = 0; i < KEY_TEXT - 1 && value[i] != '\0'; i++)
		key[i] = (char)tolower((unsigned char)value[i]);
	key[i] = '\0';
}

static int
note_taken(struct vm_ledger *ledger, const char *value, const char *name,
    struct vm_error *err)
{
	char key[KEY_TEXT];

	make_key(value, key);
	return vm_json_set_member(ledger->taken, key, vm_json_new_string(name),
	    err);
}

/*
 * Addresses of other networks that fall into the same range are left alone too:
 * that costs nothing and spares a reader the doubt.
 */
static int
read_vm(struct vm_ledger *ledger, const struct vm_json *record,
    struct vm_error *err)
{
	const struct vm_json *nics = vm_json_get(record, "identity.nics");
	const char *name = vm_json_string(record, "name", "");
	size_t i;

	for (i = 0; i < ledger->count; i++)
		mark_used(ledger->subnets[i], nics);
	for (i = 0; i < vm_json_count(nics); i++) {
		const char *mac = vm_json_string(vm_json_at(nics, i), "mac",
		    "");

		if (note_taken(ledger, mac, name, err) == -1)
			return -1;
	}
	return note_taken(ledger, vm_json_string(record, "identity.uuid", ""),
	    name, err);
}

/* 1: a record; 0: it vanished meanwhile or is damaged, and so has nothing. */
static int
load(struct vm_store *store, const char *name, struct vm_json **record,
    struct vm_error *err)
{
	struct vm_error failure = { 0 };

	*record = vm_vm_load(store, name, false, &failure);
	if (*record != NULL)
		return 1;
	if (failure.kind == VM_E_NO_INPUT || failure.kind == VM_E_DATA ||
	    failure.kind == VM_E_CONFIG || failure.kind == VM_E_USAGE)
		return 0;
	if (err != NULL)
		*err = failure;
	return -1;
}

static int
read_store(struct vm_ledger *ledger, struct vm_error *err)
{
	VM_CLEAN_NAMES char **names = vm_store_list(ledger->store, VM_STORE_VMS,
	    err);
	size_t i;

	if (names == NULL)
		return -1;
	for (i = 0; names[i] != NULL; i++) {
		VM_CLEAN_JSON struct vm_json *record = NULL;
		int found = load(ledger->store, names[i], &record, err);

		if (found == -1 ||
		    (found == 1 && read_vm(ledger, record, err) == -1))
			return -1;
	}
	return 0;
}

static int
take_lock(struct vm_ledger *ledger, const char *lock, const char *what,
    struct vm_error *err)
{
	int fd = vm_lock_named(ledger->store, lock, WAIT_MS, err);

	if (fd == -1)
		return vm_error_wrap(err, "%s", what);
	ledger->lock_fds[ledger->lock_count++] = fd;
	return 0;
}

static int
compare_subnets(const void *a, const void *b)
{
	return strcmp((*(struct subnet *const *)a)->lock,
	    (*(struct subnet *const *)b)->lock);
}

int
vm_ledger_open(struct vm_ledger *ledger, struct vm_error *err)
{
	size_t i;

	if (ledger->count == 0 && !ledger->claims)
		return 0;
	ledger->lock_fds = calloc(ledger->count + 1, sizeof(int));
	if (ledger->lock_fds == NULL)
		return vm_error_nomem(err);
	if (ledger->claims &&
	    take_lock(ledger, CLAIMS, "MACs and UUIDs", err) == -1)
		return -1;
	if (ledger->count > 0)
		qsort(ledger->subnets, ledger->count, sizeof(struct subnet *),
		    compare_subnets);
	for (i = 0; i < ledger->count; i++) {
		if (take_lock(ledger, ledger->subnets[i]->lock,
			ledger->subnets[i]->network, err) == -1)
			return -1;
	}
	return read_store(ledger, err);
}

/* ---- taking from it ---- */

int
vm_ledger_take_address(struct vm_ledger *ledger, const char *network,
    char address[VM_LEDGER_ADDRESS], struct vm_error *err)
{
	struct subnet *subnet = find_subnet(ledger, network);
	uint32_t host, value;

	if (subnet == NULL)
		return vm_error_set(err, VM_E_BUG, "ledger",
		    "%s: not asked for before", network);
	for (host = HOST_FIRST; host <= HOST_LAST; host++) {
		if (!subnet->used[host])
			break;
	}
	if (host > HOST_LAST)
		return vm_error_set(err, VM_E_SYSTEM, "network_full",
		    "private network %s: all %d addresses are in use", network,
		    HOST_LAST - HOST_FIRST + 1);
	subnet->used[host] = true;
	value = subnet->base + host;
	snprintf(address, VM_LEDGER_ADDRESS, "%u.%u.%u.%u/20", value >> 24,
	    value >> 16 & 255, value >> 8 & 255, value & 255);
	return 0;
}

int
vm_ledger_make_mac(struct vm_ledger *ledger, const char *name,
    char mac[VM_LEDGER_MAC], struct vm_error *err)
{
	unsigned char b[5];

	do {
		if (vm_hash_random(b, sizeof(b), err) == -1)
			return -1;
		snprintf(mac, VM_LEDGER_MAC, "52:%02x:%02x:%02x:%02x:%02x",
		    b[0], b[1], b[2], b[3], b[4]);
	} while (vm_json_member(ledger->taken, mac) != NULL);
	return note_taken(ledger, mac, name, err);
}

static int
claim(struct vm_ledger *ledger, const char *what, const char *code,
    const char *value, const char *name, struct vm_error *err)
{
	char key[KEY_TEXT];
	const char *has;

	make_key(value, key);
	has = vm_json_text(vm_json_member(ledger->taken, key));
	if (has == NULL)
		return note_taken(ledger, key, name, err);
	if (strcmp(has, name) == 0)
		return 0;
	return vm_error_set(err, VM_E_EXISTS, code, "%s %s: %s has it", what,
	    key, has);
}

int
vm_ledger_claim_mac(struct vm_ledger *ledger, const char *mac, const char *name,
    struct vm_error *err)
{
	return claim(ledger, "MAC", "mac_taken", mac, name, err);
}

int
vm_ledger_claim_uuid(struct vm_ledger *ledger, const char *uuid,
    const char *name, struct vm_error *err)
{
	return claim(ledger, "UUID", "uuid_taken", uuid, name, err);
}
