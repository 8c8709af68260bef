/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * Answers to events that come back to the gateway their session has left (departures.h): sent after it, and
 * given to it there. Loop thread.
 */
#ifndef POLLEN8_GATEWAY_CLUSTER_FORWARD_H
#define POLLEN8_GATEWAY_CLUSTER_FORWARD_H

#include <stdint.h>

#include "peer.pb-c.h"

#include "codec/client_frame.h"

struct gateway;
struct session;

/* Names a session among those of its transport: hash of its namespace. */
uint64_t forward_name(const struct session *session);

/* session_events.orphan; nothing happens if the session has not moved. */
void forward_answer(struct gateway *gateway, uint64_t handle, struct slice id, struct slice event,
                    const struct client_result *result);

/* One has come. */
void forward_take(struct gateway *gateway, const Pollen8__ForwardedAnswer *forwarded);

#endif
