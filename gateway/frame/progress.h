/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * How far this gateway has come: its position, moved on by every numbered frame and mark in the order they
 * are taken, and for each lane the last number that every gateway hears, which shows what was missed.
 *
 * All of a lane's messages come in the order of their numbers over one connection, so that to have taken
 * number n means to have been given everything up to n that was subscribed to. A lane marks itself at least
 * once a second; one that has been silent for `keep_ms`, or whose place is needed, leaves the position.
 * Beyond POSITION_LANES lanes that live there are no offsets until some have left, and no gaps of those
 * without a place.
 *
 * The position is part of every user's offsets, so it holds only what this gateway took from the broker or
 * from a history: never what a client claims, nor what another gateway says. Pure; loop thread.
 */
#ifndef POLLEN8_GATEWAY_FRAME_PROGRESS_H
#define POLLEN8_GATEWAY_FRAME_PROGRESS_H

#include "frame/position.h"

#define PROGRESS_SETTLE_MS 1500 /* every lane that lives has been heard after this long */
/* Who begins to hear may be given what is stamped up to so long before: stamps are older than the publishing,
 * and the clocks of the hosts are apart (docs/operations.md). */
#define PROGRESS_EARLY_MS 5000
#define LANE_KEEP_MS      60000 /* nothing a lane published before it fell silent comes again after this long */

/* Where a frame or a mark stands in its lane. */
struct lane_mark {
    uint32_t lane; /* 0: in none */
    bool heard;    /* by every gateway: `previous` says what came before */
    uint64_t sequence;
    uint64_t previous;
    uint64_t epoch; /* of the histories; 0: unknown */
};

enum progress_verdict {
    PROGRESS_NEW,
    PROGRESS_REPEAT, /* it was taken before */
    PROGRESS_GAP     /* something before it was missed: nothing has moved */
};

struct progress; /* opaque */

/* NULL where memory is short. Begins as progress_start. */
struct progress *progress_create(uint64_t keep_ms, uint64_t now_ms, int64_t wall_ms);
void progress_free(struct progress *progress);

/* From now on everything is heard; what came before is unknown. Lanes are taken as they come until
 * PROGRESS_SETTLE_MS have passed, and the position of what is still heard goes on. */
void progress_start(struct progress *progress, uint64_t now_ms, int64_t wall_ms);

/* Whether lanes may live that have not been heard yet. */
bool progress_settling(const struct progress *progress, uint64_t now_ms);

/* wall_ms: Unix milliseconds; the position holds as of then. */
enum progress_verdict progress_take(struct progress *progress, const struct lane_mark *mark, uint64_t now_ms,
                                    int64_t wall_ms);

/* Takes it whatever is missing before it: that has been repaired, or given up. Not everything before it need
 * have been in what was read: a repeat is told by its id then. The position holds as of when it did before.
 */
void progress_accept(struct progress *progress, const struct lane_mark *mark, uint64_t now_ms);

/* The epoch as it was told otherwise than by a lane; only until some lane has told its own, for what a lane
 * published before may be in an earlier one. */
void progress_set_epoch(struct progress *progress, uint64_t epoch);

/* The last number of the lane that every gateway hears; 0: none was heard. */
uint64_t progress_heard(struct progress *progress, uint32_t lane);

/* Lanes that have been silent for too long leave. */
void progress_expire(struct progress *progress, uint64_t now_ms, int64_t wall_ms);

/* Borrowed; it changes with the next call. */
const struct position *progress_position(const struct progress *progress);

/* The same, shared: one copy for all who ask before it changes. A reference of the caller's; NULL where
 * memory is short or some lane has no room. */
struct position *progress_share(struct progress *progress, uint64_t now_ms);

/* The offset of the position, borrowed until the next call; empty: there is none. */
struct slice progress_offset(struct progress *progress, uint64_t now_ms);

#endif
