/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * A vector with a moving head. References stay contiguous, so that the flush reads them as an array and can
 * see that two sessions wait for the same frames. The vector moves to the front when it is empty or would
 * otherwise have to grow.
 */
#include "frame/outq.h"

#include <stdlib.h>
#include <string.h>

static struct frame **slots(struct outq *outq)
{
    return outq->capacity ? outq->in.frames : outq->in.inline_frames;
}

static void move_to_front(struct outq *outq)
{
    struct frame **all = slots(outq);
    memmove(all, all + outq->head, outq->count * sizeof(struct frame *));
    outq->head = 0;
}

static enum status grow(struct outq *outq)
{
    uint16_t capacity = outq->capacity ? (uint16_t)(outq->capacity * 2) : 8;
    struct frame **all = malloc(capacity * sizeof(struct frame *));
    if (!all)
        return STATUS_NO_MEMORY;
    memcpy(all, slots(outq) + outq->head, outq->count * sizeof(struct frame *));
    if (outq->capacity)
        free(outq->in.frames);
    outq->in.frames = all;
    outq->capacity = capacity;
    outq->head = 0;
    return STATUS_OK;
}

/* The waiting frame with the same key, or NULL. */
static struct frame **find_replaceable(struct outq *outq, uint64_t coalesce)
{
    struct frame **all = slots(outq) + outq->head;
    for (uint16_t i = outq->count; i > 0; i--)
        if (all[i - 1]->rule.coalesce == coalesce)
            return &all[i - 1];
    return NULL;
}

static void forget(struct outq *outq, const struct frame *frame)
{
    outq->replaceable = (uint16_t)(outq->replaceable - (frame->rule.coalesce != 0));
    outq->kept = (uint16_t)(outq->kept - frame->keep);
}

/* Takes one out of the middle. */
static void cut(struct outq *outq, struct frame **slot, enum frame_format format)
{
    struct frame *older = *slot;
    size_t behind = (size_t)(slots(outq) + outq->head + outq->count - (slot + 1));
    outq->bytes -= frame_wire(older, format)->length;
    forget(outq, older);
    memmove(slot, slot + 1, behind * sizeof(struct frame *));
    outq->count--;
    frame_unref(older);
}

/* Whether the frame fits after `gone` frames (0 or 1) of `gone_bytes` have left. One frame always fits: a
 * bound below its size must not close every session. */
static bool fits(const struct outq *outq, uint32_t length, uint32_t gone_bytes, unsigned gone,
                 uint32_t maximum_bytes)
{
    unsigned count = outq->count - gone;
    return count == 0 || (count < OUTQ_FRAMES && length <= maximum_bytes &&
                          outq->bytes - gone_bytes <= maximum_bytes - length);
}

enum status outq_push(struct outq *outq, struct frame *frame, enum frame_format format,
                      uint32_t maximum_bytes)
{
    const struct wire *wire = frame_wire(frame, format);
    if (!wire)
        return STATUS_NO_MEMORY;
    struct frame **older = NULL;
    if (frame->rule.coalesce && outq->replaceable)
        older = find_replaceable(outq, frame->rule.coalesce);
    if (!fits(outq, wire->length, older ? frame_wire(*older, format)->length : 0, older != NULL,
              maximum_bytes))
        return STATUS_FULL;
    if (older)
        cut(outq, older, format);
    uint32_t room = outq->capacity ? outq->capacity : OUTQ_INLINE;
    if (outq->head + outq->count == (int)room) {
        if (outq->head)
            move_to_front(outq);
        else if (grow(outq) != STATUS_OK)
            return STATUS_NO_MEMORY;
    }
    slots(outq)[outq->head + outq->count++] = frame_ref(frame);
    outq->bytes += wire->length;
    outq->replaceable = (uint16_t)(outq->replaceable + (frame->rule.coalesce != 0));
    outq->kept = (uint16_t)(outq->kept + frame->keep);
    return STATUS_OK;
}

void outq_pop(struct outq *outq, uint16_t count, uint32_t bytes)
{
    struct frame **all = slots(outq) + outq->head;
    for (uint16_t i = 0; i < count; i++) {
        forget(outq, all[i]);
        frame_unref(all[i]);
    }
    outq->bytes -= bytes;
    outq->count = (uint16_t)(outq->count - count);
    outq->head = outq->count ? (uint16_t)(outq->head + count) : 0;
}

void outq_clear(struct outq *outq)
{
    outq_pop(outq, outq->count, outq->bytes);
    outq_trim(outq);
}

void outq_trim(struct outq *outq)
{
    if (!outq->capacity || outq->count)
        return;
    free(outq->in.frames);
    memset(outq, 0, sizeof(*outq));
}
