/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * Engine.IO v4: a session that carries messages, text and binary, over HTTP long-polling or WebSocket, and
 * can change from the first to the second. It knows nothing of what the messages mean: that is the handler's,
 * of which the gateway has one (socketio.h; an echo in the conformance server). Loop thread.
 *
 *   HTTP:      lws_callback -> engineio_http -> polling   \
 *                                                         engineio -> handler (up) ; session's queue (down)
 *   WebSocket: lws_callback -> websocket -> engineio_ws   /
 *
 * Upgrade: WebSocket with the session's sid -> `2probe`, answered `3probe`; from then on polls are ended with
 * `6` -> `5`: the session's transport is the WebSocket, and what waits goes there. Until then messages go
 * over polling; where the upgrade is not done in UPGRADE_TIMEOUT they go on doing so.
 */
#ifndef POLLEN8_GATEWAY_TRANSPORT_ENGINEIO_H
#define POLLEN8_GATEWAY_TRANSPORT_ENGINEIO_H

#include "codec/eio_packet.h"
#include "session/transport.h"

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
