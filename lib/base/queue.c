#include "lib/base/queue.h"

void
vm_queue_init(struct vm_queue *queue, size_t limit)
{
	*queue = (struct vm_queue){
		.mutex = PTHREAD_MUTEX_INITIALIZER,
		.changed = PTHREAD_COND_INITIALIZER,
		.limit = limit < VM_QUEUE_MAX ? limit : VM_QUEUE_MAX,
	};
}

void
vm_queue_release(struct vm_queue *queue)
{
	pthread_cond_destroy(&queue->changed);
	pthread_mutex_destroy(&queue->mutex);
}

bool
vm_queue_put(struct vm_queue *queue, void *item)
{
	bool ok;

	pthread_mutex_lock(&queue->mutex);
	while (queue->count == queue->limit && !queue->stopped)
		pthread_cond_wait(&queue->changed, &queue->mutex);
	ok = !queue->stopped;
	if (ok) {
		size_t last = (queue->first + queue->count) % VM_QUEUE_MAX;

		queue->items[last] = item;
		queue->count++;
		pthread_cond_broadcast(&queue->changed);
	}
	pthread_mutex_unlock(&queue->mutex);
	return ok;
}

void *
vm_queue_get(struct vm_queue *queue)
{
	void *item = NULL;

	pthread_mutex_lock(&queue->mutex);
	while (queue->count == 0 && !queue->ended && !queue->stopped)
		pthread_cond_wait(&queue->changed, &queue->mutex);
	if (queue->count > 0 && !queue->stopped) {
		item = queue->items[queue->first];
		queue->first = (queue->first + 1) % VM_QUEUE_MAX;
		queue->count--;
		pthread_cond_broadcast(&queue->changed);
	}
	pthread_mutex_unlock(&queue->mutex);
	return item;
}

static void
raise_flag(struct vm_queue *queue, bool *flag)
{
	pthread_mutex_lock(&queue->mutex);
	*flag = true;
	pthread_cond_broadcast(&queue->changed);
	pthread_mutex_unlock(&queue->mutex);
}

void
vm_queue_end(struct vm_queue *queue)
{
	raise_flag(queue, &queue->ended);
}

void
vm_queue_stop(struct vm_queue *queue)
{
	raise_flag(queue, &queue->stopped);
}
