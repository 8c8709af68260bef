/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * The room query/: questions that need Redis and a quick answer. Input: pollen8.session.open (opening.h),
 * pollen8.in.value.get and pollen8.in.invite.seen, and also the gateways' heartbeats and their news of ended
 * sessions and written frames (presence.h). Output: snapshots, values and refusals.
 *
 * The bus's delivery thread puts copies of messages into a queue of QUERY_QUEUE places. The reader thread
 * (query_reader.h) takes up to 256 at once and reads their values in one pipeline. If the queue is full or
 * Redis is unreachable, the answer is UNAVAILABLE at once. A heartbeat is dropped then; the next one makes up
 * for it.
 */
#ifndef POLLEN8_VALUE_SVC_QUERY_QUERY_H
#define POLLEN8_VALUE_SVC_QUERY_QUERY_H

#include "service/service.h"

struct query; /* opaque */

/* Subscribes and starts the reader. */
enum status query_create(struct service *service, struct query **ret_query);

/* Answers what is in the queue and ends the reader. Main thread, after bus_drain, before bus_free. */
void query_finish(struct query *query);

/* After bus_free. NULL is accepted. */
void query_free(struct query *query);

#endif
