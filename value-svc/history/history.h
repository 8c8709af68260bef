/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * The room history/: what gateways missed. Input: questions on pollen8.history.read (queue `value-svc`), each
 * a position and rooms. Output: the frames after the position, or why they are incomplete.
 *
 * The bus's delivery thread puts copies of questions into a queue of HISTORY_QUEUE places. A reader thread,
 * with its own connection so that snapshots do not wait for it, takes up to 256 at once and reads each room
 * once (history_batch.h), on average at most HISTORY_RATE rooms per second. Further questions wait in the
 * queue. They are dropped past their deadline. If the queue is full or Redis is unreachable, the answer is
 * UNAVAILABLE.
 */
#ifndef POLLEN8_VALUE_SVC_HISTORY_HISTORY_H
#define POLLEN8_VALUE_SVC_HISTORY_HISTORY_H

#include "service/service.h"

struct history; /* opaque */

/* Subscribes and starts the reader. */
enum status history_create(struct service *service, struct history **ret_history);

/* Answers what is in the queue and ends the reader. Main thread, after bus_drain, before bus_free. */
void history_finish(struct history *history);

/* After bus_free. NULL is accepted. */
void history_free(struct history *history);

#endif
