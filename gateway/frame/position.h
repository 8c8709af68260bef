/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * What has been received: the last number taken from each publishing lane, and since when no lane was missed.
 * A position covers something published as (lane, sequence) if it has the lane and the sequence is not beyond
 * the lane's; or if it does not have the lane and the publish was before `since_ms`.
 *
 * Its text is the offset that clients keep: base64url of a version byte, the epoch, the times, and the lanes
 * in ascending order; at most POSITION_TEXT_MAXIMUM characters. It names no room and grants no access to one.
 *
 * A shared position is immutable and counted (loop thread only); one on the stack may be changed. Pure.
 */
#ifndef POLLEN8_GATEWAY_FRAME_POSITION_H
#define POLLEN8_GATEWAY_FRAME_POSITION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "frame.pb-c.h"

#include "common/slice.h"
#include "common/status.h"

#define POSITION_LANES        40
#define POSITION_TEXT_MAXIMUM 512
#define POSITION_TEXT_SIZE    (POSITION_TEXT_MAXIMUM + 1)

struct position_lane {
    uint64_t sequence;
    uint32_t lane;
};

struct position {
    uint32_t references; /* 0: not counted, belongs to its owner */
    uint32_t count;
    uint64_t epoch;
    int64_t time_ms;                            /* Unix milliseconds: the time it describes */
    int64_t since_ms;                           /* Unix milliseconds, never after time_ms */
    struct position_lane lanes[POSITION_LANES]; /* ascending; the first `count` */
};

/* Whether a history can be asked for what came after it: some lane was heard, or the time since which nothing
 * was missed is known. */
static inline bool position_known(const struct position *position)
{
    return position->count > 0 || position->epoch > 0;
}

/* The entry of the lane; NULL if the position does not have it. */
const struct position_lane *position_find(const struct position *position, uint32_t lane);

/* published_ms: Unix milliseconds; 0: unknown. */
bool position_covers(const struct position *position, uint32_t lane, uint64_t sequence, int64_t published_ms);

/* Raises the lane to the sequence, never lowers it. STATUS_FULL: the lane is new and there is no room. */
enum status position_advance(struct position *position, uint32_t lane, uint64_t sequence);
void position_remove(struct position *position, uint32_t lane);

/* Raises `position` to cover everything that `other` covers; STATUS_FULL: some lanes had no room. */
enum status position_merge(struct position *position, const struct position *other);

/* A shared copy, with one reference; NULL when out of memory. */
struct position *position_share(const struct position *position);
static inline struct position *position_ref(struct position *position)
{
    position->references++;
    return position;
}
/* NULL is accepted. */
void position_unref(struct position *position);

/* Writes the offset and a NUL; returns its length, 0 if it would be too long. */
size_t position_write(const struct position *position, char out[POSITION_TEXT_SIZE]);

/* STATUS_MALFORMED for anything position_write does not write. */
enum status position_read(struct slice text, struct position *ret_position);

/* The message's lists, which it borrows. */
struct position_message {
    Pollen8__Position message;
    uint32_t lanes[POSITION_LANES];
    uint64_t sequences[POSITION_LANES];
};
void position_to_message(const struct position *position, struct position_message *ret_message);

/* STATUS_MALFORMED, STATUS_FULL past POSITION_LANES. */
enum status position_from_message(const Pollen8__Position *message, struct position *ret_position);

#endif
