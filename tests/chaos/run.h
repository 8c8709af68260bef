/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * A run: ring, clients, publishers and killer turned together, and the steps both kinds of run have in
 * common. One thread.
 */
#ifndef POLLEN8_CHAOS_RUN_H
#define POLLEN8_CHAOS_RUN_H

#include <stdbool.h>
#include <stdint.h>

#include "attackers.h"
#include "clients.h"
#include "failover.h"
#include "killer.h"
#include "ledger.h"
#include "publishers.h"
#include "report.h"
#include "ring.h"
#include "witness.h"

struct run_options {
    uint32_t seconds; /* under load, without start and end */
    uint64_t seed;
    uint32_t clients;
    uint32_t attackers;
    uint32_t rate; /* events a second */
    uint32_t gateways;
    uint32_t drain_seconds;
    const char *programs;
    const char *spare;      /* kinds that are not killed; NULL: none */
    uint32_t wait_replicas; /* with `failover` */
    bool rolling;
    bool failover; /* Redis under sentinels, and faults of these alone */
    bool keep;     /* the folder stays */
};

struct run {
    const struct run_options *options;
    struct report report;
    struct ring ring;
    struct ledger ledger;
    struct clients clients;
    struct attackers attackers;
    struct witness witness;
    struct publishers publishers;
    struct killer killer;
    struct failover failover;
    uint64_t now_ms;
    uint64_t watched_ms;
    uint64_t said_ms;
    uint64_t load_ms; /* when the load began */
    double loaded_s;  /* how long it lasted */
    uint32_t said_acked;
    uint32_t falsely_whole; /* events missed by a client that was told it was recovered */
    uint64_t uncounted;     /* acknowledged, and not in the counts at the end */
    uint64_t overcounted;   /* in the counts, more than were submitted */
    struct part *awaited;   /* in a rolling restart: until it is ready */
    bool submitting;
    bool killing;
};

/* Ring up and ready, every client and publisher in. false after a line that says why not. */
bool run_start(struct run *run, const struct run_options *options);

/* One turn of everything, waiting a moment where there is nothing to do. */
void run_turn(struct run *run);

/* Turns for so long. */
void run_for(struct run *run, uint64_t milliseconds);

/* Turns until `done`, at most `limit_ms`; says whether it was. */
bool run_until(struct run *run, bool (*done)(struct run *run), uint64_t limit_ms);

/* Every part is ready. */
bool run_all_ready(struct run *run);

/* Load and killing have ended: waits for the last event, then holds the ledger against clients and stores. */
void run_settle(struct run *run);

/* Descriptors held at the moment, sessions' not counted: what they are held against at the end. */
void run_take_baseline(struct run *run);

/* Ends everything in order, and says the figures: one line of JSON. Exit status of the program. */
int run_end(struct run *run);

#endif
