/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * Histories: what was published lately, by user and by industry, as Redis Streams capped by length
 * (HISTORY_LENGTH) and age (HISTORY_WINDOW). The user's is written by the script that applies an event
 * (store_apply), industries' in a second pipeline, both before anything is published: a reader whose session
 * joined before finds a frame in the history or gets it live.
 *
 * Entries are found by the time at which they were stored, in Redis' clock, and by their lane and number. A
 * stream keeps what is up to HISTORY_MARGIN_MS older than the window, readers begin HISTORY_LOOKBACK_MS
 * before a position's time: clocks of hosts may differ by a third of that. One entry more than the length
 * stays: while it is there, and younger than where a reader begins, something of the reader's may be gone.
 */
#ifndef POLLEN8_VALUE_SVC_RECORDS_STORE_HISTORY_H
#define POLLEN8_VALUE_SVC_RECORDS_STORE_HISTORY_H

#include "store/store.h"

#define HISTORY_MARGIN_MS   30000
#define HISTORY_LOOKBACK_MS 10000

/* ---- Writing ---------------------------------------------------------------------------------------- */

struct store_append {
    const char *industry; /* borrowed; normalised */
    struct slice frame;   /* borrowed; a packed OutboundFrame with its numbers */

    /* Results */
    unsigned replies; /* store_append's own */
    bool broken;      /* the industry's history takes nothing */
};

/* Appends in order. A key that is no stream is passed over and said to be broken, also to its readers. */
enum status store_append(struct store *store, const struct store_rules *rules, struct store_append *appends,
                         size_t count);

/* ---- Reading ---------------------------------------------------------------------------------------- */

enum store_room_kind { ROOM_INDUSTRY, ROOM_USER };

struct store_room {
    enum store_room_kind kind;
    const char *name; /* borrowed */
    int64_t from_ms;  /* entries stored since then, Redis' clock */

    /* Results */
    bool broken;       /* the key is no stream */
    uint64_t length;   /* of the whole stream */
    int64_t oldest_ms; /* of its oldest entry; 0: empty */
};

struct store_entry {
    int64_t stored_ms;  /* Redis' clock */
    struct slice frame; /* packed OutboundFrame; empty: a network.update */

    /* ROOM_USER only: what the frame lacks. */
    uint32_t lane;
    uint64_t number;
    uint64_t event_id;
    int64_t stamp_us;
    uint64_t user_sequence;
    uint64_t version;
    int64_t sum;
    uint32_t first_lane;
    uint64_t first_number;
};

/* `entry` is valid during the call. */
typedef void store_entry_fn(void *context, size_t room, const struct store_entry *entry);

/* Reads all rooms as they were at one moment, which has passed: each has what was stored until then and
 * nothing newer, so that what one has at some number of a lane the others have before it. Each oldest entry
 * first; waits for up to a millisecond.
 * *ret_moment_ms: the last millisecond that counts, in Redis' clock. *ret_epoch: the store's epoch after
 * that; another one than the connection's, or 0: it forgot something meanwhile. */
enum status store_read(struct store *store, struct store_room *rooms, size_t count, store_entry_fn *give,
                       void *context, int64_t *ret_moment_ms, uint64_t *ret_epoch);

/* Whether nothing of the room stored since from_ms was dropped for its length. */
bool store_room_whole(const struct store_room *room, int64_t from_ms, int64_t history_length);

#endif
