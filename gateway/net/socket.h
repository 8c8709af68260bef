/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * The sockets of established WebSockets without TLS, once they are ours: the library has done the upgrade and
 * is not involved from then on (websocket.c). They are read when readable, through one epoll of their own,
 * into one shared buffer; written by one send. What a socket does not accept is kept here and finished when
 * possible. Only websocket.c uses this, and the loop uses the functions at the end.
 *
 * Why: the library keeps 2 KB per connection, of which nothing is needed once it is open, and costs a few
 * hundred instructions per write. Memory here: nothing for an idle socket; else 24 bytes and the unsent
 * bytes, or an input buffer. Loop thread.
 */
#ifndef POLLEN8_GATEWAY_NET_SOCKET_H
#define POLLEN8_GATEWAY_NET_SOCKET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/slice.h"
#include "common/status.h"

struct gateway;
struct sockets; /* opaque */
struct uv_loop_s;
struct websocket;

/* The events for websocket.c. */
struct socket_events {
    /* A part of a message, or all of it. */
    void (*part)(struct websocket *websocket, bool first, bool binary, bool final, struct slice part);

    void (*pong)(struct websocket *websocket);

    /* The client broke the protocol: it is closed with this code. */
    void (*refuse)(struct websocket *websocket, uint16_t code);

    /* The client sends too much (STATUS_FULL), or there is no memory for it (STATUS_NO_MEMORY). */
    void (*failed)(struct websocket *websocket, enum status status);

    /* The client accepted some of the rest, or all of it. */
    void (*unblocked)(struct websocket *websocket, bool all);

    /* The connection is gone, or has been ended: frees the websocket. */
    void (*closed)(struct websocket *websocket);
};

/* `events` are those of all sockets. */
enum status sockets_create(struct gateway *gateway, struct uv_loop_s *loop,
                           const struct socket_events *events, struct sockets **ret_sockets);

/* Makes `descriptor` the websocket's. STATUS_NO_MEMORY: nothing has changed. */
enum status socket_adopt(struct websocket *websocket, int descriptor);

/* The client gets all of it or nothing: what is not accepted now is kept. While something is kept (rest),
 * only control frames may be added. False: the socket is dead, or out of memory. */
bool socket_write(struct websocket *websocket, const void *bytes, size_t length);

/* Reads or not, as websocket->reading says; bytes read before are processed. */
void socket_watch(struct websocket *websocket);

/* Sends the close frame and waits for the client's; with close_code 0 it only closes. May free the websocket.
 */
void socket_end(struct websocket *websocket);

/* Closes the descriptor and releases what it held; the websocket is the caller's. */
void socket_done(struct websocket *websocket);

/* Once per turn: continues where reading was resumed, and ends sockets whose clients do not answer a close.
 */
void sockets_end_turn(struct gateway *gateway);

/* Stops waiting; the loop must turn once more for its handle. */
void sockets_stop(struct gateway *gateway);
void sockets_free(struct sockets *sockets);

#endif
