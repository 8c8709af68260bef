/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * pollen8.history.read (queue `value-svc`): what came after a position, for the rooms given. The bus's
 * delivery thread puts copies in a queue of HISTORY_QUEUE places; a thread of its own, with a connection of
 * its own so that snapshots do not wait for it, takes up to 256 at once and reads each room once
 * (history_batch.h), at most HISTORY_RATE rooms a second over time: what is beyond waits in the queue, is
 * dropped past its deadline, and at the bound is told UNAVAILABLE. The same while Redis is away.
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
