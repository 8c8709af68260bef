/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * An upgrade whose WebSocket is at another gateway, seen from where the session polls: it makes way, and once
 * the client has switched it leaves. Nothing of it stays but the word where it went (departures.h). Where
 * anything fails before that, it goes on polling; a session whose queue is too long for one message to
 * travel in is refused the upgrade, or ends where it grew so late. Loop thread.
 *
 * It leaves only when everything that the other gateway can have missed has been delivered here: so a request
 * waits (peer_message.h), and is told to ask again while the rooms differ or this gateway is behind the other.
 */
#ifndef POLLEN8_GATEWAY_CLUSTER_MOVE_MOVE_OUT_H
#define POLLEN8_GATEWAY_CLUSTER_MOVE_MOVE_OUT_H

#include <stdbool.h>
#include <stdint.h>

#include "peer.pb-c.h"

#include "cluster/peer_message.h"

struct gateway;

/* Whether it is to come again once everything published before it has been delivered here. */
bool move_out_request(struct gateway *gateway, const Pollen8__UpgradeRequest *request, const char *reply,
                      enum peer_stage stage);

#endif
