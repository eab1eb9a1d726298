#include "lib/guest/appliance.h"

#include <sys/prctl.h>
#include <sys/wait.h>

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "lib/base/clock.h"
#include "lib/base/proc.h"
#include "lib/base/progress.h"
#include "lib/guest/appliance_child.h"
#include "lib/guest/report.h"

#define DRIVES_MAX 50 /* in one appliance: 21 s to start with them */
#define WORTH_ONE 6   /* light jobs that are worth an appliance */
#define POLL_MS 500   /* how late we see that we were told to stop */
#define NONE SIZE_MAX

/* The jobs of one appliance. */
struct batch {
	struct vm_change **jobs;
	size_t count;
	size_t current; /* the job being worked on, or NONE */
	bool *said;	/* by job: a report came */
	pid_t pid;
	int fd; /* its reports; -1: not running */
	struct vm_buf input;
	uint64_t deadline_ms;
	bool ended; /* in good order */
	bool timed_out;
	struct vm_error broken;
};

/* A round: every pending job in a batch. */
struct round {
	struct vm_store *store;
	const struct vm_appliance_options *options;
	struct batch *batches;
	size_t count, next, running;
	size_t *done; /* for the progress line */
};

void
vm_appliance_release(struct vm_change *job)
{
	vm_json_free(job->found);
	vm_json_free(job->warnings);
	job->found = job->warnings = NULL;
}

static void
release_round(struct round *round)
{
	for (size_t i = 0; i < round->count; i++) {
		struct batch *batch = &round->batches[i];

		if (batch->fd >= 0) {
			kill(-batch->pid, SIGKILL);
			kill(batch->pid, SIGKILL);
			while (waitpid(batch->pid, NULL, 0) == -1 &&
			    errno == EINTR)
				continue;
			close(batch->fd);
		}
		free(batch->jobs);
		free(batch->said);
		vm_buf_release(&batch->input);
	}
	free(round->batches);
}

/* ---- dealing ---- */

static size_t
max_appliances(const struct vm_appliance_options *options)
{
	long cores = sysconf(_SC_NPROCESSORS_ONLN);

	if (options->appliances > 0)
		return options->appliances;
	return cores > 0 ? (size_t)cores : 1;
}

static size_t
count_appliances(const struct vm_appliance_options *options,
    struct vm_change *const *jobs, size_t count)
{
	size_t most = max_appliances(options);
	size_t weight = 0;

	for (size_t i = 0; i < count; i++)
		weight += jobs[i]->heavy ? WORTH_ONE : 1;
	weight /= WORTH_ONE;
	return weight < 1 ? 1 : weight < most ? weight : most;
}

static int
add_batch(struct round *round, struct vm_change *const *jobs, size_t count,
    struct vm_error *err)
{
	struct batch *batch = &round->batches[round->count];

	*batch = (struct batch){ .fd = -1, .current = NONE, .count = count };
	batch->jobs = calloc(count, sizeof(struct vm_change *));
	batch->said = calloc(count, sizeof *batch->said);
	round->count++;
	if (batch->jobs == NULL || batch->said == NULL)
		return vm_error_nomem(err);
	memcpy(batch->jobs, jobs, count * sizeof(struct vm_change *));
	return 0;
}

/* Deal jobs that are alike in needing a network, in order. */
static int
deal(struct round *round, struct vm_change *const *jobs, size_t count,
    struct vm_error *err)
{
	size_t share,
	    appliances = count_appliances(round->options, jobs, count);

	share = (count + appliances - 1) / appliances;
	if (share > DRIVES_MAX)
		share = DRIVES_MAX;
	for (size_t at = 0; at < count; at += share)
		if (add_batch(round, jobs + at,
			at + share < count ? share : count - at, err) == -1)
			return -1;
	return 0;
}

