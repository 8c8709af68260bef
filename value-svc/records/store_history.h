/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * The room records/: one file per kind of thing that Redis keeps, on top of store/. Input: users, industries,
 * sessions and events. Output: commands and scripts in pipelines, and their replies as structs. Declared in
 * store/store.h: events and values (store_events.c), presence (store_presence.c). Statuses are store.h's.
 *
 * This file: histories. They hold what was published lately, by user and by industry, as Redis Streams capped
 * by length (HISTORY_LENGTH) and age (HISTORY_WINDOW). The script that applies an event writes the user's
 * (store_apply); a second pipeline writes the industries'. Both happen before anything is published, so a
 * reader whose session joined before finds a frame in the history or gets it live.
 *
 * Entries are found by the time at which they were stored, in Redis' clock, and by their lane and number. A
 * stream keeps entries that are up to HISTORY_MARGIN_MS older than the window, and readers start
 * HISTORY_LOOKBACK_MS before a position's time: the clocks of hosts may differ by a third of that. A stream
 * keeps one entry more than the length. If that entry is still there and is younger than the reader's start,
 * the reader may have lost an entry.
 */
#ifndef POLLEN8_VALUE_SVC_RECORDS_STORE_HISTORY_H
#define POLLEN8_VALUE_SVC_RECORDS_STORE_HISTORY_H

#include "store/store.h"

#define HISTORY_MARGIN_MS   30000
#define HISTORY_LOOKBACK_MS 10000

/* ---- writing ---------------------------------------------------------------------------------------- */

struct store_append {
    const char *industry; /* borrowed; normalised */
    struct slice frame;   /* borrowed; a packed OutboundFrame with its numbers */

    /* Results */
    unsigned replies; /* store_append's own */
    bool broken;      /* the industry's history is broken */
};

/* Appends in order. A key that is not a stream is skipped and reported as broken, to its readers too. */
enum status store_append(struct store *store, const struct store_rules *rules, struct store_append *appends,
                         size_t count);

/* ---- reading ---------------------------------------------------------------------------------------- */

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

/* Reads all rooms as of one past moment: each gives what was stored until then and nothing newer. So if one
 * room has an entry of a lane, the others have all earlier entries of that lane. Oldest entry first. Waits
 * for up to a millisecond. *ret_moment_ms: the last millisecond that counts, in Redis' clock. *ret_epoch: the
 * store's epoch after that; if it is 0, or not the connection's, Redis lost something in the meantime. */
enum status store_read(struct store *store, struct store_room *rooms, size_t count, store_entry_fn *give,
                       void *context, int64_t *ret_moment_ms, uint64_t *ret_epoch);

/* Whether no entry of the room stored since from_ms was dropped because of the length. */
bool store_room_whole(const struct store_room *room, int64_t from_ms, int64_t history_length);

#endif
