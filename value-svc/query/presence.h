/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * Who is connected: gateways' heartbeats are stored in Redis and expire, so that a dead gateway's numbers
 * disappear automatically; nothing is ever incremented or decremented. Totals over the cluster for the ops
 * port.
 */
#ifndef POLLEN8_VALUE_SVC_QUERY_PRESENCE_H
#define POLLEN8_VALUE_SVC_QUERY_PRESENCE_H

#include "service/service.h"

/* Stores one heartbeat as it came on pollen8.session.<gateway>. STATUS_MALFORMED: it is not a heartbeat. */
enum status presence_store(struct store *store, struct wire_arena *arena, struct slice bytes);

/* Sessions of users have opened on gateways. */
enum status presence_entered(struct store *store, const struct store_entered *entered, size_t count);

/* Takes a SessionClosed from pollen8.session.<gateway>: the user is no longer on that gateway. If it is on no
 * other one either, it has left, which is counted. */
enum status presence_left(struct service *service, struct store *store, struct wire_arena *arena,
                          struct slice bytes);

/* Brings the metrics pollen8_cluster_* up to date. Keeper thread. */
void presence_refresh_totals(struct service *service, struct store *store);

#endif
