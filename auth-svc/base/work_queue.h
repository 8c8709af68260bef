/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * A bounded queue and the threads that empty it, first in first out. At the bound a push is refused, and the
 * pusher answers its caller at once. Any thread may push.
 */
#ifndef POLLEN8_AUTH_SVC_BASE_WORK_QUEUE_H
#define POLLEN8_AUTH_SVC_BASE_WORK_QUEUE_H

#include <stddef.h>

#include "common/status.h"

struct work_queue; /* opaque */

struct work_item {
    struct work_item *next;
};

/* Does the work of one item, on a worker thread. The function owns the item from then on. */
typedef void work_fn(void *context, struct work_item *item);

/* Starts the threads. STATUS_NO_MEMORY if one cannot be started. */
enum status work_queue_create(size_t limit, size_t workers, work_fn *work, void *context,
                              struct work_queue **ret_queue);

/* STATUS_FULL at the limit and once stopped: the caller keeps the item. */
enum status work_queue_push(struct work_queue *queue, struct work_item *item);

/* Refuses further items, lets the threads finish those already taken, and joins them. Blocks. */
void work_queue_stop(struct work_queue *queue);

/* Stops first if that has not been done. NULL is accepted. */
void work_queue_free(struct work_queue *queue);

#endif
