/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * WebSocket as the transport of an Engine.IO session: from the start, or taking over from polling (engineio.h
 * describes the upgrade). Stands above polling and engineio. Loop thread.
 */
#ifndef POLLEN8_GATEWAY_TRANSPORT_ENGINEIO_WS_H
#define POLLEN8_GATEWAY_TRANSPORT_ENGINEIO_WS_H

#include "common/slice.h"
#include "common/status.h"

struct client_token;
struct gateway;
struct lws;
struct session;
struct websocket;

/* The session of a sid of this gateway, by whatever transport it is carried now; NULL. */
struct session *engineio_find(struct gateway *gateway, struct slice text);

/* An upgraded socket of a new client: makes its session and sends the open packet. The token of the upgrade
 * is taken (it may be empty); token_status says why it cannot be used. STATUS_NO_MEMORY. */
enum status engineio_ws_open(struct gateway *gateway, struct lws *wsi, struct client_token *token,
                             enum status token_status, struct websocket **ret_websocket);

/* An upgraded socket that names a session. If that cannot be upgraded (any more) the socket is closed.
 * STATUS_NO_MEMORY. */
enum status engineio_ws_attend(struct gateway *gateway, struct lws *wsi, struct slice sid,
                               struct websocket **ret_websocket);

/* The same for a session that has come here from another gateway: the socket is its transport from now on. */
void engineio_ws_arrived(struct gateway *gateway, struct session *session, struct websocket *websocket);

#endif