/* Everything that is neither done nor failed. */
static int
deal_all(struct round *round, struct vm_change *const *jobs, size_t count,
    struct vm_error *err)
{
	VM_CLEAN_FREE struct vm_change **alike = calloc(count + 1,
	    sizeof(struct vm_change *));

	round->batches = calloc(count + 1, sizeof *round->batches);
	if (alike == NULL || round->batches == NULL)
		return vm_error_nomem(err);
	for (int network = 0; network < 2; network++) {
		size_t n = 0;

		for (size_t i = 0; i < count; i++)
			if (!jobs[i]->is_done &&
			    !vm_error_is_set(&jobs[i]->error) &&
			    jobs[i]->network == (network == 1))
				alike[n++] = jobs[i];
		if (n > 0 && deal(round, alike, n, err) == -1)
			return -1;
	}
	return 0;
}

/* ---- one batch ---- */

/* Leave out the jobs whose disk cannot be made. */
static void
make_disks(struct batch *batch)
{
	size_t kept = 0;

	for (size_t i = 0; i < batch->count; i++)
		if (batch->jobs[i]->make_disk(batch->jobs[i],
			&batch->jobs[i]->error) == 0)
			batch->jobs[kept++] = batch->jobs[i];
	batch->count = kept;
}

static void
touch_deadline(struct batch *batch, uint64_t timeout_ms)
{
	batch->deadline_ms = timeout_ms == 0 ? UINT64_MAX :
					       vm_clock_ms() + timeout_ms;
}

static int
start_batch(struct round *round, struct batch *batch, struct vm_error *err)
{
	pid_t parent = getpid();
	int pipe_fds[2];

	make_disks(batch);
	if (batch->count == 0)
		return 0;
	if (pipe2(pipe_fds, O_CLOEXEC) == -1)
		return vm_error_errno(err, errno, "pipe");
	batch->pid = fork();
	if (batch->pid == -1) {
		vm_error_errno(err, errno, "fork");
		close(pipe_fds[0]);
		close(pipe_fds[1]);
		return -1;
	}
	if (batch->pid == 0) {
		setpgid(0, 0);
		if (prctl(PR_SET_PDEATHSIG, SIGKILL) == -1 ||
		    getppid() != parent)
			_exit(1);
		close(pipe_fds[0]);
		vm_appliance_child_run(round->store, batch->jobs, batch->count,
		    pipe_fds[1]);
	}
	setpgid(batch->pid, batch->pid);
	close(pipe_fds[1]);
	batch->fd = pipe_fds[0];
	touch_deadline(batch, round->options->timeout_ms);
	round->running++;
	return 0;
}

static void
take_report(struct round *round, struct batch *batch, struct vm_report *report)
{
	struct vm_change *job;

	touch_deadline(batch, round->options->timeout_ms);
	switch (report->event) {
	case VM_REPORT_END:
		batch->ended = true;
		return;
	case VM_REPORT_BROKEN:
		batch->broken = report->error;
		return;
	case VM_REPORT_START:
	case VM_REPORT_DONE:
		break;
	}
	if (report->job >= batch->count)
		return;
	if (report->event == VM_REPORT_START) {
		batch->current = report->job;
		return;
	}
	job = batch->jobs[report->job];
	batch->current = NONE;
	batch->said[report->job] = true;
	job->error = report->error;
	job->ms = report->ms;
	vm_appliance_release(job);
	job->found = VM_TAKE(report->layout);
	job->warnings = VM_TAKE(report->warnings);
	vm_progress_update(++*round->done);
}

/* Read what has come; 0 at the end of the child's reports. */
static int
read_reports(struct round *round, struct batch *batch)
{
	char data[4096], *end;
	ssize_t n = read(batch->fd, data, sizeof data);

	if (n == -1)
		return errno == EINTR || errno == EAGAIN;
	if (n == 0 ||
	    vm_buf_add(&batch->input, data, (size_t)n, &batch->broken) == -1)
		return 0;
	while ((end = memchr(batch->input.data, '\n', batch->input.len)) !=
	    NULL) {
		size_t len = (size_t)(end - batch->input.data);
		VM_CLEAN_REPORT struct vm_report report = { 0 };

		if (vm_report_parse(batch->input.data, len, &report,
			&batch->broken) == -1)
			return 0;
		take_report(round, batch, &report);
		vm_buf_consume(&batch->input, len + 1);
	}
	return 1;
}

