#include "lib/image/jobs.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/proc.h"
#include "lib/base/progress.h"

struct crew {
	struct vm_jobs *jobs;
	int (*work)(void *context, struct vm_job *job, struct vm_error *err);
	void *context;
	pthread_mutex_t mutex; /* guards all that follows, and begun and busy */
	pthread_cond_t changed;
	size_t done;
	struct vm_error error;
};

struct vm_job *
vm_jobs_add(struct vm_jobs *jobs, struct vm_json *record, struct vm_error *err)
{
	struct vm_job *items = reallocarray(jobs->items, jobs->count + 1,
	    sizeof(*items));

	if (items == NULL) {
		vm_json_free(record);
		vm_error_nomem(err);
		return NULL;
	}
	jobs->items = items;
	items[jobs->count] = (struct vm_job){ .record = record };
	return &items[jobs->count++];
}

static bool
is_name_busy(const struct vm_jobs *jobs, const char *name)
{
	for (size_t i = 0; i < jobs->count; i++)
		if (jobs->items[i].busy &&
		    strcmp(jobs->items[i].name, name) == 0)
			return true;
	return false;
}

/* The first that may begin; *left: there are some that will. */
static struct vm_job *
find_next(const struct vm_jobs *jobs, bool *left)
{
	*left = false;
	for (size_t i = 0; i < jobs->count; i++) {
		struct vm_job *job = &jobs->items[i];

		if (!job->due || job->begun)
			continue;
		*left = true;
		if (!is_name_busy(jobs, job->name))
			return job;
	}
	return NULL;
}

/* The next job, when one may begin; NULL: there are no more. */
static struct vm_job *
claim(struct crew *c)
{
	struct vm_job *job = NULL;
	bool left = true;

	while (!vm_error_is_set(&c->error) &&
	    vm_proc_check_stop(&c->error) == 0 &&
	    (job = find_next(c->jobs, &left)) == NULL && left)
		pthread_cond_wait(&c->changed, &c->mutex);
	if (job != NULL)
		job->begun = job->busy = true;
	return job;
}

static void *
run_thread(void *arg)
{
	struct crew *c = arg;
	struct vm_job *job;

	pthread_mutex_lock(&c->mutex);
	while ((job = claim(c)) != NULL) {
		struct vm_error failure = { 0 };
		int result;

		pthread_mutex_unlock(&c->mutex);
		result = c->work(c->context, job, &failure);
		pthread_mutex_lock(&c->mutex);
		job->busy = false;
		if (result == -1 && !vm_error_is_set(&c->error))
			c->error = failure;
		vm_progress_update(++c->done);
		pthread_cond_broadcast(&c->changed);
	}
	pthread_cond_broadcast(&c->changed);
	pthread_mutex_unlock(&c->mutex);
	return NULL;
}

static void
run_threads(struct crew *c, size_t count)
{
	pthread_t *threads VM_CLEAN_FREE = calloc(count, sizeof(*threads));
	size_t begun = 0;

	while (threads != NULL && begun < count &&
	    pthread_create(&threads[begun], NULL, run_thread, c) == 0)
		begun++;
	if (begun == 0)
		run_thread(c);
	for (size_t i = 0; i < begun; i++)
		pthread_join(threads[i], NULL);
}

int
vm_jobs_run(struct vm_jobs *jobs, size_t threads,
    int (*work)(void *context, struct vm_job *job, struct vm_error *err),
    void *context, struct vm_error *err)
{
	struct crew c = { .jobs = jobs,
		.work = work,
		.context = context,
		.mutex = PTHREAD_MUTEX_INITIALIZER,
		.changed = PTHREAD_COND_INITIALIZER };

	if (threads <= 1 || jobs->count <= 1) {
		run_thread(&c);
	} else {
		vm_progress_start("images", jobs->count, VM_PROGRESS_ITEMS);
		run_threads(&c, threads < jobs->count ? threads : jobs->count);
		vm_progress_end();
	}
	pthread_cond_destroy(&c.changed);
	pthread_mutex_destroy(&c.mutex);
	if (!vm_error_is_set(&c.error))
		return 0;
	if (err != NULL)
		*err = c.error;
	return -1;
}

void
vm_jobs_release(struct vm_jobs *jobs)
{
	for (size_t i = 0; i < jobs->count; i++) {
		vm_source_release(&jobs->items[i].source);
		vm_json_free(jobs->items[i].record);
		free(jobs->items[i].name);
	}
	free(jobs->items);
	*jobs = (struct vm_jobs){ 0 };
}
