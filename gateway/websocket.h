/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * One established WebSocket of the library, as both transports use it: whole messages in, raw writes out.
 * The library's object dies when it wants to; this one is freed in its CLOSED callback, the session it
 * carries is told, and neither keeps a pointer to the other.
 *
 * A close asked for is done at the end of the turn (websockets_end_turn), because the library must not close
 * a socket whose callback is running. Loop thread.
 *
 * Memory: 80 bytes; a buffer only while a fragmented message is on its way.
 */
#ifndef POLLEN8_GATEWAY_WEBSOCKET_H
#define POLLEN8_GATEWAY_WEBSOCKET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "../common/slice.h"
#include "../common/status.h"

struct gateway;
struct lws;
struct session;
struct websocket; /* opaque */

/* A whole message; the bytes are valid during the call. */
typedef void websocket_message_fn(struct gateway *gateway, struct session *session, bool binary,
                                  struct slice message);

/* NULL where memory is short. */
struct websocket *websocket_create(struct gateway *gateway, struct lws *wsi, websocket_message_fn *message);

/* The session it carries from now on; NULL: none. */
void websocket_carry(struct websocket *websocket, struct session *session);

/* ---- from the library's callbacks ---- */
void websocket_receive(struct websocket *websocket, const void *data, size_t length);
void websocket_pong(struct websocket *websocket);
void websocket_writeable(struct websocket *websocket);
void websocket_closed(struct websocket *websocket);

/* ---- for transports: `transport` of their sessions is the websocket ---- */

/* Writes the session's queue, all that waits in one write, unless the socket holds a rest already. */
void websocket_flush(struct gateway *gateway, struct session *session);

/* The session is detached at once. */
void websocket_close(struct gateway *gateway, struct session *session, uint16_t code, const char *text);

/* Stops and starts reading. */
void websocket_read(struct websocket *websocket, bool on);

/* The next `count` binary messages are thrown away. */
void websocket_skip_binary(struct websocket *websocket, unsigned count);

/* ---- for the loop ---- */
void websockets_end_turn(struct gateway *gateway);

#endif
