/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * One established WebSocket of the library, as both transports use it: whole messages in, raw writes out.
 * The library does the upgrade, and TLS. A socket without TLS is ours from the end of the turn in which it
 * was upgraded (socket.h): the library's 2 KB for it are given back. Either way: when the connection has gone
 * this object is freed, the session it carries is told, and neither keeps a pointer to the other.
 *
 * A close asked for is done at the end of the turn (websockets_end_turn), because the library must not close
 * a socket whose callback is running. Loop thread.
 *
 * A session that is carried by polling may be served by a WebSocket that is to take over (an upgrade): the
 * socket knows the session, the session does not know the socket.
 *
 * Memory: 144 bytes; buffers only while a message, or what a client does not take, is half-way. With TLS what
 * the libraries keep on top of it, about 16 KB.
 */
#ifndef POLLEN8_GATEWAY_NET_WEBSOCKET_H
#define POLLEN8_GATEWAY_NET_WEBSOCKET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/slice.h"
#include "common/status.h"

struct gateway;
struct lws;
struct session;
struct websocket; /* opaque */

/* A whole message; the bytes are valid during the call. */
typedef void websocket_message_fn(struct gateway *gateway, struct session *session, bool binary,
                                  struct slice message);

/* Before the library answers the upgrade: that leaves together with what is written in the same turn. */
void websocket_expect(struct lws *wsi);

/* NULL where memory is short. */
struct websocket *websocket_create(struct gateway *gateway, struct lws *wsi, websocket_message_fn *message);

/* The socket of a session that another transport carries is gone. */
typedef void websocket_lost_fn(struct gateway *gateway, struct session *session);

/* The session it carries from now on. */
void websocket_carry(struct websocket *websocket, struct session *session);

/* The session it will carry if the client says so; `lost` is called where the socket goes before. */
void websocket_attend(struct websocket *websocket, struct session *session, websocket_lost_fn *lost);

/* From attending to carrying: the session has made it its transport. Copies the key of its sid, by
 * which requests that come too late find it here (NULL: they do not). STATUS_NO_MEMORY: nothing has changed.
 */
enum status websocket_take_over(struct websocket *websocket, websocket_message_fn *message, const char *sid);

/* That id, or NULL. */
const char *websocket_sid(const struct websocket *websocket);

/* ---- from the library's callbacks ---- */
void websocket_receive(struct websocket *websocket, const void *data, size_t length);
void websocket_pong(struct websocket *websocket);
void websocket_writeable(struct websocket *websocket);
void websocket_closed(struct websocket *websocket);

/* ---- for transports: `transport` of their sessions is the websocket ---- */

/* Writes the session's queue, all that waits in one write, unless the socket holds a rest already. */
void websocket_flush(struct gateway *gateway, struct session *session);

bool websocket_writable(const struct session *session);

/* Writes what waits, unless code is 0; the session is detached at once. */
void websocket_close(struct gateway *gateway, struct session *session, uint16_t code, const char *text);

/* The same for a socket that carries no session. It is not told to `lost`. */
void websocket_end(struct websocket *websocket, uint16_t code, const char *text);

/* Writes one text message at once, past the session's queue. */
void websocket_write(struct websocket *websocket, struct slice text);

/* Stops and starts reading. */
void websocket_read(struct websocket *websocket, bool on);

/* ---- for the loop ---- */
void websockets_end_turn(struct gateway *gateway);

#endif
