#include "test/unit.h"

#include <string.h>

#include "lib/base/nearest.h"

static const char *const keys[] = { "memory", "cpus", "customize", "networks",
	"ready", "replicas", NULL };

static void
test_near(void **state)
{
	(void)state;
	assert_string_equal(vm_nearest_find("memroy", keys), "memory");
	assert_string_equal(vm_nearest_find("cpu", keys), "cpus");
	assert_string_equal(vm_nearest_find("cusotmise", keys), "customize");
	assert_string_equal(vm_nearest_find("ready", keys), "ready");
}

static void
test_far(void **state)
{
	char word[VM_NEAREST_MAX + 2];

	(void)state;
	assert_null(vm_nearest_find("zebra", keys));
	assert_null(vm_nearest_find("", keys));
	memset(word, 'm', sizeof(word) - 1);
	word[sizeof(word) - 1] = '\0';
	assert_null(vm_nearest_find(word, keys));
}

/* A swap of neighbours is one step, not two. */
static void
test_swap(void **state)
{
	struct vm_nearest nearest = { .word = "memroy" };

	(void)state;
	vm_nearest_offer(&nearest, "memory");
	assert_int_equal(nearest.distance, 1);
	vm_nearest_offer(&nearest, "memroi");
	assert_string_equal(nearest.best, "memory");
	vm_nearest_offer(&nearest, "memroy");
	assert_int_equal(nearest.distance, 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_near),
		cmocka_unit_test(test_far),
		cmocka_unit_test(test_swap),
	};

	return cmocka_run_group_tests_name("nearest", tests, NULL, NULL);
}
