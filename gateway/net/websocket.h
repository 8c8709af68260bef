/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * One established WebSocket of the library, as every transport uses it: whole messages in, raw bytes out. It
 * belongs to an owner, which is told what comes from the client and that the connection is gone.
 * The library does the upgrade, and TLS. A socket without TLS is ours from the end of the turn in which it
 * was upgraded (socket.h): the library's 2 KB for it are given back. Either way: when the connection is gone
 * this object is freed, its owner is told, and neither keeps a pointer to the other.
 *
 * A close that was asked for is done at the end of the turn (websockets_end_turn), because the library must
 * not close a socket whose callback is running. Loop thread.
 *
 * Memory: 136 bytes; buffers only while a message, or what a client does not take, is half-way. With TLS what
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
struct uv_loop_s;
struct websocket; /* opaque */

/* What the owner is told. */
struct websocket_owner {
    /* A whole message; the bytes are valid during the call. */
    void (*message)(struct gateway *gateway, void *owner, bool binary, struct slice message);

    /* The client answered a ping. NULL: of no interest. */
    void (*pong)(struct gateway *gateway, void *owner);

    /* The socket took something of what was stuck, or all of it. NULL: of no interest. */
    void (*unblocked)(struct gateway *gateway, void *owner, bool all);

    /* What the client sends is too much (STATUS_FULL) or there is no memory for it (STATUS_NO_MEMORY): the
     * owner ends the socket. NULL: it is closed with 1009, and `lost` is called. */
    void (*failed)(struct gateway *gateway, void *owner, enum status status);

    /* The socket is not the owner's any more: the client has gone, or is refused. The owner may be freed. */
    void (*lost)(struct gateway *gateway, void *owner);
};

/* What the library keeps for a connection. NULL: no WebSocket, or one that goes on without the library. */
struct websocket_slot {
    struct websocket *websocket;
};

/* Makes gateway->sockets (socket.h), with `loop` for its events. STATUS_NO_MEMORY. */
enum status websockets_create(struct gateway *gateway, struct uv_loop_s *loop);

/* Before the library answers the upgrade: that leaves together with what is written in the same turn. */
void websocket_expect(struct lws *wsi);

/* Nobody's yet, which means that messages are dropped. NULL when out of memory. */
struct websocket *websocket_create(struct gateway *gateway, struct lws *wsi);

/* From now on it is this owner's; the one before is not told. */
void websocket_own(struct websocket *websocket, const struct websocket_owner *kind, void *owner);

/* The key of a sid, by which requests that come too late find the session here; copied. STATUS_NO_MEMORY. */
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

/* Whether something that was written has not left yet; nothing more may be sent until it has. */
bool websocket_blocked(const struct websocket *websocket);

/* Has the owner told once it is blocked no more. */
void websocket_await(struct websocket *websocket);

/* Writes whole frames at once; the bytes stay as they are. False: the socket is dead. */
bool websocket_send(struct websocket *websocket, struct slice frames);

/* Writes one text message at once, past whatever the owner keeps in a queue. */
void websocket_write(struct websocket *websocket, struct slice text);

/* Stops and starts reading. */
void websocket_read(struct websocket *websocket, bool on);

/* Closes it at the end of the turn, and takes it from its owner at once, who is not told. `text` lives for
 * ever; code 0: without a close frame. */
void websocket_end(struct websocket *websocket, uint16_t code, const char *text);

/* ---- for the loop ---- */
void websockets_end_turn(struct gateway *gateway);

#endif
