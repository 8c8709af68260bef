/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * An upgrade whose WebSocket is at another gateway, seen from the gateway of the polling session: it makes
 * way, and once the client has switched, the session leaves. Only a note of where it went remains
 * (departures.h). If anything fails before that, it keeps polling. A session whose queue is too long for one
 * message is refused the upgrade; if it grows too long later, the session ends. Loop thread.
 *
 * It leaves only when everything that the other gateway may have missed has been delivered here. So a request
 * waits (peer_message.h), and is answered with "ask again" while the rooms differ or this gateway is behind
 * the other.
 */
#ifndef POLLEN8_GATEWAY_CLUSTER_MOVE_MOVE_OUT_H
#define POLLEN8_GATEWAY_CLUSTER_MOVE_MOVE_OUT_H

#include <stdbool.h>
#include <stdint.h>

#include "peer.pb-c.h"

#include "cluster/peer_message.h"

struct gateway;

/* Whether to hand it over again once everything published before it has been delivered here. */
bool move_out_request(struct gateway *gateway, const Pollen8__UpgradeRequest *request, const char *reply,
                      enum peer_stage stage);

#endif
