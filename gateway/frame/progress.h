/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * How far this gateway has come: its position, which every numbered frame and mark moves on in the order they
 * are taken; and for each lane the last number that every gateway hears, which shows what was missed.
 *
 * All messages of a lane come in the order of their numbers over one connection. So having taken number n
 * means having received everything up to n that was subscribed to. A lane publishes a mark at least once a
 * second. A lane leaves the position when it has been silent for `keep_ms` or its place is needed. If more
 * than POSITION_LANES lanes are live, there are no offsets until some have left, and gaps of the lanes
 * without a place are not noticed.
 *
 * The position is part of every user's offsets. So it holds only what this gateway took from the broker or
 * from a history: never what a client claims or another gateway says. Pure; loop thread.
 */
#ifndef POLLEN8_GATEWAY_FRAME_PROGRESS_H
#define POLLEN8_GATEWAY_FRAME_PROGRESS_H

#include "frame/position.h"

#define PROGRESS_SETTLE_MS 1500 /* after this long every live lane has been heard */
/* A new receiver may be given what is stamped up to this long before it began: stamps are older than the
 * publishing, and the clocks of the hosts differ (docs/operations.md). */
#define PROGRESS_EARLY_MS 5000
/* after this long nothing comes again that a lane published before it fell silent */
#define LANE_KEEP_MS 60000

/* Where a frame or a mark stands in its lane. */
struct lane_mark {
    uint32_t lane; /* 0: not in a lane */
    bool heard;    /* by every gateway: `previous` is the number before it */
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

/* NULL when out of memory. Begins as progress_start does. */
struct progress *progress_create(uint64_t keep_ms, uint64_t now_ms, int64_t wall_ms);
void progress_free(struct progress *progress);

/* From now on everything is heard; what came before is unknown. Lanes are accepted as they come until
 * PROGRESS_SETTLE_MS have passed; the position of lanes that are still heard continues. */
void progress_start(struct progress *progress, uint64_t now_ms, int64_t wall_ms);

/* Whether there may be live lanes that have not been heard yet. */
bool progress_settling(const struct progress *progress, uint64_t now_ms);

/* wall_ms: Unix milliseconds; the position then describes this time. */
enum progress_verdict progress_take(struct progress *progress, const struct lane_mark *mark, uint64_t now_ms,
                                    int64_t wall_ms);

/* Takes it even if something is missing before it: that has been filled from a history, or given up. The
 * history need not have had everything before it, so repeats are then recognised by their ids. The time of
 * the position does not change. */
void progress_accept(struct progress *progress, const struct lane_mark *mark, uint64_t now_ms);

/* Sets the epoch if it is learned from elsewhere than a lane. Only until some lane has stated its own,
 * because what a lane published before may belong to an earlier epoch. */
void progress_set_epoch(struct progress *progress, uint64_t epoch);

/* The last number of the lane that every gateway hears; 0: none was heard. */
uint64_t progress_heard(struct progress *progress, uint32_t lane);

/* Removes lanes that have been silent for too long. */
void progress_expire(struct progress *progress, uint64_t now_ms, int64_t wall_ms);

/* Borrowed; it changes with the next call. */
const struct position *progress_position(const struct progress *progress);

/* The same, shared: one copy for all who ask before it changes. The reference is the caller's. NULL when out
 * of memory or if some lane has no room. */
struct position *progress_share(struct progress *progress, uint64_t now_ms);

/* The offset of the position, borrowed until the next call; empty if there is none. */
struct slice progress_offset(struct progress *progress, uint64_t now_ms);

#endif
