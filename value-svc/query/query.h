/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * What needs Redis and wants a quick answer: pollen8.session.open (opening.h), pollen8.in.value.get and
 * pollen8.in.invite.seen; and gateways' heartbeats and what they tell of sessions and written frames, which
 * come in the same way. The bus's delivery thread puts copies in a queue of QUERY_QUEUE places; the reader
 * thread takes up to 256 at once and reads their values in one pipeline. Full, or Redis away: UNAVAILABLE at
 * once; a heartbeat is dropped, the next one says more.
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
