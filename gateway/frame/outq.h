/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * The queue of one session: references to frames, in order, bounded in bytes and in count. The first
 * OUTQ_INLINE references need no allocation. 40 bytes. Loop thread.
 */
#ifndef POLLEN8_GATEWAY_FRAME_OUTQ_H
#define POLLEN8_GATEWAY_FRAME_OUTQ_H

#include <stdbool.h>

#include "frame/frame.h"

#define OUTQ_INLINE 2
#define OUTQ_FRAMES 4096 /* the most frames a queue holds */

/* Zeroed: empty. */
struct outq {
    union {
        struct frame *inline_frames[OUTQ_INLINE];
        struct frame **frames; /* owned if capacity > 0 */
    } in;
    uint32_t bytes; /* encoded bytes of all waiting frames */
    uint16_t head;
    uint16_t count;
    uint16_t capacity;    /* 0: inline */
    uint16_t replaceable; /* how many of the waiting frames have a coalesce key */
    uint16_t kept;        /* how many of them value-svc keeps until they are reported as written */
    uint16_t reserved;
};
_Static_assert(sizeof(struct outq) <= 40, "a queue is part of every session");

/* Takes its own reference. A waiting frame with the same coalesce key is removed; the new one goes to the
 * end, so that the positions of frames stay in order. STATUS_FULL past `maximum_bytes` or OUTQ_FRAMES;
 * STATUS_NO_MEMORY, also if the frame cannot be encoded. */
enum status outq_push(struct outq *outq, struct frame *frame, enum frame_format format,
                      uint32_t maximum_bytes);

/* The waiting frames, oldest first, contiguous, borrowed until the next push. */
static inline struct frame *const *outq_frames(const struct outq *outq)
{
    return (outq->capacity ? outq->in.frames : outq->in.inline_frames) + outq->head;
}

/* Removes the oldest `count` frames, whose encoded bytes add up to `bytes`. */
void outq_pop(struct outq *outq, uint16_t count, uint32_t bytes);

/* Drops everything and frees. */
void outq_clear(struct outq *outq);

/* Frees unused memory if the queue is empty. */
void outq_trim(struct outq *outq);

#endif
