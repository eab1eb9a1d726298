/* ledger_test.c - addresses, MACs and UUIDs that only one VM gets. */
#include "lib/clone/ledger.h"

#include <string.h>

#include "lib/store/lock.h"
#include "test/store_objects.h"

/* A VM with this identity in the store. */
static void
put_vm(struct vm_store *store, const char *name, const char *identity)
{
	char text[512];

	snprintf(text, sizeof(text),
	    "{\"vmpipe\":1,\"kind\":\"vm\",\"name\":\"%s\",\"identity\":%s}",
	    name, identity);
	assert_int_equal(0, make(store, name, text, VM_PUBLISH_NEW, NULL));
}

static void
take(struct vm_ledger *ledger, const char *network, const char *end)
{
	char address[VM_LEDGER_ADDRESS];
	struct vm_error err = { 0 };

	assert_int_equal(0,
	    vm_ledger_take_address(ledger, network, address, &err));
	assert_memory_equal("10.", address, 3);
	assert_string_equal(end, strrchr(address, '.'));
}

static void
test_addresses(void **state)
{
	const struct fixture *f = *state;
	VM_CLEAN_STORE struct vm_store *store = fixture_open(f, NULL);
	VM_CLEAN_LEDGER struct vm_ledger *ledger = vm_ledger_new(store, NULL);
	VM_CLEAN_LEDGER struct vm_ledger *next = vm_ledger_new(store, NULL);
	char address[VM_LEDGER_ADDRESS], identity[128];
	struct vm_error err = { 0 };
	int i;

	put_master(store);
	assert_int_equal(0, vm_ledger_want_network(ledger, "s/a", &err));
	assert_int_equal(0, vm_ledger_want_network(ledger, "s/b", &err));
	assert_int_equal(0, vm_ledger_want_network(ledger, "s/a", &err));
	assert_int_equal(0, vm_ledger_open(ledger, &err));
	assert_int_equal(2, fixture_count(store, VM_STORE_LOCKS));
	take(ledger, "s/a", ".11/20");
	take(ledger, "s/b", ".11/20");
	assert_int_equal(0,
	    vm_ledger_take_address(ledger, "s/a", address, &err));
	assert_string_equal(".12/20", strrchr(address, '.'));
	vm_ledger_free(VM_TAKE(ledger));
	/* what a VM has is left out; what was not published is free again */
	snprintf(identity, sizeof(identity),
	    "{\"nics\":[{\"address\":\"%s\"}]}", address);
	put_vm(store, "has-12", identity);
	assert_int_equal(0, vm_ledger_want_network(next, "s/a", &err));
	assert_int_equal(0, vm_ledger_open(next, &err));
	take(next, "s/a", ".11/20");
	for (i = 13; i <= 4094; i++)
		assert_int_equal(0,
		    vm_ledger_take_address(next, "s/a", address, &err));
	assert_string_equal(".254/20", strrchr(address, '.'));
	assert_int_equal(-1,
	    vm_ledger_take_address(next, "s/a", address, &err));
	assert_string_equal("network_full", err.code);
	assert_int_equal(-1,
	    vm_ledger_take_address(next, "s/b", address, &err));
	assert_int_equal(VM_E_BUG, err.kind);
}

static void
test_claims(void **state)
{
	const struct fixture *f = *state;
	VM_CLEAN_STORE struct vm_store *store = fixture_open(f, NULL);
	VM_CLEAN_LEDGER struct vm_ledger *ledger = vm_ledger_new(store, NULL);
	struct vm_error err = { 0 };

	put_master(store);
	put_vm(store, "a",
	    "{\"uuid\":\"abc\",\"nics\":[{\"mac\":\"52:00:00:00:00:0A\"}]}");
	vm_ledger_want_claims(ledger);
	assert_int_equal(0, vm_ledger_open(ledger, &err));
	assert_int_equal(0,
	    vm_ledger_claim_mac(ledger, "52:00:00:00:00:0a", "a", &err));
	assert_int_equal(-1,
	    vm_ledger_claim_mac(ledger, "52:00:00:00:00:0a", "b", &err));
	assert_int_equal(VM_E_EXISTS, err.kind);
	assert_string_equal("mac_taken", err.code);
	assert_string_equal("MAC 52:00:00:00:00:0a: a has it", err.message);
	assert_int_equal(-1, vm_ledger_claim_uuid(ledger, "ABC", "b", &err));
	assert_string_equal("uuid_taken", err.code);
	assert_int_equal(0, vm_ledger_claim_uuid(ledger, "abd", "b", &err));
	assert_int_equal(-1, vm_ledger_claim_uuid(ledger, "abd", "c", &err));
}

/* Nothing is asked for: no lock, and none that is held is waited for. */
static void
test_nothing(void **state)
{
	const struct fixture *f = *state;
	VM_CLEAN_STORE struct vm_store *store = fixture_open(f, NULL);
	VM_CLEAN_LEDGER struct vm_ledger *ledger = vm_ledger_new(store, NULL);
	char mac[VM_LEDGER_MAC], other[VM_LEDGER_MAC];
	struct vm_error err = { 0 };

	assert_int_equal(0, vm_ledger_open(ledger, &err));
	assert_int_equal(0, fixture_count(store, VM_STORE_LOCKS));
	assert_int_equal(0, vm_ledger_make_mac(ledger, "a", mac, &err));
	assert_int_equal(0, vm_ledger_make_mac(ledger, "a", other, &err));
	assert_string_not_equal(mac, other);
	assert_int_equal(VM_LEDGER_MAC - 1, strlen(mac));
	assert_memory_equal("52:", mac, 3);
	assert_int_equal(-1, vm_ledger_claim_mac(ledger, mac, "b", &err));
}

/* They are free again with the ledger, not before. */
static void
test_locks(void **state)
{
	const struct fixture *f = *state;
	VM_CLEAN_STORE struct vm_store *store = fixture_open(f, NULL);
	VM_CLEAN_LEDGER struct vm_ledger *ledger = vm_ledger_new(store, NULL);
	int locks = store->fds[VM_STORE_LOCKS];
	struct vm_error err = { 0 };

	vm_ledger_want_claims(ledger);
	assert_int_equal(0, vm_ledger_want_network(ledger, "s/a", &err));
	assert_int_equal(0, vm_ledger_open(ledger, &err));
	assert_int_equal(2, fixture_count(store, VM_STORE_LOCKS));
	assert_int_equal(1, vm_lock_is_held(locks, "identity", &err));
	vm_ledger_free(VM_TAKE(ledger));
	assert_int_equal(0, vm_lock_is_held(locks, "identity", &err));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_addresses, fixture_setup,
		    fixture_teardown),
		cmocka_unit_test_setup_teardown(test_claims, fixture_setup,
		    fixture_teardown),
		cmocka_unit_test_setup_teardown(test_nothing, fixture_setup,
		    fixture_teardown),
		cmocka_unit_test_setup_teardown(test_locks, fixture_setup,
		    fixture_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
