/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * What websocket.c (messages, owners, closes; sockets that the library reads) and, below it, socket.c
 * (sockets that we read) share. Nobody else includes this file. Loop thread.
 */
#ifndef POLLEN8_GATEWAY_NET_WEBSOCKET_INTERNAL_H
#define POLLEN8_GATEWAY_NET_WEBSOCKET_INTERNAL_H

#include <uv.h>

#include "base/timer_wheel.h"
#include "net/socket.h"
#include "net/websocket.h"

#define WEBSOCKET_MAGIC    0x57534f43u
#define SOCKET_INPUT_BYTES 65536

struct socket_rest;

struct websocket {
    uint32_t magic;
    int descriptor; /* ours; -1: the library's */
    bool reading;   /* what comes is taken; socket.c: it is watched for */
    bool closing;   /* asked for; done at the end of the turn, then socket.c waits for the client's part */
    bool listed;    /* on the list of closes or of arrivals */
    bool received;  /* through the library: it may hold a part of a message */
    bool fragment_binary; /* what the message that is half-way is */
    uint16_t close_code;
    uint32_t watched;                   /* socket.c: events asked for */
    struct socket_rest *rest;           /* socket.c, owned: what the socket did not take; NULL: nothing */
    const struct websocket_owner *kind; /* NULL: nobody owns it */
    void *owner;
    struct gateway *gateway;
    struct lws *wsi;       /* NULL once closed, or ours */
    char *sid;             /* owned; NULL: it was a WebSocket from the start */
    struct buf *fragments; /* owned; NULL: no message is half-way */
    struct buf *input;     /* socket.c, owned: bytes not yet worked on; NULL: none */
    uint64_t skip;         /* socket.c: bytes of a frame that nobody wants */
    const char *close_text;
    struct websocket *turn_next; /* websocket.c: the list above */
    struct websocket *next;      /* socket.c: the list it is on */
    struct websocket **link;     /* what points here in it; NULL: it is on none */
    uint64_t linger_ms;          /* socket.c: the client's part of a close is waited for until then */
};
_Static_assert(sizeof(struct websocket) <= 136, "stated in websocket.h");

struct sockets {
    struct gateway *gateway;
    const struct socket_events *events;
    uv_poll_t poll; /* of the epoll below */
    int epoll;
    struct websocket *turn;      /* websocket.c: new sockets, and those to be closed at the end of the turn */
    struct websocket *resumed;   /* reading again, with input that waits */
    struct websocket *lingering; /* closed by us; their clients have their part to do */
    struct wheel_timer linger;   /* looks through them */
    char input[SOCKET_INPUT_BYTES];
};

#endif
