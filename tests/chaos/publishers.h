/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * The platform's backends: a few sessions of role `service` that submit events at a steady rate. Each event
 * is sent until it is acknowledged, with the same eventId. Where the ring falls behind, the rate is lowered
 * until it keeps up. One thread.
 */
#ifndef POLLEN8_CHAOS_PUBLISHERS_H
#define POLLEN8_CHAOS_PUBLISHERS_H

#include <stdbool.h>
#include <stdint.h>

#include "dice.h"
#include "ledger.h"
#include "links.h"
#include "tokens.h"

#define PUBLISHERS       4
#define PUBLISHER_WINDOW 60 /* events unanswered at once; a session may have 64 */

struct slot {
    bool used;
    bool sent;
    uint32_t event;
    uint64_t due_ms; /* sent: no answer is awaited any longer; else: when to send */
};

struct publisher {
    struct link link; /* first */
    char token[TOKEN_SIZE];
    struct slot slots[PUBLISHER_WINDOW];
    uint32_t used;
};

struct publishers {
    struct links links;
    struct ledger *ledger;
    struct publisher all[PUBLISHERS];
    struct link *list[PUBLISHERS];
    struct dice dice;
    uint32_t industries;
    double target;  /* events a second */
    double rate;    /* now */
    double credit;  /* events due */
    double offered; /* events that the target made due */
    uint64_t resent;
    uint64_t refused; /* answers that were not ok */
    uint64_t turned_ms;
    uint32_t next;
};

bool publishers_create(struct publishers *publishers, const struct ring *ring, struct ledger *ledger,
                       double target, uint64_t seed, int64_t expires_s);
void publishers_free(struct publishers *publishers);

/* Sends what is due; new events only if `submit`. */
void publishers_turn(struct publishers *publishers, uint64_t now_ms, bool submit);

/* Once a second: lowers or raises the rate by how late deliveries are. */
void publishers_pace(struct publishers *publishers, uint64_t lag_ms);

/* Events not yet acknowledged. */
uint32_t publishers_waiting(const struct publishers *publishers);

#endif
