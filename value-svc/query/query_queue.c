/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * A ring of pointers under one lock.
 */
#include "query/query_queue.h"

#include <pthread.h>
#include <stdlib.h>

#include "common/check.h"
#include "common/clock.h"

struct query_queue {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    bool closed; /* this and below: guarded by lock */
    size_t head; /* of the oldest item */
    size_t count;
    size_t hurried; /* of these */
    size_t capacity;
    struct query_item *items[]; /* owned */
};

enum status query_queue_create(size_t capacity, struct query_queue **ret_queue)
{
    struct query_queue *queue = calloc(1, sizeof(*queue) + capacity * sizeof(struct query_item *));
    if (!queue)
        return STATUS_NO_MEMORY;
    queue->capacity = capacity;
    CHECK(pthread_mutex_init(&queue->lock, NULL) == 0);
    CHECK(clock_condition_init(&queue->changed) == 0);
    *ret_queue = queue;
    return STATUS_OK;
}

void query_queue_free(struct query_queue *queue)
{
    if (!queue)
        return;
    for (size_t i = 0; i < queue->count; i++)
        free(queue->items[(queue->head + i) % queue->capacity]);
    pthread_cond_destroy(&queue->changed);
    pthread_mutex_destroy(&queue->lock);
    free(queue);
}

struct query_item *query_item_copy(enum query_kind kind, const struct bus_message *message)
{
    /* Zeroed, so that a message without bytes leaves nothing undefined. */
    struct query_item *item = calloc(1, sizeof(*item) + message->reply.length + message->data.length);

    if (!item)
        return NULL;
    item->kind = kind;
    item->received_ms = clock_monotonic_ms();
    if (message->reply.length > 0)
        memcpy(item->bytes, message->reply.data, message->reply.length);
    if (message->data.length > 0)
        memcpy(item->bytes + message->reply.length, message->data.data, message->data.length);
    item->reply = slice_make(item->bytes, message->reply.length);
    item->data = slice_make(item->bytes + message->reply.length, message->data.length);
    return item;
}

/* Whether somebody waits for the answer. */
static bool hurries(const struct query_item *item)
{
    return item->kind == QUERY_VALUE_GET || item->kind == QUERY_INVITE_SEEN ||
           item->kind == QUERY_HISTORY_READ;
}

enum status query_queue_put(struct query_queue *queue, struct query_item *item)
{
    pthread_mutex_lock(&queue->lock);
    enum status status = STATUS_FULL;
    if (queue->count < queue->capacity) {
        queue->items[(queue->head + queue->count) % queue->capacity] = item;
        queue->count++;
        queue->hurried += hurries(item);
        status = STATUS_OK;
        if (queue->count == 1 || queue->hurried || queue->count == queue->capacity)
            pthread_cond_signal(&queue->changed);
    }
    pthread_mutex_unlock(&queue->lock);
    return status;
}

static void gather(struct query_queue *queue)
{
    if (queue->count == 0)
        return;
    uint64_t until_ms = queue->items[queue->head]->received_ms + QUERY_GATHER_MS;
    bool waiting = true;
    while (waiting && !queue->hurried && !queue->closed && queue->count < queue->capacity)
        waiting = clock_condition_wait(&queue->changed, &queue->lock, until_ms);
}

size_t query_queue_take(struct query_queue *queue, struct query_item **items, size_t maximum)
{
    pthread_mutex_lock(&queue->lock);
    while (queue->count == 0 && !queue->closed)
        pthread_cond_wait(&queue->changed, &queue->lock);
    gather(queue);
    size_t taken = 0;
    while (queue->count > 0 && taken < maximum) {
        queue->hurried -= hurries(queue->items[queue->head]);
        items[taken++] = queue->items[queue->head];
        queue->head = (queue->head + 1) % queue->capacity;
        queue->count--;
    }
    pthread_mutex_unlock(&queue->lock);
    return taken;
}

size_t query_queue_length(struct query_queue *queue)
{
    pthread_mutex_lock(&queue->lock);
    size_t count = queue->count;
    pthread_mutex_unlock(&queue->lock);
    return count;
}

void query_queue_close(struct query_queue *queue)
{
    pthread_mutex_lock(&queue->lock);
    queue->closed = true;
    pthread_cond_broadcast(&queue->changed);
    pthread_mutex_unlock(&queue->lock);
}
