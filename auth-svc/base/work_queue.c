/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * One lock, one condition, one list.
 */
#include "base/work_queue.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>

struct work_queue {
    work_fn *work;
    void *context;
    size_t limit;
    size_t workers; /* threads started */
    pthread_mutex_t lock;
    pthread_cond_t changed;  /* an item was pushed, or stopping was set */
    struct work_item *first; /* lock */
    struct work_item **last; /* lock */
    size_t length;           /* lock */
    bool stopping;           /* lock */
    pthread_t threads[];
};

/* The next item, waiting for one; NULL once stopped and empty. */
static struct work_item *take(struct work_queue *queue)
{
    struct work_item *item;

    pthread_mutex_lock(&queue->lock);
    while (!queue->first && !queue->stopping)
        pthread_cond_wait(&queue->changed, &queue->lock);
    item = queue->first;
    if (item) {
        queue->first = item->next;
        if (!queue->first)
            queue->last = &queue->first;
        queue->length--;
    }
    pthread_mutex_unlock(&queue->lock);
    return item;
}

static void *run(void *argument)
{
    struct work_queue *queue = argument;
    struct work_item *item;

    while ((item = take(queue)))
        queue->work(queue->context, item);
    return NULL;
}

enum status work_queue_create(size_t limit, size_t workers, work_fn *work, void *context,
                              struct work_queue **ret_queue)
{
    struct work_queue *queue = calloc(1, sizeof(*queue) + workers * sizeof(pthread_t));

    if (!queue)
        return STATUS_NO_MEMORY;
    queue->work = work;
    queue->context = context;
    queue->limit = limit;
    queue->last = &queue->first;
    if (pthread_mutex_init(&queue->lock, NULL) != 0) {
        free(queue);
        return STATUS_NO_MEMORY;
    }
    if (pthread_cond_init(&queue->changed, NULL) != 0) {
        pthread_mutex_destroy(&queue->lock);
        free(queue);
        return STATUS_NO_MEMORY;
    }
    while (queue->workers < workers) {
        if (pthread_create(&queue->threads[queue->workers], NULL, run, queue) != 0) {
            work_queue_free(queue);
            return STATUS_NO_MEMORY;
        }
        queue->workers++;
    }
    *ret_queue = queue;
    return STATUS_OK;
}

enum status work_queue_push(struct work_queue *queue, struct work_item *item)
{
    enum status status = STATUS_FULL;

    pthread_mutex_lock(&queue->lock);
    if (queue->length < queue->limit && !queue->stopping) {
        item->next = NULL;
        *queue->last = item;
        queue->last = &item->next;
        queue->length++;
        pthread_cond_signal(&queue->changed);
        status = STATUS_OK;
    }
    pthread_mutex_unlock(&queue->lock);
    return status;
}

void work_queue_stop(struct work_queue *queue)
{
    pthread_mutex_lock(&queue->lock);
    queue->stopping = true;
    pthread_cond_broadcast(&queue->changed);
    pthread_mutex_unlock(&queue->lock);
    while (queue->workers > 0)
        (void)pthread_join(queue->threads[--queue->workers], NULL);
}

void work_queue_free(struct work_queue *queue)
{
    if (!queue)
        return;
    work_queue_stop(queue);
    pthread_cond_destroy(&queue->changed);
    pthread_mutex_destroy(&queue->lock);
    free(queue);
}
