#include "lib/base/clock.h"

#include <stdio.h>
#include <time.h>

uint64_t
vm_clock_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
}

void
vm_clock_wait(uint64_t ms)
{
	struct timespec ts = { .tv_sec = (time_t)(ms / 1000),
		.tv_nsec = (long)(ms % 1000) * 1000000 };

	nanosleep(&ts, NULL);
}

char *
vm_clock_format(int64_t wall_s, char out[VM_CLOCK_TEXT])
{
	time_t when = (time_t)wall_s;
	struct tm tm;

	if (gmtime_r(&when, &tm) == NULL ||
	    strftime(out, VM_CLOCK_TEXT, "%Y-%m-%dT%H:%M:%SZ", &tm) == 0)
		out[0] = '\0';
	return out;
}

char *
vm_clock_format_now(char out[VM_CLOCK_TEXT])
{
	return vm_clock_format(time(NULL), out);
}
