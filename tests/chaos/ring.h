/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * A ring of its own in a folder of its own, on free ports of the loopback: broker with file storage, Redis
 * that forgets nothing (or one that fails over), services with the settings users have. One thread; calls
 * that ask a part wait at most RING_ASK_MS.
 */
#ifndef POLLEN8_CHAOS_RING_H
#define POLLEN8_CHAOS_RING_H

#include <stdbool.h>
#include <stdint.h>

#include "process.h"
#include "report.h"
#include "wires.h"

#define RING_GATEWAYS_MAXIMUM 4
#define RING_REDISES_MAXIMUM  3 /* a primary and two replicas, with a sentinel each */
#define RING_PARTS_MAXIMUM    16
#define RING_ASK_MS           300
#define RING_SECRET           "a secret for this ring alone, of no worth elsewhere"
#define RING_FOLDER_SIZE      160
#define RING_NAMESPACE        "/side"
#define RING_PRIMARY          "counts" /* the name that sentinels know it by */

enum part_kind { PART_NATS, PART_REDIS, PART_AUTH, PART_VALUE, PART_GATEWAY, PART_SENTINEL, PART_KINDS };

struct part {
    struct process process;
    enum part_kind kind;
    uint16_t port;      /* 0: none */
    uint16_t ops_port;  /* 0: none */
    uint16_t wire_port; /* of a Redis: where others reach it, over a wire that can be cut; 0: at `port` */
    uint32_t kills;
    long baseline_descriptors; /* without those of sessions; 0: not taken */
};

struct ring {
    struct report *report;
    char *folder;         /* owned */
    const char *programs; /* the caller's */
    struct part parts[RING_PARTS_MAXIMUM];
    size_t count;
    struct part *nats;
    struct part *redises[RING_REDISES_MAXIMUM]; /* the first is the primary at the start */
    struct part *sentinels[RING_REDISES_MAXIMUM];
    uint32_t redis_count; /* 1: no sentinels */
    struct wires wires;
    struct part *gateways[RING_GATEWAYS_MAXIMUM];
    uint32_t gateway_count;
};

struct ring_options {
    const char *programs; /* folder of the services' programs */
    uint32_t gateways;
    uint32_t auths;
    uint32_t values;
    uint32_t drain_seconds;
    uint32_t users;
    uint32_t users_an_industry;
    uint32_t attackers;
    bool sentinels; /* Redis is a primary with two replicas, under three sentinels */
    uint32_t wait_replicas;
};

const char *part_kind_name(enum part_kind kind);

/* Lays out the folder and every part; nothing runs yet. false after a line on standard error. */
bool ring_create(struct ring *ring, const struct ring_options *options, struct report *report);

/* Starts a part that does not run. */
void ring_start_part(struct ring *ring, struct part *part);

/* Is it ready for work? Waits for its answer. */
bool ring_ready(const struct part *part);

/* Looks after the parts: one that ended by itself is a violation and started again. */
void ring_watch(struct ring *ring);

/* SIGTERM to those of a kind; each must exit with status 0 within `limit_ms`. */
void ring_stop_kind(struct ring *ring, enum part_kind kind, uint64_t limit_ms);

/* Ends what runs; the folder goes unless `keep`. */
void ring_free(struct ring *ring, bool keep);

#endif
