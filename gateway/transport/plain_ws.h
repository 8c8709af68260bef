/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * Plain WebSocket (/ws) with the subprotocols pollen8.v1.json (text; also where none was asked for) and
 * pollen8.v1.protobuf (binary). Loop thread.
 *
 * A token in the upgrade is verified at once; else the first message must be
 * {"event":"auth","data":{"token"}}. Once it is in, the client gets the ack of that message (where it had an
 * id) and, as its first event,
 * {"event":"ready","data":{"session":"...","user":"...","industries":[...]}}. Nothing is read between token
 * and verdict, so that a client may send at once. A refusal is {"event":"error","data":{"code","message"}},
 * then a close with the error's code.
 */
#ifndef POLLEN8_GATEWAY_TRANSPORT_PLAIN_WS_H
#define POLLEN8_GATEWAY_TRANSPORT_PLAIN_WS_H

#include "common/status.h"
#include "frame/frame.h"

struct client_token;
struct gateway;
struct lws;
struct websocket;

/* As engineio_ws_open; the format is FRAME_JSON or FRAME_PROTOBUF. */
enum status plain_ws_open(struct gateway *gateway, struct lws *wsi, enum frame_format format,
                          struct client_token *token, enum status token_status,
                          struct websocket **ret_websocket);

#endif
