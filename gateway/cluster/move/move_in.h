/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * A WebSocket that names a session of another gateway. The probe is answered here, and the session's gateway
 * is asked to make way. Once the client has switched, the session moves here. Until then it has a
 * placeholder, a session that is in the same rooms and keeps what comes. If anything fails, the WebSocket is
 * closed: before the client has switched it keeps polling, afterwards it reconnects. All of this takes at
 * most UPGRADE_TIMEOUT. Loop thread.
 *
 * Memory: 128 bytes and a session, while it lasts.
 */
#ifndef POLLEN8_GATEWAY_CLUSTER_MOVE_MOVE_IN_H
#define POLLEN8_GATEWAY_CLUSTER_MOVE_MOVE_IN_H

#include "peer.pb-c.h"

#include "common/status.h"
#include "text/sid.h"

struct gateway;
struct client_token;
struct lws;
struct websocket;

/* As engineio_ws_open. The token is for a session that has not joined yet: the token of its first poll stays
 * at the other gateway. */
enum status move_in_open(struct gateway *gateway, struct lws *wsi, const struct sid *sid,
                         struct client_token *token, enum status token_status,
                         struct websocket **ret_websocket);

/* The session that was to move here has ended. */
void move_in_ended(struct gateway *gateway, const Pollen8__UpgradeReply *reply);

#endif
