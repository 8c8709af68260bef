/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * What has been submitted, what was acknowledged, and who has been given it. An event's number travels in the
 * spelling of its industry's name (services match without regard to case, and pass on as written): upper case
 * is a 1. Client n is user n, in the industry n / 10. One thread.
 */
#ifndef POLLEN8_CHAOS_LEDGER_H
#define POLLEN8_CHAOS_LEDGER_H

#include <stdbool.h>
#include <stdint.h>

#include "common/slice.h"
#include "report.h"

#define LEDGER_USER          "user.%04u"
#define LEDGER_MEMBERS       10 /* clients an industry */
#define LEDGER_LETTERS       24
#define LEDGER_INDUSTRY_SIZE (LEDGER_LETTERS + 5)
#define LEDGER_EVENTS        (1U << LEDGER_LETTERS)

struct ledger_event {
    uint16_t user;
    uint8_t industry;
    bool acked;
    uint16_t got;                        /* a bit for each member that has it */
    uint32_t sent_ms;                    /* since the start */
    uint16_t got_tenths[LEDGER_MEMBERS]; /* when each had it first, since the start */
};

struct ledger {
    struct report *report;
    struct ledger_event *events; /* owned */
    uint32_t count;
    uint32_t capacity;
    uint32_t clients;
    uint32_t acked;
    uint64_t deliveries;
    uint64_t repeats_told; /* came again after the client had been told that it was not recovered */
    uint32_t doubled;
    uint32_t lost;
    uint32_t missed_told; /* did not come, and the client was told */
};

bool ledger_create(struct ledger *ledger, uint32_t clients, struct report *report);
void ledger_free(struct ledger *ledger);

/* A new event about a user; its number, or LEDGER_EVENTS where there is no room for more. */
uint32_t ledger_submit(struct ledger *ledger, uint32_t user, uint32_t industry, uint64_t now_ms);

void ledger_ack(struct ledger *ledger, uint32_t event);

/* The industry's name, spelt for the event, with a NUL. */
void ledger_write_industry(char out[LEDGER_INDUSTRY_SIZE], uint32_t event, uint32_t industry);

/* The data of a connection.new has come to a client that need not have events below `excused`. Returns how
 * many milliseconds ago the event was submitted, negative for none. */
int64_t ledger_deliver(struct ledger *ledger, uint32_t client, uint32_t excused, struct slice data,
                       uint64_t now_ms);

/* Acknowledged events that a member has not been given though it should have; each a violation if `tell`. */
uint32_t ledger_missing(struct ledger *ledger, const uint32_t *excused, bool tell);

/* Those of them that were submitted before the member was told that it had missed nothing: events below
 * `whole` of it. */
uint32_t ledger_falsely_whole(const struct ledger *ledger, const uint32_t *excused, const uint32_t *whole);

/* How many events about each user are acknowledged, and submitted; both of ledger->clients entries. */
void ledger_sum(const struct ledger *ledger, uint32_t *acked, uint32_t *submitted);

#endif
