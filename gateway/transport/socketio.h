/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * Socket.IO v5 above Engine.IO: what an Engine.IO transport hands its messages to, whatever carries them.
 * Loop thread. Whatever does not decode closes the transport, as a stock server does.
 *
 * What can pass (UNAVAILABLE, rate limits, drain, expiry) closes the transport, so that a stock client comes
 * back by itself; only final refusals are told by CONNECT_ERROR. A refused event without an ack is answered
 * by an event `error` (see answer.h).
 */
#ifndef POLLEN8_GATEWAY_TRANSPORT_SOCKETIO_H
#define POLLEN8_GATEWAY_TRANSPORT_SOCKETIO_H

#include "codec/client_frame.h"

struct gateway;
struct session;

/* The data of an Engine.IO message: text, or binary. Valid during the call, which may close the session. */
void socketio_text(struct gateway *gateway, struct session *carrier, struct slice text);
void socketio_binary(struct gateway *gateway, struct session *carrier, struct slice bytes);

/* For the table of every transport that carries Socket.IO; see transport.h. */
void socketio_opened(struct gateway *gateway, struct session *session, struct slice id);
void socketio_refused(struct gateway *gateway, struct session *session, struct slice id,
                      const struct client_result *result);

#endif
