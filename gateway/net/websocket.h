/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * One established WebSocket of the library, as every transport uses it: whole messages in, raw bytes out. It
 * belongs to an owner, which gets the client's messages and learns when the connection is gone.
 *
 * The library does the upgrade, and TLS. A socket without TLS is ours from the end of the turn in which it
 * was upgraded (socket.h): the library's 2 KB for it are released. Either way, when the connection is gone,
 * this object is freed, its owner is informed, and neither keeps a pointer to the other.
 *
 * A requested close is done at the end of the turn (websockets_end_turn), because the library must not close
 * a socket whose callback is running. Loop thread.
 *
 * Memory: 136 bytes; buffers only while a message or a write is incomplete. With TLS, plus what the libraries
 * keep, about 16 KB.
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
struct uv_loop_s;
struct websocket; /* opaque */

/* The events for the owner. */
struct websocket_owner {
    /* A whole message; the bytes are valid during the call. */
    void (*message)(struct gateway *gateway, void *owner, bool binary, struct slice message);

    /* The client answered a ping. NULL: ignored. */
    void (*pong)(struct gateway *gateway, void *owner);

    /* The socket accepted some of the unsent bytes, or all of them. NULL: ignored. */
    void (*unblocked)(struct gateway *gateway, void *owner, bool all);

    /* The client sends too much (STATUS_FULL), or there is no memory for it (STATUS_NO_MEMORY): the owner
     * ends the socket. NULL: it is closed with 1009, and `lost` is called. */
    void (*failed)(struct gateway *gateway, void *owner, enum status status);

    /* The socket no longer belongs to the owner: the client is gone, or is refused. The owner may be freed.
     */
    void (*lost)(struct gateway *gateway, void *owner);
};

/* The library's slot for a connection. NULL: no WebSocket, or one that goes on without the library. */
struct websocket_slot {
    struct websocket *websocket;
};

/* Creates gateway->sockets (socket.h), with `loop` for its events. STATUS_NO_MEMORY. */
enum status websockets_create(struct gateway *gateway, struct uv_loop_s *loop);

/* Called before the library answers the upgrade: the answer leaves together with what is written in the same
 * turn. */
void websocket_expect(struct lws *wsi);

/* It has no owner yet, so its messages are dropped. NULL when out of memory. */
struct websocket *websocket_create(struct gateway *gateway, struct lws *wsi);

/* Sets the owner; the previous one is not informed. */
void websocket_own(struct websocket *websocket, const struct websocket_owner *kind, void *owner);

/* Keeps the key of a sid, by which late requests find the session here; copied. STATUS_NO_MEMORY. */
enum status websocket_keep_sid(struct websocket *websocket, const char *sid);

/* That key, or NULL: it was a WebSocket from the start. */
const char *websocket_sid(const struct websocket *websocket);

/* ---- from the library's callbacks ---- */
void websocket_receive(struct websocket *websocket, const void *data, size_t length);
void websocket_pong(struct websocket *websocket);
void websocket_writeable(struct websocket *websocket);
void websocket_closed(struct websocket *websocket);

/* ---- for the owner ---- */

/* Whether it is connected, and `owner` is its owner. */
bool websocket_serves(const struct websocket *websocket, const void *owner);

/* Whether written bytes have not left yet; nothing more may be sent until they have. */
bool websocket_blocked(const struct websocket *websocket);

/* Calls the owner once it is no longer blocked. */
void websocket_await(struct websocket *websocket);

/* Writes whole frames at once; the bytes are not changed. False: the socket is dead. */
bool websocket_send(struct websocket *websocket, struct slice frames);

/* Writes one text message at once, ahead of the owner's queue. */
void websocket_write(struct websocket *websocket, struct slice text);

/* Stops and starts reading. */
void websocket_read(struct websocket *websocket, bool on);

/* Closes it at the end of the turn, and detaches it from its owner at once, without a call. `text` is static;
 * code 0: without a close frame. */
void websocket_end(struct websocket *websocket, uint16_t code, const char *text);

/* ---- for the loop ---- */
void websockets_end_turn(struct gateway *gateway);

#endif
