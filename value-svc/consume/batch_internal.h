/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * What batch.c and batch_apply.c share: a running batch. Worker threads.
 */
#ifndef POLLEN8_VALUE_SVC_CONSUME_BATCH_INTERNAL_H
#define POLLEN8_VALUE_SVC_CONSUME_BATCH_INTERNAL_H

#include "consume/batch.h"
#include "consume/dead.h"
#include "records/store_history.h"

enum verdict {
    VERDICT_APPLY,
    VERDICT_DEAD,
    VERDICT_TRIED, /* the same, because it failed in all its tries */
    VERDICT_LATER  /* not acknowledged: it is redelivered */
};

struct packed {
    size_t at; /* in batch->frames */
    size_t length;
};

struct entry {
    enum verdict verdict;
    size_t index;   /* in the bus's batch */
    unsigned tries; /* counted tries; 0: it was applied, or its try does not count */
    struct bus_message message;
    struct bus_delivery delivery;
    struct slice name; /* of the event, within message.subject */
    size_t applied_as; /* index in batch->applies */
    struct delivery_sent sent;
    struct packed payload;  /* the frame of EFFECT_USER */
    struct packed industry; /* the frame of EFFECT_INDUSTRY, once it was applied */
    char key[EVENT_KEY_SIZE];
    char reason[EVENT_REASON_SIZE];
    struct event event;
};

struct batch {
    struct service *service;
    struct store *store;
    uint64_t epoch; /* that Redis must be in */
    const struct service_drain
        *drain; /* the durable that handed out the running batch; NULL: the epoch's own */
    struct delivery *delivery;
    struct wire_arena arena;
    size_t capacity;
    size_t count; /* of those handled together: the batch except what is tried alone */
    size_t apply_count;
    size_t dead_count;
    uint64_t stamped_ms; /* monotonic: when its events were given their stamp; 0: not yet */
    int64_t stamp_us;
    uint64_t held_ms;      /* monotonic: when the messages were taken, or last kept */
    struct entry *all;     /* owned, capacity of each */
    struct entry *entries; /* within `all`: those handled together */
    struct store_event *applies;
    struct dead_letter *letters;
    struct store_append *appends; /* INDUSTRIES_MAXIMUM for each entry */
    struct buf frames;            /* packed */
};

/* Packs a payload's frame at the end of batch->frames; batch_packed: its bytes, valid until the next
 * one is packed. */
enum status batch_pack(struct batch *batch, const struct entry *entry, enum event_effect effect,
                       struct packed *packed);
struct slice batch_packed(const struct batch *batch, const struct packed *packed);

/* Whether the applied event's frames are published (again). */
bool batch_delivers(const struct store_event *apply);

/* Whether the events were stamped longer ago than that. A stamped event is published within
 * HISTORY_LOOKBACK_MS, or its numbers are given up. */
bool batch_stamped_over(const struct batch *batch, uint64_t limit_ms);

/* Keeps the messages that were not handled yet from being redelivered, if that is due. */
void batch_hold(struct batch *batch, struct bus_batch *messages, const struct entry *entries, size_t count);

/* Waits for Redis as batch_handle does; any status but STATUS_OK gives the batch up. An event that failed
 * alone keeps its tries. */
enum status batch_apply(struct batch *batch, struct bus_batch *messages);

#endif
