/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * The sockets of established WebSockets without TLS, once they are ours: the library has done the upgrade,
 * and is left out from then on (websocket.c). Read when they are readable, through one epoll of their own, in
 * one buffer for all; written by one send; what a socket does not take is kept here and finished when it can
 * be. Only websocket.c uses this, and the loop what is at the end.
 *
 * Why: the library keeps 2 KB for a connection, of which nothing is needed once it is open, and costs a few
 * hundred instructions a write. Memory here: nothing for a socket with nothing half-way; else 24
 * bytes and what is still to be written, or an input buffer. Loop thread.
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

/* What websocket.c is told. */
struct socket_events {
    /* A part of a message, or all of it. */
    void (*part)(struct websocket *websocket, bool first, bool binary, bool final, struct slice part);

    void (*pong)(struct websocket *websocket);

    /* The client broke the protocol: it is closed with this code. */
    void (*refuse)(struct websocket *websocket, uint16_t code);

    /* What the client sends is too much (STATUS_FULL), or there is no memory for it (STATUS_NO_MEMORY). */
    void (*failed)(struct websocket *websocket, enum status status);

    /* The client took something of the rest, or all of it. */
    void (*unblocked)(struct websocket *websocket, bool all);

    /* The connection is gone, or has been ended: frees the websocket. */
    void (*closed)(struct websocket *websocket);
};

/* `events` are those of all sockets. */
enum status sockets_create(struct gateway *gateway, struct uv_loop_s *loop,
                           const struct socket_events *events, struct sockets **ret_sockets);

/* Makes `descriptor` the websocket's. STATUS_NO_MEMORY: nothing has changed. */
enum status socket_adopt(struct websocket *websocket, int descriptor);

/* All or nothing reaches the client: what is not taken now is kept. While something is kept (rest) only
 * control frames may be added. False: the socket is dead, or memory is short. */
bool socket_write(struct websocket *websocket, const void *bytes, size_t length);

/* Reads or not, as websocket->reading says; what had been read meanwhile is worked on. */
void socket_watch(struct websocket *websocket);

/* Sends the close frame and waits for the client's; with close_code 0 just closes. May free the websocket. */
void socket_end(struct websocket *websocket);

/* Closes the descriptor and gives back what it held; the websocket is the caller's. */
void socket_done(struct websocket *websocket);

/* Once a turn: reads on where reading was resumed, ends those whose clients do not answer a close. */
void sockets_end_turn(struct gateway *gateway);

/* No more waiting; the loop must turn once more for its handle. */
void sockets_stop(struct gateway *gateway);
void sockets_free(struct sockets *sockets);

#endif
