#include "lib/base/queue.h"
#include "test/unit.h"

#define ITEMS 10000

static int numbers[ITEMS];

static void *
send_all(void *arg)
{
	for (int i = 0; i < ITEMS; i++) {
		numbers[i] = i;
		if (!vm_queue_put(arg, &numbers[i]))
			return arg;
	}
	vm_queue_end(arg);
	return NULL;
}

static void
test_items_come_in_order_and_end(void **state)
{
	struct vm_queue queue;
	pthread_t thread;
	void *result, *item;
	int next = 0;

	(void)state;
	vm_queue_init(&queue, 3);
	assert_int_equal(pthread_create(&thread, NULL, send_all, &queue), 0);
	while ((item = vm_queue_get(&queue)) != NULL)
		assert_int_equal(*(int *)item, next++);
	assert_int_equal(next, ITEMS);
	pthread_join(thread, &result);
	assert_null(result);
	vm_queue_release(&queue);
}

static void
test_a_stop_frees_a_waiting_writer(void **state)
{
	struct vm_queue queue;
	pthread_t thread;
	void *result;

	(void)state;
	vm_queue_init(&queue, 1);
	assert_int_equal(pthread_create(&thread, NULL, send_all, &queue), 0);
	assert_non_null(vm_queue_get(&queue));
	vm_queue_stop(&queue);
	pthread_join(thread, &result);
	assert_ptr_equal(result, &queue);
	assert_null(vm_queue_get(&queue));
	vm_queue_release(&queue);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_items_come_in_order_and_end),
		cmocka_unit_test(test_a_stop_frees_a_waiting_writer),
	};

	return cmocka_run_group_tests_name("queue", tests, NULL, NULL);
}
