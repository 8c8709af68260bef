/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * One HTTP request to Engine.IO and its answer, which may come later: a body is read first, or a poll is
 * held. Whoever is to answer owns it meanwhile; nobody else knows that the library is behind it. Loop thread.
 *
 * A held request gives the library's table of its headers back where its connection is kept alive: that is
 * then, for the library, between two requests, so that a client that hangs up is noticed at once. Without
 * TLS a connection that waits, for an answer or for the next request, leaves the library (parked.h).
 *
 * Memory: 192 bytes and the Origin; a body while it is read, at most as long as it was said to be.
 */
#ifndef POLLEN8_GATEWAY_HTTP_EXCHANGE_H
#define POLLEN8_GATEWAY_HTTP_EXCHANGE_H

#include <stddef.h>
#include <stdint.h>

#include "http/http_answer.h"

struct exchange;  /* opaque */
struct exchanges; /* opaque: lists of them */
struct gateway;
struct lws;

/* What the owner is told; either ends its ownership. */
struct exchange_owner {
    /* The whole body is here: it is answered now, or owned anew until it is. */
    void (*body)(struct gateway *gateway, void *owner, struct exchange *exchange, struct slice body);
    /* The client has hung up, or its body was late. */
    void (*gone)(struct gateway *gateway, void *owner);
};

void exchange_own(struct exchange *exchange, const struct exchange_owner *kind, void *owner);

/* The owner of a request whose body is being read has gone: it is refused once it is here. */
void exchange_disown(struct exchange *exchange);

/* Answers and ends it: no pointer to it is good afterwards, but for the caller of exchange_start. */
void exchange_answer(struct exchange *exchange, const struct http_answer *answer);

/* Bytes of body that come; HTTP_REQUEST_BODY_UNKNOWN. */
uint64_t exchange_body_length(const struct exchange *exchange);

/* ---- requests that have arrived at another gateway; `answer` is called once ---- */

typedef void exchange_elsewhere_fn(struct gateway *gateway, void *context, const struct http_answer *answer);

/* NULL where memory is short. It is answered by exchange_answer, and refused where its owner leaves it. */
struct exchange *exchange_create_elsewhere(struct gateway *gateway, exchange_elsewhere_fn *answer,
                                           void *context);

/* Its `context`; NULL for a request that has arrived here. */
void *exchange_elsewhere(const struct exchange *exchange);

/* Its body has come whole: the owner answers. */
void exchange_whole(struct exchange *exchange, struct slice body);

/* Its client has hung up: the owner is told, nobody is answered. */
void exchange_lost(struct exchange *exchange);

/* ---- from the library's callbacks; an int is the callback's result ---- */

/* Forgets what is left of an earlier request on this connection. False: it is still held. */
bool exchange_forget(struct lws *wsi);

/* A request has come. NULL where memory is short, or where one is held on this connection already: hang up.
 */
struct exchange *exchange_start(struct gateway *gateway, struct lws *wsi);

/* After it was answered or given to an owner. */
int exchange_started(struct exchange *exchange);

int exchange_body(struct lws *wsi, const void *data, size_t length);
int exchange_body_end(struct lws *wsi);
void exchange_closed(struct lws *wsi);

/* ---- for main and the loop ---- */

/* NULL when out of memory. */
struct exchanges *exchanges_create(void);
void exchanges_free(struct exchanges *exchanges);

/* Once it has polled, before the library is served what is left: connections that wait leave the library. */
void exchanges_polled(struct gateway *gateway);

void exchanges_end_turn(struct gateway *gateway);

#endif
