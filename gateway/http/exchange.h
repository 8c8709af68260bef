/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * The room http/: requests that are not WebSockets, and their answers.
 *
 *   in    requests that the library has read; bodies; connections that wait without the library (parked.h)
 *   out   route, query, address and token of a request (http_request.h); the verdict on its origin; one
 *         answer, and the connection closed or kept alive
 *
 * This file is one HTTP request to Engine.IO and its answer, which may come later: a body is read first, or a
 * poll is held. Whoever will answer it owns it meanwhile; nobody else knows that the library is behind it.
 * Loop thread.
 *
 * If the connection is kept alive, a held request returns the library's table of its headers: for the library
 * the connection is then between two requests, so that a client that hangs up is noticed at once. Without
 * TLS, a connection that waits for an answer or for the next request leaves the library (parked.h).
 *
 * Memory: 192 bytes and the Origin; while a body is read, at most its declared length.
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

/* The events for the owner; each ends its ownership. */
struct exchange_owner {
    /* The body is complete: it is answered now, or owned again until it is. */
    void (*body)(struct gateway *gateway, void *owner, struct exchange *exchange, struct slice body);
    /* The client has hung up, or its body was late. */
    void (*gone)(struct gateway *gateway, void *owner);
};

void exchange_own(struct exchange *exchange, const struct exchange_owner *kind, void *owner);

/* The owner of a request whose body is being read is gone: the request is refused once the body is here. */
void exchange_disown(struct exchange *exchange);

/* Answers and ends it: no pointer to it is valid afterwards, except for the caller of exchange_start. */
void exchange_answer(struct exchange *exchange, const struct http_answer *answer);

/* Bytes of body to come; HTTP_REQUEST_BODY_UNKNOWN. */
uint64_t exchange_body_length(const struct exchange *exchange);

/* ---- requests that have arrived at another gateway; `answer` is called once ---- */

typedef void exchange_elsewhere_fn(struct gateway *gateway, void *context, const struct http_answer *answer);

/* NULL when out of memory. It is answered by exchange_answer, and refused if its owner leaves it. */
struct exchange *exchange_create_elsewhere(struct gateway *gateway, exchange_elsewhere_fn *answer,
                                           void *context);

/* Its `context`; NULL for a request that has arrived here. */
void *exchange_elsewhere(const struct exchange *exchange);

/* Its body is complete: the owner answers. */
void exchange_whole(struct exchange *exchange, struct slice body);

/* Its client has hung up: its owner is informed, and there is no answer. */
void exchange_lost(struct exchange *exchange);

/* ---- from the library's callbacks; an int is the callback's result ---- */

/* Forgets the rest of an earlier request on this connection. False: it is still held. */
bool exchange_forget(struct lws *wsi);

/* A request has arrived. NULL when out of memory, or if one is already held on this connection: hang up. */
struct exchange *exchange_start(struct gateway *gateway, struct lws *wsi);

/* Called after it was answered or given to an owner. */
int exchange_started(struct exchange *exchange);

int exchange_body(struct lws *wsi, const void *data, size_t length);
int exchange_body_end(struct lws *wsi);
void exchange_closed(struct lws *wsi);

/* ---- for main and the loop ---- */

/* NULL when out of memory. */
struct exchanges *exchanges_create(void);
void exchanges_free(struct exchanges *exchanges);

/* Called once the loop has polled, before the library processes earlier reads: waiting connections leave the
 * library. */
void exchanges_polled(struct gateway *gateway);

void exchanges_end_turn(struct gateway *gateway);

#endif
