/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * Engine.IO v4: a session that carries messages, text and binary, over HTTP long-polling or WebSocket, and
 * can change from the first to the second. It knows nothing of what the messages mean: that is the handler's,
 * of which the gateway has one (socketio.h; an echo in the conformance server). Loop thread.
 *
 *   HTTP:      http -> engineio_http -> polling   \
 *                                                 engineio -> handler (up) ; session's queue (down)
 *   WebSocket: http -> websocket -> engineio     /
 *
 * Upgrade: WebSocket with the session's sid -> `2probe`, answered `3probe`; from then on polls are ended with
 * `6` -> `5`: the session's transport is the WebSocket, and what waits goes there. Until then messages go
 * over polling; where the upgrade is not done in UPGRADE_TIMEOUT they go on doing so.
 */
#ifndef POLLEN8_GATEWAY_TRANSPORT_ENGINEIO_H
#define POLLEN8_GATEWAY_TRANSPORT_ENGINEIO_H

#include "codec/eio_packet.h"
#include "net/websocket.h"
#include "session/transport.h"

struct client_token;

/* What lives above. */
struct engineio_handler {
    /* The data of a message; valid during the call, which may close the session. */
    void (*text)(struct gateway *gateway, struct session *session, struct slice text);
    void (*binary)(struct gateway *gateway, struct session *session, struct slice bytes);
    /* As in struct transport_ops. */
    void (*opened)(struct gateway *gateway, struct session *session, struct slice id);
    void (*refused)(struct gateway *gateway, struct session *session, struct slice id,
                    const struct client_result *result);
    void (*ended)(struct gateway *gateway, struct session *session);
};

/* The session of a sid of this gateway, whatever carries it by now; NULL. */
struct session *engineio_find(struct gateway *gateway, struct slice text);

/* ---- for what brings a client ---- */

/* An upgraded socket of a new client: makes its session and sends the open packet. The token of the upgrade
 * is taken (it may be empty); token_status says why it cannot be used. STATUS_NO_MEMORY. */
enum status engineio_open(struct gateway *gateway, struct lws *wsi, struct client_token *token,
                          enum status token_status, struct websocket **ret_websocket);

/* An upgraded socket that names a session. Where that cannot be upgraded (any more) the socket is closed.
 * STATUS_NO_MEMORY. */
enum status engineio_attend(struct gateway *gateway, struct lws *wsi, struct slice sid,
                            struct websocket **ret_websocket);

/* The same where the session has come here from another gateway: it goes over the socket from now on. */
void engineio_arrived(struct gateway *gateway, struct session *session, struct websocket *websocket);

/* ---- for the transports ---- */

/* A packet of any but the types CLOSE and UPGRADE, which are the transport's. May close the session. */
void engineio_take(struct gateway *gateway, struct session *session, const struct eio_packet *packet);

/* Queues the open packet; `key` is that of the sid, see sid.h. */
void engineio_send_open(struct gateway *gateway, struct session *session, const char *key, bool upgradable);

void engineio_opened(struct gateway *gateway, struct session *session, struct slice id);
void engineio_refused(struct gateway *gateway, struct session *session, struct slice id,
                      const struct client_result *result);
void engineio_ping(struct gateway *gateway, struct session *session);
void engineio_ended(struct gateway *gateway, struct session *session);

#endif
