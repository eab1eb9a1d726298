/*
 * progress.h - how far long work has come, on stderr.
 *
 * On a terminal one line is redrawn at most ten times a second: subject, bytes
 * done, total, rate, time left.  Elsewhere it is silent.  SIGUSR1 prints the
 * line once wherever stderr goes.  Safe to call from several threads.
 */
#ifndef VM_BASE_PROGRESS_H
#define VM_BASE_PROGRESS_H

#include <stdint.h>

/* Take SIGUSR1; draw only when `draw` (a terminal and not -q). */
void vm_progress_setup(int draw);

/* Begin work on subject (copied); total 0 when unknown; unit bytes or items. */
enum vm_progress_unit { VM_PROGRESS_BYTES, VM_PROGRESS_ITEMS };
void vm_progress_start(const char *subject, uint64_t total,
    enum vm_progress_unit unit);
void vm_progress_total(uint64_t total);
void vm_progress_update(uint64_t done);
/* Clear the line; the next vm_progress_update() draws it again. */
void vm_progress_clear(void);
void vm_progress_end(void);

#endif
