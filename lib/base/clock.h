/*
 * clock.h - time that never jumps for waiting, and UTC for the record.
 *
 * Every time-out and every duration uses CLOCK_MONOTONIC; the wall clock is
 * only ever written down, never compared.
 */
#ifndef VM_BASE_CLOCK_H
#define VM_BASE_CLOCK_H

#include <stdint.h>

/* Milliseconds since some fixed point; never goes back. */
uint64_t vm_clock_ms(void);

/* Sleep for at most ms; returns early on a signal. */
void vm_clock_wait(uint64_t ms);

/* Seconds since 1970 as RFC 3339 UTC, "2026-01-31T12:00:00Z"; and now. */
#define VM_CLOCK_TEXT 32
char *vm_clock_format(int64_t wall_s, char out[VM_CLOCK_TEXT]);
char *vm_clock_format_now(char out[VM_CLOCK_TEXT]);

#endif