/* What became of the jobs, once their child is gone. */
static void
settle_batch(struct round *round, struct batch *batch)
{
	if (batch->timed_out)
		vm_error_set(&batch->broken, VM_E_TRY_AGAIN, "timeout",
		    "the appliance has not answered in %llu s, ended",
		    (unsigned long long)round->options->timeout_ms / 1000);
	else if (!vm_error_is_set(&batch->broken))
		vm_error_set(&batch->broken, VM_E_UNAVAILABLE, "engine",
		    "the appliance has died");
	for (size_t i = 0; i < batch->count; i++) {
		struct vm_change *job = batch->jobs[i];

		if (vm_error_is_set(&job->error))
			continue;
		if (batch->ended && batch->said[i])
			job->is_done = true;
		else if (i == batch->current || batch->current == NONE)
			/* the culprit; and when there is none, everybody */
			job->error = batch->broken;
		else if (batch->said[i])
			--*round->done;
	}
}

/* The child is at its end, or made to be. */
static void
end_batch(struct round *round, struct batch *batch)
{
	kill(-batch->pid, SIGKILL);
	while (waitpid(batch->pid, NULL, 0) == -1 && errno == EINTR)
		continue;
	close(batch->fd);
	batch->fd = -1;
	round->running--;
	settle_batch(round, batch);
}

/* ---- a round ---- */

/* Wait for the running ones once. */
static int
wait_round(struct round *round, struct vm_error *err)
{
	VM_CLEAN_FREE struct pollfd *fds = calloc(round->count, sizeof *fds);
	uint64_t now;

	if (fds == NULL)
		return vm_error_nomem(err);
	for (size_t i = 0; i < round->count; i++)
		fds[i] = (struct pollfd){ .fd = round->batches[i].fd,
			.events = POLLIN };
	if (poll(fds, round->count, POLL_MS) == -1 && errno != EINTR)
		return vm_error_errno(err, errno, "poll");
	if (vm_proc_check_stop(err) == -1)
		return -1;
	now = vm_clock_ms();
	for (size_t i = 0; i < round->count; i++) {
		struct batch *batch = &round->batches[i];

		if (batch->fd < 0)
			continue;
		batch->timed_out = fds[i].revents == 0 &&
		    now >= batch->deadline_ms;
		if (batch->timed_out ||
		    (fds[i].revents != 0 && read_reports(round, batch) == 0))
			end_batch(round, batch);
	}
	return 0;
}

static int
run_round(struct round *round, size_t most, struct vm_error *err)
{
	while (round->next < round->count || round->running > 0) {
		if (round->next < round->count && round->running < most) {
			if (start_batch(round, &round->batches[round->next++],
				err) == -1)
				return -1;
			continue;
		}
		if (wait_round(round, err) == -1)
			return -1;
	}
	return 0;
}

int
vm_appliance_run(struct vm_store *store, struct vm_change *const *jobs,
    size_t count, const struct vm_appliance_options *options,
    struct vm_error *err)
{
	size_t most = max_appliances(options);
	size_t done = 0;
	int result = 0;

	vm_progress_start("guests", count, VM_PROGRESS_ITEMS);
	for (;;) {
		VM_CLEAN(release_round)
		struct round round = {
			.store = store, .options = options, .done = &done
		};

		result = deal_all(&round, jobs, count, err);
		if (result == -1 || round.count == 0)
			break;
		result = run_round(&round, most, err);
		if (result == -1)
			break;
	}
	vm_progress_end();
	return result;
}
