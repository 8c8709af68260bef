/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * Frames held back for one session, in order and bounded in bytes; and ids of frames that it has received.
 * Zeroed: empty. Loop thread.
 */
#ifndef POLLEN8_GATEWAY_FRAME_HELD_FRAMES_H
#define POLLEN8_GATEWAY_FRAME_HELD_FRAMES_H

#include <stdbool.h>
#include <stdint.h>

struct frame;

struct held_frames {
    struct frame **list; /* owned references */
    uint32_t count;
    uint32_t capacity;
    uint64_t bytes; /* of their events and data */
};

/* Takes a reference. False: past `maximum` bytes, or out of memory. */
bool held_frames_add(struct held_frames *held, struct frame *frame, uint64_t maximum);
bool held_frames_have(const struct held_frames *held, uint64_t event_id); /* never 0 */
void held_frames_drop(struct held_frames *held);

struct frame_ids {
    uint64_t *list; /* owned */
    uint32_t count;
    uint32_t capacity;
};

#define FRAME_IDS_MAXIMUM 4096

/* 0 is not an id and is not added. False: it did not fit. */
bool frame_ids_add(struct frame_ids *ids, uint64_t id);
bool frame_ids_have(const struct frame_ids *ids, uint64_t id);
void frame_ids_done(struct frame_ids *ids);

#endif
