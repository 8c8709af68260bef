/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * What exchange.c (a request and its answer), exchange_park.c (its connection leaves the library) and
 * exchange_end.c (it is freed) share. exchange.c stands above the second, both stand above the third. Loop
 * thread.
 */
#ifndef POLLEN8_GATEWAY_HTTP_EXCHANGE_INTERNAL_H
#define POLLEN8_GATEWAY_HTTP_EXCHANGE_INTERNAL_H

#include <stdbool.h>
#include <stdint.h>

#include "base/timer_wheel.h"
#include "common/buf.h"
#include "http/exchange.h"

#define EXCHANGE_MAGIC 0x45584348u

enum state { STARTING, READING, HELD, PARKED, DRAINING, DISCARDING, KEPT, ELSEWHERE };

struct exchange {
    uint32_t magic;
    uint8_t state; /* enum state */
    bool keep_alive;
    bool head;
    bool answered;
    bool stays;            /* with the library, which may have read some of the next request */
    bool ending;           /* its connection is closed at the end of the turn */
    struct lws *wsi;       /* NULL once closed, or PARKED */
    struct parked *parked; /* PARKED */
    struct gateway *gateway;
    const struct exchange_owner *kind; /* NULL: nobody owns it */
    void *owner;
    uint64_t body_length;
    uint64_t deadline_ms; /* DRAINING */
    struct buf body;
    struct wheel_timer timer;
    struct exchange *next_ending;
    /* bytes that the library had read from the socket when it became fresh */
    uint64_t consumed;
    struct exchange *next;            /* in the list `fresh` or `settling` */
    struct exchange **link;           /* what points to it in that list; NULL: it is in neither */
    exchange_elsewhere_fn *elsewhere; /* ELSEWHERE: answers it */
    void *context;                    /* of that */
    size_t origin_length;
    char origin[];
};
_Static_assert(sizeof(struct exchange) <= 192, "stated in exchange.h");

struct exchanges {
    struct exchange *ending;   /* their connections are closed at the end of the turn */
    struct exchange *fresh;    /* may be parked once the loop has polled */
    struct exchange *settling; /* kept alive; may be parked once it has polled again */
};

/* ---- exchange_end.c ---- */

/* Detaches it from its connection, which stays, and frees it. */
void exchange_release(struct exchange *exchange);

/* Its connection is gone: releases it and informs its owner. */
void exchange_gone(struct exchange *exchange);

/* Closes its connection at the end of the turn, when no callback of the library is running. */
void exchange_end_later(struct exchange *exchange);

/* Cancels its parking, if that was still to come. */
void exchange_stay(struct exchange *exchange);

/* ---- exchange_park.c ---- */

/* For a held one: its connection leaves the library, if it may. */
void exchange_park(struct exchange *exchange);

/* The same for one that was answered and whose connection stays; the exchange is no longer the caller's. */
void exchange_keep(struct exchange *exchange);

#endif
