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
    bool reading;   /* incoming bytes are accepted; socket.c: watched for */
    bool closing;   /* requested; done at the end of the turn, then socket.c waits for the client's part */
    bool listed;    /* on the list of closes or of arrivals */
    bool received;  /* through the library: it may hold a part of a message */
    bool fragment_binary; /* the kind of the incomplete message */
    uint16_t close_code;
    uint32_t watched; /* socket.c: events asked for */
    /* socket.c, owned: bytes that the socket did not accept; NULL: none */
    struct socket_rest *rest;
    const struct websocket_owner *kind; /* NULL: nobody owns it */
    void *owner;
    struct gateway *gateway;
    struct lws *wsi;       /* NULL once closed, or ours */
    char *sid;             /* owned; NULL: it was a WebSocket from the start */
    struct buf *fragments; /* owned; NULL: no message is incomplete */
    struct buf *input;     /* socket.c, owned: bytes not processed yet; NULL: none */
    uint64_t skip;         /* socket.c: remaining bytes of an unwanted frame */
    const char *close_text;
    struct websocket *turn_next; /* websocket.c: the list above */
    struct websocket *next;      /* socket.c: the list it is on */
    struct websocket **link;     /* what points to it in that list; NULL: it is on none */
    uint64_t linger_ms;          /* socket.c: until then the client's part of a close is awaited */
};
_Static_assert(sizeof(struct websocket) <= 136, "stated in websocket.h");

struct sockets {
    struct gateway *gateway;
    const struct socket_events *events;
    uv_poll_t poll; /* of the epoll below */
    int epoll;
    struct websocket *turn;      /* websocket.c: new sockets, and those to be closed at the end of the turn */
    struct websocket *resumed;   /* reading again, with kept input */
    struct websocket *lingering; /* closed by us; the clients' part is missing */
    struct wheel_timer linger;   /* looks through them */
    char input[SOCKET_INPUT_BYTES];
};

#endif
