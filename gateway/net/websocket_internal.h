/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * What websocket.c (messages, queues, closes; sockets that the library reads) and socket.c (sockets that we
 * read) share. Nobody else includes this file. Loop thread.
 */
#ifndef POLLEN8_GATEWAY_NET_WEBSOCKET_INTERNAL_H
#define POLLEN8_GATEWAY_NET_WEBSOCKET_INTERNAL_H

#include "net/websocket.h"
#include "session/session.h"

#define WEBSOCKET_MAGIC 0x57534f43u

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
    uint32_t watched;         /* socket.c: events asked for */
    struct socket_rest *rest; /* socket.c, owned: what the socket did not take; NULL: nothing */
    struct session *session;  /* NULL: detached */
    struct gateway *gateway;
    struct lws *wsi; /* NULL once closed, or ours */
    websocket_message_fn *message;
    websocket_lost_fn *lost; /* NULL: the session's transport is this one */
    char *sid;               /* owned; NULL: it was a WebSocket from the start */
    struct buf *fragments;   /* owned; NULL: no message is half-way */
    struct buf *input;       /* socket.c, owned: bytes not yet worked on; NULL: none */
    uint64_t skip;           /* socket.c: bytes of a frame that nobody wants */
    const char *close_text;
    struct websocket *turn_next; /* websocket.c: the list above */
    struct websocket *next;      /* socket.c: the list it is on */
    struct websocket **link;     /* what points here in it; NULL: it is on none */
    uint64_t linger_ms;          /* socket.c: the client's part of a close is waited for until then */
};
_Static_assert(sizeof(struct websocket) <= 144, "stated in websocket.h");

/* ---- websocket.c, for socket.c ---- */

/* A part of a message, or all of it. */
void websocket_part(struct websocket *websocket, bool first, bool binary, bool final, struct slice part);

/* What is too much, or wrong, for the socket ends what it carries, or itself alone. */
void websocket_fail(struct websocket *websocket, enum session_cause cause);

/* Closes with this code for the client's fault; the session ends as if the client had gone. */
void websocket_refuse(struct websocket *websocket, uint16_t code);

/* Everything that may follow once the rest has been taken. */
void websocket_unblocked(struct websocket *websocket, bool all);

#endif
