/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * live frame -> at or before the claim? -> dropped; else its offset is merged with the claim, until this
 * gateway's own position has reached the claim or LANE_KEEP_MS have passed. The claim is the client's word:
 * it changes only what this session is given.
 */
#include "recovery/catchup_floor.h"

#include "base/gateway.h"
#include "frame/frame.h"
#include "frame/progress.h"
#include "gaps/gaps.h"
#include "recovery/catchup.h"

/* Whether the position has reached the claim. A lane still unknown here after FLOOR_BEHIND_MS published
 * before the position's since_ms. */
static bool reached(const struct gateway *gateway, const struct position *position,
                    const struct catchup *catchup)
{
    bool settled = gateway->now_ms >= catchup->floor_ms + FLOOR_BEHIND_MS && !gaps_holds(gateway);
    for (uint32_t i = 0; i < catchup->claim.count; i++) {
        const struct position_lane *claimed = &catchup->claim.lanes[i];
        const struct position_lane *lane = position_find(position, claimed->lane);
        if (lane ? lane->sequence < claimed->sequence : !settled)
            return false;
    }
    return true;
}

static bool ends(const struct gateway *gateway, const struct position *position,
                 const struct catchup *catchup)
{
    return gateway->now_ms >= catchup->floor_ms + LANE_KEEP_MS || reached(gateway, position, catchup);
}

bool catchup_floor_check(struct gateway *gateway, struct catchup *catchup)
{
    if (catchup->behind && ends(gateway, progress_position(gateway->progress), catchup))
        catchup->behind = false;
    return !catchup->behind;
}

void catchup_floor_stand(struct gateway *gateway, struct catchup *catchup)
{
    catchup->floor = true;
    catchup->behind = true;
    catchup->floor_ms = gateway->now_ms;
}

struct frame *catchup_floor_offset(struct gateway *gateway, struct catchup *catchup, struct frame *frame)
{
    struct frame *copy = NULL;
    struct position position;
    char text[POSITION_TEXT_SIZE];
    if (!catchup->behind || position_read(frame_offset(frame), &position) != STATUS_OK)
        return frame_ref(frame);
    catchup->behind = !ends(gateway, &position, catchup); /* offsets only grow */
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

bool catchup_floor_had(const struct catchup *catchup, const struct frame *frame)
{
    return frame_ids_have(&catchup->had, frame->event_id) || at_floor(catchup, frame) ||
           (frame->first_lane &&
            position_covers(&catchup->claim, frame->first_lane, frame->first_sequence, 0));
}
