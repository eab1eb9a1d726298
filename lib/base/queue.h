/*
 * queue.h - a bounded queue of pointers between threads.
 *
 * A writer that is ahead waits, so the memory of a chain of stages is bounded
 * and its speed is that of the slowest stage.  The end comes in order
 * (vm_queue_end); a stop is at once and for both sides (vm_queue_stop), so that
 * a stage that fails never leaves another one waiting.  Items still queued at a
 * stop are the owner's to free: the queue never owns what it carries.
 */
#ifndef VM_BASE_QUEUE_H
#define VM_BASE_QUEUE_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>

#define VM_QUEUE_MAX 64

struct vm_queue {
	pthread_mutex_t mutex;
	pthread_cond_t changed;
	void *items[VM_QUEUE_MAX];
	size_t first, count, limit;
	bool ended, stopped;
};

/* limit: 1..VM_QUEUE_MAX items may wait.  Nothing here can fail. */
void vm_queue_init(struct vm_queue *queue, size_t limit);
void vm_queue_release(struct vm_queue *queue);

/* Wait for room and append; false when stopped: the item is still yours. */
bool vm_queue_put(struct vm_queue *queue, void *item);

/* Wait for an item; NULL at the end, and when stopped. */
void *vm_queue_get(struct vm_queue *queue);

/* The writer has no more. */
void vm_queue_end(struct vm_queue *queue);

/* Nobody shall wait here any longer. */
void vm_queue_stop(struct vm_queue *queue);

#endif
