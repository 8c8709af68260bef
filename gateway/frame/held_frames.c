/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * Growing arrays.
 */
#include "frame/held_frames.h"

#include <stdlib.h>

#include "frame/frame.h"

bool held_frames_add(struct held_frames *held, struct frame *frame, uint64_t maximum)
{
    uint64_t bytes = held->bytes + frame->data_length + frame->event_length;
    if (bytes > maximum)
        return false;
    if (held->count == held->capacity) {
        uint32_t capacity = held->capacity ? held->capacity * 2 : 16;
        struct frame **list = realloc(held->list, capacity * sizeof(struct frame *));
        if (!list)
            return false;
        held->list = list;
        held->capacity = capacity;
    }
    held->list[held->count++] = frame_ref(frame);
    held->bytes = bytes;
    return true;
}

bool held_frames_have(const struct held_frames *held, uint64_t event_id)
{
    for (uint32_t i = 0; event_id && i < held->count; i++)
        if (held->list[i]->event_id == event_id)
            return true;
    return false;
}

void held_frames_drop(struct held_frames *held)
{
    for (uint32_t i = 0; i < held->count; i++)
        frame_unref(held->list[i]);
    free(held->list);
    *held = (struct held_frames){0};
}

bool frame_ids_add(struct frame_ids *ids, uint64_t id)
{
    if (!id)
        return true;
    if (ids->count == ids->capacity) {
        uint32_t capacity = ids->capacity ? ids->capacity * 2 : 8;
        uint64_t *list = capacity <= FRAME_IDS_MAXIMUM ? realloc(ids->list, capacity * sizeof(*list)) : NULL;
        if (!list)
            return false;
        ids->list = list;
        ids->capacity = capacity;
    }
    ids->list[ids->count++] = id;
    return true;
}

bool frame_ids_have(const struct frame_ids *ids, uint64_t id)
{
    for (uint32_t i = 0; id && i < ids->count; i++)
        if (ids->list[i] == id)
            return true;
    return false;
}

void frame_ids_done(struct frame_ids *ids)
{
    free(ids->list);
    *ids = (struct frame_ids){0};
}
