/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * What waits for one session: references to frames, in order, bounded in bytes and in count. The first
 * OUTQ_INLINE references need no allocation. 40 bytes. Loop thread.
 */
#ifndef POLLEN8_GATEWAY_FRAME_OUTQ_H
#define POLLEN8_GATEWAY_FRAME_OUTQ_H

#include <stdbool.h>

#include "frame/frame.h"

#define OUTQ_INLINE 2
#define OUTQ_FRAMES 4096 /* count a queue never passes */

/* Zeroed: empty. */
struct outq {
    union {
        struct frame *inline_frames[OUTQ_INLINE];
        struct frame **frames; /* owned, where capacity > 0 */
    } in;
    uint32_t bytes; /* encoded bytes of all that waits */
    uint16_t head;
    uint16_t count;
    uint16_t capacity;    /* 0: inline */
    uint16_t replaceable; /* how many of the waiting frames have a coalesce key */
    uint16_t kept;        /* how many of them value-svc keeps until it is told */
    uint16_t reserved;
};
_Static_assert(sizeof(struct outq) <= 40, "a queue is part of every session");

/* Takes a reference of its own. A waiting frame with the same coalesce key goes; the new one waits at the
 * end, so that the positions of frames come in order. STATUS_FULL past `maximum_bytes` or OUTQ_FRAMES,
 * STATUS_NO_MEMORY (also where it cannot be encoded). */
enum status outq_push(struct outq *outq, struct frame *frame, enum frame_format format,
                      uint32_t maximum_bytes);

/* The waiting frames, oldest first, contiguous, borrowed until the next push. */
static inline struct frame *const *outq_frames(const struct outq *outq)
{
    return (outq->capacity ? outq->in.frames : outq->in.inline_frames) + outq->head;
}

/* Forgets the oldest `count` frames, whose encoded bytes come to `bytes`. */
void outq_pop(struct outq *outq, uint16_t count, uint32_t bytes);

/* Drops everything and frees. */
void outq_clear(struct outq *outq);

/* Gives unused memory back where nothing waits. */
void outq_trim(struct outq *outq);

#endif
