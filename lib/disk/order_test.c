#include "lib/disk/order.h"

#include "lib/base/clean.h"
#include "test/unit.h"

#define COUNT 1000

static void
test_gives_the_first_that_can_be_done(void **state)
{
	struct vm_order order VM_CLEAN(vm_order_release) = { 0 };
	struct vm_error err = { 0 };
	uint64_t needs[COUNT], number = 77, seed = 1, popped = 0;

	(void)state;
	assert_false(vm_order_pop(&order, UINT64_MAX, &number));
	for (uint64_t i = 0; i < COUNT; i++) {
		seed = seed * 6364136223846793005u + 1442695040888963407u;
		needs[i] = 1 + (seed >> 54);
		assert_int_equal(vm_order_push(&order, needs[i], i, &err), 0);
	}
	assert_false(vm_order_pop(&order, 0, &number));
	assert_int_equal(number, 77);
	for (uint64_t there = 1; there <= 1024; there++)
		while (vm_order_pop(&order, there, &number)) {
			assert_int_equal(needs[number], there);
			popped++;
		}
	assert_int_equal(popped, COUNT);
}

static void
test_same_needs_come_by_number(void **state)
{
	struct vm_order order VM_CLEAN(vm_order_release) = { 0 };
	struct vm_error err = { 0 };
	uint64_t number = 77;

	(void)state;
	for (uint64_t i = 0; i < 100; i++)
		assert_int_equal(vm_order_push(&order, 5 + i % 2, i, &err), 0);
	assert_false(vm_order_pop(&order, 4, &number));
	assert_int_equal(number, 77);
	for (uint64_t i = 0; i < 100; i++) {
		assert_true(vm_order_pop(&order, i < 50 ? 5 : 6, &number));
		assert_int_equal(number, i < 50 ? 2 * i : 2 * (i - 50) + 1);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_gives_the_first_that_can_be_done),
		cmocka_unit_test(test_same_needs_come_by_number),
	};

	return cmocka_run_group_tests_name("order", tests, NULL, NULL);
}
