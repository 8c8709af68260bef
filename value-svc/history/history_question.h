/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * One reader of histories: its position, and the entries it has missed. Pure; one thread.
 */
#ifndef POLLEN8_VALUE_SVC_HISTORY_HISTORY_QUESTION_H
#define POLLEN8_VALUE_SVC_HISTORY_HISTORY_QUESTION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "history/history_batch.h"

_Static_assert(HISTORY_LANES <= 64, "a bit a lane");

#define HISTORY_DROPPED 1024 /* several batches of a worker: if it dies all of them are redelivered */

/* A frame that somebody wants. */
struct history_found {
    int64_t stamp_us;
    uint64_t number;
    uint64_t event_id;
    uint32_t lane;
    uint32_t at; /* where its bytes are, the batch's matter */
    uint32_t length;
};

/* What an entry of a history says. */
struct history_entry {
    struct history_found found;
    int64_t stored_ms;   /* Redis' clock */
    uint32_t first_lane; /* not 0: it is of an event published (or about to be) as this before */
    uint64_t first_number;
};

struct history_question {
    const char *reason; /* why it cannot be answered completely; NULL: it can */
    int64_t from_ms;    /* what was stamped before was had */
    int64_t until_ms;   /* what was stored later is not asked for, Redis' clock; 0: no bound */
    int64_t since_ms;   /* a lane that is not in the position was had before this */
    size_t lane_count;
    uint32_t lanes[HISTORY_LANES];
    uint64_t sequences[HISTORY_LANES];
    uint64_t missed;     /* something may be missing in these lanes alone: bit n is lanes[n]; 0: in any */
    uint32_t first_want; /* the batch's matter: of the first room; those of the others follow */
    size_t room_count;
    uint32_t rooms[2 * HISTORY_ROOMS_EACH]; /* the batch's matter */
    size_t found_count;
    uint32_t found[HISTORY_FRAMES]; /* indexes into an array of struct history_found */
    size_t dropped_count;
    uint64_t dropped[HISTORY_DROPPED]; /* event ids of which another entry was had; in no order, some twice */
};

bool question_position_valid(const Pollen8__Position *position);
void question_begin(struct history_question *question, const Pollen8__HistoryRead *read,
                    const struct history_now *now);

/* Whether the question is to be given the entry. If the reader already has the entry, and its event was
 * published before, the next question_compact takes back all entries of that event. */
bool question_wants(struct history_question *question, const struct history_entry *entry);

/* The bit of the position's lane if that lane has reached this number; 0: it has not, or the lane is not in
 * the position. */
uint64_t question_had_lanes(const struct history_question *question, uint32_t lane, uint64_t number);

/* Past HISTORY_FRAMES the answer is incomplete. */
void question_give(struct history_question *question, const struct history_found *found, uint32_t index);

/* Sorts, removes repeats from several rooms, and removes events that the reader has under another number. */
void question_compact(struct history_question *question, const struct history_found *found);

#endif
