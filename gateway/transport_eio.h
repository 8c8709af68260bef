/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * Engine.IO v4 and Socket.IO v5 over a WebSocket, namespace `/`. Loop thread.
 *
 * What can pass (UNAVAILABLE, rate limits, drain, expiry) closes the transport, so that a stock client comes
 * back by itself; only final refusals are told by CONNECT_ERROR. A refused event without an ack is answered
 * by an event `error` (see answer.h).
 */
#ifndef POLLEN8_GATEWAY_TRANSPORT_EIO_H
#define POLLEN8_GATEWAY_TRANSPORT_EIO_H

#include "transport.h"
#include "websocket.h"

struct handshake_token;

/* An upgraded socket: makes its session and sends the open packet. The token of the upgrade is taken (it may
 * be empty); token_status says why it cannot be used. STATUS_NO_MEMORY. */
enum status transport_eio_open(struct gateway *gateway, struct lws *wsi, struct handshake_token *token,
                               enum status token_status, struct websocket **ret_websocket);

#endif
