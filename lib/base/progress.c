#include "lib/base/progress.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "lib/base/clock.h"
#include "lib/base/log.h"
#include "lib/base/size.h"

#define REDRAW_MS 100

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static atomic_int asked; /* SIGUSR1 came, to whatever thread */
static int drawing;	 /* a terminal is there */
static struct {
	char subject[128];
	enum vm_progress_unit unit;
	uint64_t total, done, started_ms, drawn_ms;
	int active, on_screen;
} work;

static void
note_usr1(int signo)
{
	(void)signo;
	asked = 1;
}

void
vm_progress_setup(int draw)
{
	struct sigaction sa = { .sa_handler = note_usr1,
		.sa_flags = SA_RESTART };

	drawing = draw;
	sigemptyset(&sa.sa_mask);
	sigaction(SIGUSR1, &sa, NULL);
}

static void
format_amount(uint64_t amount, char out[VM_SIZE_TEXT])
{
	vm_size_format(amount, work.unit == VM_PROGRESS_ITEMS, out);
}

/* "subject: 120M of 300M (40%), 12M/s, 15s left" */
static void
format_line(char *out, size_t size)
{
	char done[VM_SIZE_TEXT], total[VM_SIZE_TEXT], rate[VM_SIZE_TEXT];
	uint64_t elapsed_ms = vm_clock_ms() - work.started_ms;
	uint64_t per_s = elapsed_ms == 0 ? 0 : work.done * 1000 / elapsed_ms;
	size_t used;

	format_amount(work.done, done);
	format_amount(work.total, total);
	format_amount(per_s, rate);
	snprintf(out, size, "%s: %s", work.subject, done);
	used = strlen(out);
	if (work.total > 0)
		used += (size_t)snprintf(out + used, size - used,
		    " of %s (%u%%)", total,
		    (unsigned)((double)work.done * 100 / (double)work.total));
	if (used < size && elapsed_ms >= 1000)
		used += (size_t)snprintf(out + used, size - used, ", %s/s",
		    rate);
	if (used < size && elapsed_ms >= 1000 && per_s > 0 &&
	    work.total > work.done)
		snprintf(out + used, size - used, ", %llus left",
		    (unsigned long long)((work.total - work.done) / per_s));
}

/* Nothing can be done about a stderr that cannot be written. */
static void
put(const char *text)
{
	if (write(STDERR_FILENO, text, strlen(text)) == -1)
		return;
}

static void
clear_locked(void)
{
	if (work.on_screen)
		put("\r\033[K");
	work.on_screen = 0;
}

static void
draw_locked(void)
{
	char line[400], text[512];
	uint64_t now = vm_clock_ms();

	if (atomic_exchange(&asked, 0) != 0) {
		clear_locked();
		format_line(line, sizeof(line));
		snprintf(text, sizeof(text), "%s: %s\n", vm_log_name(), line);
		put(text);
	}
	if (!drawing || now - work.drawn_ms < REDRAW_MS)
		return;
	work.drawn_ms = now;
	format_line(line, sizeof(line));
	snprintf(text, sizeof(text), "\r\033[K%.120s", line);
	put(text);
	work.on_screen = 1;
}

void
vm_progress_start(const char *subject, uint64_t total,
    enum vm_progress_unit unit)
{
	pthread_mutex_lock(&mutex);
	memset(&work, 0, sizeof(work));
	vm_log_escape(subject, work.subject, sizeof(work.subject));
	work.unit = unit;
	work.total = total;
	work.started_ms = vm_clock_ms();
	work.active = 1;
	pthread_mutex_unlock(&mutex);
}

void
vm_progress_total(uint64_t total)
{
	pthread_mutex_lock(&mutex);
	work.total = total;
	pthread_mutex_unlock(&mutex);
}

void
vm_progress_update(uint64_t done)
{
	pthread_mutex_lock(&mutex);
	if (work.active) {
		work.done = done;
		draw_locked();
	}
	pthread_mutex_unlock(&mutex);
}

void
vm_progress_clear(void)
{
	pthread_mutex_lock(&mutex);
	clear_locked();
	pthread_mutex_unlock(&mutex);
}

void
vm_progress_end(void)
{
	pthread_mutex_lock(&mutex);
	clear_locked();
	work.active = 0;
	pthread_mutex_unlock(&mutex);
}
