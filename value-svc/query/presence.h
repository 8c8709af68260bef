/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * Who is connected: gateways' heartbeats are kept in Redis and expire, so that a dead gateway's numbers
 * vanish by themselves; nothing is ever counted up or down. Totals over the cluster for the ops port.
 */
#ifndef POLLEN8_VALUE_SVC_QUERY_PRESENCE_H
#define POLLEN8_VALUE_SVC_QUERY_PRESENCE_H

#include "service/service.h"

/* Stores one heartbeat as it came on pollen8.session.<gateway>. STATUS_MALFORMED: it is none. */
enum status presence_store(struct store *store, struct wire_arena *arena, struct slice bytes);

/* Sessions of users have opened on gateways. */
enum status presence_entered(struct store *store, const struct store_entered *entered, size_t count);

/* Takes a SessionClosed from there: the user is not on that gateway any more. It has left, which is counted,
 * unless it is on another one. */
enum status presence_left(struct service *service, struct store *store, struct wire_arena *arena,
                          struct slice bytes);

/* Brings the metrics pollen8_cluster_* up to date. Keeper thread. */
void presence_refresh_totals(struct service *service, struct store *store);

#endif
