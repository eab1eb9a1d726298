#include "lib/clone/threads.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>

#define THREADS_MAX 64

struct pool {
	const struct vm_threads *threads;
	atomic_size_t next;
};

static void *
run_worker(void *arg)
{
	struct pool *pool = arg;
	size_t i;

	while ((i = atomic_fetch_add(&pool->next, 1)) < pool->threads->count)
		pool->threads->work(pool->threads->context, i);
	return NULL;
}

static unsigned
count_threads(const struct vm_threads *threads)
{
	cpu_set_t cpus;
	unsigned count = threads->jobs;
	size_t useful = threads->count / threads->each + 1;

	if (count == 0)
		count = sched_getaffinity(0, sizeof(cpus), &cpus) == 0 ?
		    (unsigned)CPU_COUNT(&cpus) :
		    1;
	if (count > useful)
		count = (unsigned)useful;
	return count > THREADS_MAX ? THREADS_MAX : count;
}

void
vm_threads_run(const struct vm_threads *threads)
{
	struct pool pool = { .threads = threads, .next = 0 };
	unsigned wanted = count_threads(threads), started = 0, i;
	pthread_t ids[THREADS_MAX];

	for (i = 1; i < wanted; i++) {
		if (pthread_create(&ids[started], NULL, run_worker, &pool) == 0)
			started++;
	}
	run_worker(&pool);
	for (i = 0; i < started; i++)
		pthread_join(ids[i], NULL);
}
