#include "lib/clone/network.h"

#include <ctype.h>
#include <string.h>

#include "lib/record/vars.h"

/* ---- what the ledger is asked for ---- */

static char *
ledger_key(const struct vm_json *record, const char *private,
    struct vm_error *err)
{
	return vm_buf_printf(err, "%s/%s",
	    vm_json_string(record, "service", ""), private);
}

int
vm_network_want(struct vm_ledger *ledger, const struct vm_json *record,
    struct vm_error *err)
{
	const struct vm_json *wanted = vm_json_get(record, "spec.networks");
	size_t i;

	for (i = 0; i < vm_json_count(wanted); i++) {
		const struct vm_json *spec = vm_json_at(wanted, i);
		const char *private = vm_json_string(spec, "private", NULL);
		VM_CLEAN_FREE char *key = NULL;

		if (vm_json_get(spec, "mac") != NULL)
			vm_ledger_want_claims(ledger);
		if (private == NULL || vm_json_get(spec, "address") != NULL)
			continue;
		key = ledger_key(record, private, err);
		if (key == NULL ||
		    vm_ledger_want_network(ledger, key, err) == -1)
			return -1;
	}
	return 0;
}

/* ---- one card ---- */

/* The MAC that is given, or that the card had, or a new one. */
static int
set_mac(struct vm_ledger *ledger, const struct vm_json *record,
    const struct vm_json *spec, const struct vm_json *before,
    struct vm_json *nic, struct vm_error *err)
{
	const char *name = vm_json_string(record, "name", "");
	const char *given = vm_json_string(spec, "mac", NULL);
	char mac[VM_LEDGER_MAC] = "";
	size_t i;

	if (given == NULL && before != NULL)
		return vm_json_set_string(nic, "mac",
		    vm_json_string(before, "mac", ""), err);
	for (i = 0; given != NULL && given[i] != '\0' && i < sizeof(mac) - 1;
	     i++)
		mac[i] = (char)tolower((unsigned char)given[i]);
	if (given == NULL ? vm_ledger_make_mac(ledger, name, mac, err) == -1 :
			    vm_ledger_claim_mac(ledger, mac, name, err) == -1)
		return -1;
	return vm_json_set_string(nic, "mac", mac, err);
}

static int
set_private_address(struct vm_ledger *ledger, const struct vm_json *record,
    const char *private, struct vm_json *nic, struct vm_error *err)
{
	VM_CLEAN_FREE char *key = ledger_key(record, private, err);
	char address[VM_LEDGER_ADDRESS];

	if (key == NULL ||
	    vm_ledger_take_address(ledger, key, address, err) == -1)
		return -1;
	return vm_json_set_string(nic, "address", address, err);
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
make_nic(struct vm_ledger *ledger, const struct vm_json *record,
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
	if (set_mac(ledger, record, spec, before, nic, err) == -1 ||
	    vm_json_set_string(nic, "network", on, err) == -1)
		return NULL;
	if (vm_json_string(spec, "address", NULL) != NULL)
		rc = set_static(record, spec, nic, err);
	else if (private != NULL && before != NULL &&
	    vm_json_string(before, "address", NULL) != NULL)
		rc = vm_json_set_string(nic, "address",
		    vm_json_string(before, "address", ""), err);
	else if (private != NULL)
		rc = set_private_address(ledger, record, private, nic, err);
	return rc == -1 ? NULL : VM_TAKE(nic);
}

/*
 * A user card more: the only one where no networks are asked for, else for ssh
 * from the host, which cannot reach the private ones.
 */
static int
add_user(struct vm_ledger *ledger, const struct vm_json *record,
    const struct vm_json *old, bool management, struct vm_json *nics,
    struct vm_error *err)
{
	VM_CLEAN_JSON struct vm_json *spec = vm_json_new_object();
	struct vm_json *nic;

	if (spec == NULL)
		return vm_error_nomem(err);
	nic = make_nic(ledger, record, spec, old, vm_json_count(nics), err);
	if (nic == NULL || vm_json_append(nics, nic, err) == -1)
		return -1;
	return management ? vm_json_set_bool(nic, "management", true, err) : 0;
}

struct vm_json *
vm_network_assign(struct vm_ledger *ledger, const struct vm_json *record,
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
		struct vm_json *nic = make_nic(ledger, record, spec, old, i,
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
	    add_user(ledger, record, old, wanted != NULL, nics, err) == -1)
		return NULL;
	return VM_TAKE(nics);
}
