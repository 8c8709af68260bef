/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * The object: created, armed, freed. Each stage is implemented above it, in catchup_floor.c, catchup_live.c,
 * catchup_read.c and recovery.c.
 */
#include "recovery/catchup.h"

#include <stdlib.h>

#include "base/gateway.h"
#include "session/session.h"

struct catchup *catchup_of(struct session *session)
{
    if (session->catchup)
        return session->catchup;
    struct catchup *catchup = calloc(1, sizeof(*catchup));
    if (!catchup)
        return NULL;
    catchup->session = session;
    session->catchup = catchup;
    return catchup;
}

void catchup_free(struct gateway *gateway, struct session *session)
{
    struct catchup *catchup = session->catchup;
    if (!catchup)
        return;
    session->catchup = NULL;
    session->slow = false;
    timer_wheel_cancel(gateway->wheel, &catchup->timer);
    catchup_set_use(catchup, NULL);
    held_frames_drop(&catchup->held);
    position_unref(catchup->joined);
    frame_ids_done(&catchup->had);
    free(catchup);
}

void catchup_set_use(struct catchup *catchup, const struct catchup_use *use)
{
    if (catchup->recovery && catchup->use != use) {
        catchup->use->drop(catchup->recovery);
        catchup->recovery = NULL;
    }
    catchup->use = use;
}

void catchup_wait(struct gateway *gateway, struct catchup *catchup, timer_wheel_fire_fn *over,
                  uint64_t due_ms)
{
    catchup->timer.fire = over;
    timer_wheel_arm(gateway->wheel, &catchup->timer, due_ms);
}

bool catchup_may_resume(const struct gateway *gateway, const struct session *session)
{
    return session->catchup && gateway->now_ms < session->catchup->resume_ms;
}

bool catchup_movable(const struct session *session)
{
    const struct catchup *catchup = session->catchup;
    return !catchup || catchup->stage == CATCHUP_IDLE || catchup->stage == CATCHUP_SLOW;
}

void catchup_miss(struct catchup *catchup, const struct frame *frame)
{
    for (uint32_t i = 0; i < catchup->claim.count; i++)
        if (catchup->claim.lanes[i].lane == frame->lane) {
            catchup->missed |= UINT64_C(1) << i;
            return;
        }
    catchup->missed_more = true;
}
