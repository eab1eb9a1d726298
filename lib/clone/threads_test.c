/* threads_test.c - each item once, whatever the number of threads. */
#include "lib/clone/threads.h"

#include <stdatomic.h>
#include <string.h>

#include "test/unit.h"

#define ITEMS 1000

static void
count_one(void *context, size_t i)
{
	atomic_int *counts = context;

	atomic_fetch_add(&counts[i], 1);
}

static void
check(size_t count, unsigned jobs, size_t each)
{
	static atomic_int counts[ITEMS + 1];
	const struct vm_threads threads = { .count = count,
		.jobs = jobs,
		.each = each,
		.work = count_one,
		.context = counts };
	size_t i;

	memset(counts, 0, sizeof(counts));
	vm_threads_run(&threads);
	for (i = 0; i <= ITEMS; i++)
		assert_int_equal(i < count, counts[i]);
}

static void
test_each_once(void **state)
{
	(void)state;
	check(0, 0, 16);
	check(1, 0, 16);
	check(1, 8, 1);
	check(ITEMS, 1, 1);
	check(ITEMS, 7, 1);
	check(ITEMS, 1000, 1);
	check(ITEMS, 0, 16);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_each_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
