/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * Replies to events that arrive at the gateway their session has left (departures.h): forwarded, and given to
 * the session there. Loop thread.
 */
#ifndef POLLEN8_GATEWAY_CLUSTER_FORWARD_H
#define POLLEN8_GATEWAY_CLUSTER_FORWARD_H

#include <stdint.h>

#include "peer.pb-c.h"

#include "codec/client_frame.h"

struct gateway;
struct session;

/* Names a session among those of its transport: the hash of its namespace. */
uint64_t forward_name(const struct session *session);

/* session_events.orphan; does nothing if the session has not moved. */
void forward_answer(struct gateway *gateway, uint64_t handle, struct slice id, struct slice event,
                    const struct client_result *result);

/* Takes a forwarded reply. */
void forward_take(struct gateway *gateway, const Pollen8__ForwardedAnswer *forwarded);

#endif
