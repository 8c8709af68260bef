/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * live frame -> at or before the claim? -> dropped; else with an offset merged with the claim, until this
 * gateway's own position has come as far.
 */
#include "floor.h"

#include "catchup.h"
#include "frame.h"
#include "gateway.h"
#include "progress.h"
#include "repair.h"

/* Whether the position has come as far as the claim; lanes it lacks need not come any more once they are
 * over.
 */
static bool reached(const struct position *position, const struct catchup *catchup)
{
    for (uint32_t i = 0; i < catchup->claim.count; i++) {
        const struct position_lane *claimed = &catchup->claim.lanes[i];
        const struct position_lane *lane = position_find(position, claimed->lane);
        if (lane ? lane->sequence < claimed->sequence : !catchup->over)
            return false;
    }
    return true;
}

bool floor_check(struct gateway *gateway, struct catchup *catchup)
{
    if (catchup->behind && !catchup->over && gateway->now_ms >= catchup->over_ms && !repair_holds(gateway))
        catchup->over = progress_adopt(gateway->progress, &catchup->claim, FLOOR_BEHIND_MS, gateway->now_ms);
    return !catchup->behind || catchup->over;
}

void floor_stand(struct gateway *gateway, struct catchup *catchup)
{
    catchup->floor = true;
    catchup->behind = true;
    catchup->over = false;
    catchup->over_ms = gateway->now_ms + FLOOR_BEHIND_MS;
}

struct frame *floor_offset(struct gateway *gateway, struct catchup *catchup, struct frame *frame)
{
    struct frame *copy = NULL;
    struct position position;
    char text[POSITION_TEXT_SIZE];
    (void)floor_check(gateway, catchup);
    if (!catchup->behind || position_read(frame_offset(frame), &position) != STATUS_OK)
        return frame_ref(frame);
    catchup->behind = !reached(&position, catchup); /* offsets only grow */
    if (!catchup->behind || position_merge(&position, &catchup->claim) != STATUS_OK ||
        frame_copy(frame, &copy) != STATUS_OK)
        return frame_ref(frame);
    frame_set_offset(copy, slice_make(text, position_write(&position, text)));
    return copy;
}

static bool at_floor(const struct catchup *catchup, const struct frame *frame)
{
    return catchup->floor && frame->lane &&
           position_covers(&catchup->claim, frame->lane, frame->lane_sequence, 0);
}

bool floor_had(const struct catchup *catchup, const struct frame *frame)
{
    return frame_ids_have(&catchup->had, frame->event_id) || at_floor(catchup, frame) ||
           (frame->first_lane &&
            position_covers(&catchup->claim, frame->first_lane, frame->first_sequence, 0));
}
