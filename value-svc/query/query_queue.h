/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * The bounded queue between the bus's delivery thread and the reader: first in, first out. "Full" means that
 * `capacity` items wait; the new item then stays the caller's. If no item is urgent (openings of sessions and
 * news of gateways are not), items are given out QUERY_GATHER_MS after the first arrived, so that Redis, the
 * broker and the disk handle them in one round. Any thread.
 */
#ifndef POLLEN8_VALUE_SVC_QUERY_QUERY_QUEUE_H
#define POLLEN8_VALUE_SVC_QUERY_QUERY_QUEUE_H

#include "common/bus/bus.h"

#define QUERY_GATHER_MS 5

enum query_kind {
    QUERY_SESSION_OPEN,
    QUERY_VALUE_GET,
    QUERY_HEARTBEAT,
    QUERY_LEFT,
    QUERY_WRITTEN,
    QUERY_ENDED,
    QUERY_INVITE_SEEN,
    QUERY_HISTORY_READ
};

/* A message's copy; free() frees it whole. */
struct query_item {
    enum query_kind kind;
    uint64_t received_ms; /* monotonic */
    uint64_t id;          /* among the items of one message; 0: a message of its own */
    struct slice reply;   /* within bytes */
    struct slice data;    /* within bytes */
    char bytes[];
};

struct query_queue; /* opaque */

enum status query_queue_create(size_t capacity, struct query_queue **ret_queue);

/* Frees what is left in it. NULL is accepted. */
void query_queue_free(struct query_queue *queue);

/* A copy of the message; NULL when out of memory. */
struct query_item *query_item_copy(enum query_kind kind, const struct bus_message *message);

/* STATUS_FULL leaves the item to the caller. */
enum status query_queue_put(struct query_queue *queue, struct query_item *item);

/* Waits for items, gathers, and takes at most `maximum` of them, which are then the caller's. 0:
 * closed and empty. */
size_t query_queue_take(struct query_queue *queue, struct query_item **items, size_t maximum);

size_t query_queue_length(struct query_queue *queue);

/* Lets query_queue_take return 0 once the queue is empty. */
void query_queue_close(struct query_queue *queue);

#endif
