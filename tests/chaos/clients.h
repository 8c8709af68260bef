/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * The clients that receive: half speak Socket.IO, half /ws; each is a user of its own. What comes goes to the
 * ledger; values must rise. One thread.
 */
#ifndef POLLEN8_CHAOS_CLIENTS_H
#define POLLEN8_CHAOS_CLIENTS_H

#include <stdbool.h>
#include <stdint.h>

#include "ledger.h"
#include "links.h"
#include "tokens.h"
#include "witness.h"

struct client {
    struct link link; /* first: a client is found from it */
    uint32_t number;
    uint32_t count;   /* connections, by the last network.update */
    int64_t answered; /* connections, by value.get at the end; negative: none */
    char token[TOKEN_SIZE];
};

struct clients {
    struct links links;
    struct ledger *ledger;
    struct witness *witness; /* the caller's */
    struct client *all;      /* owned */
    struct link **list;      /* owned */
    uint32_t *excused;       /* owned: events of a client below this need not have come */
    uint32_t *whole; /* owned: events up to this had been submitted when it was told that it was recovered */
    uint32_t count;
    uint32_t answers;
    uint32_t values_fallen; /* a value told after a higher one */
    bool values_may_fall;   /* for a time, where a Redis that had it all is gone */
    struct histogram latency;
    uint64_t lag_sum_ms; /* since the last clients_lag_ms */
    uint32_t lag_count;
};

bool clients_create(struct clients *clients, const struct ring *ring, struct ledger *ledger,
                    struct witness *witness, uint32_t count, uint64_t seed, int64_t expires_s);
void clients_free(struct clients *clients);

/* Mean milliseconds from submission to delivery since the last call. */
uint64_t clients_lag_ms(struct clients *clients);

/* Everyone who has not been answered asks for its value. */
void clients_ask(struct clients *clients);

#endif
