/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * live frame -> by the session's stage: held, dropped, or given, unless the session already has it -> noted
 */
#include "recovery/catchup_live.h"

#include "base/gateway.h"
#include "recovery/catchup.h"
#include "recovery/catchup_floor.h"
#include "session/session.h"
#include "session/session_send.h"

#define RESUME_MS  2000 /* a client that wants to resume says so first */
#define OPENING_MS 300  /* as long as nothing else comes first */

/* ---- idle, and ids ------------------------------------------------------------------------------------ */

/* Whether the snapshot with the kept frames must still be compared with what the session has received,
 * however late value-svc answers. */
static bool awaits_kept(const struct catchup *catchup)
{
    return catchup->session->wants_kept && catchup->had.count > 0;
}

static void on_idle_over(void *context, struct wheel_timer *timer)
{
    struct gateway *gateway = context;
    struct catchup *catchup = catchup_of_timer(timer);
    if (catchup_floor_check(gateway, catchup) && !awaits_kept(catchup))
        catchup_free(gateway, catchup->session);
    else
        catchup_idle(gateway, catchup, FLOOR_BEHIND_MS);
}

void catchup_idle(struct gateway *gateway, struct catchup *catchup, uint64_t keep_ms)
{
    catchup->stage = CATCHUP_IDLE;
    catchup->end_ms = gateway->now_ms + keep_ms;
    catchup_wait(gateway, catchup, on_idle_over, catchup->end_ms);
}

void catchup_note_had(struct gateway *gateway, struct session *session, uint64_t id)
{
    struct catchup *catchup = catchup_of(session);
    if (!catchup || !frame_ids_add(&catchup->had, id))
        return;
    if (catchup->stage == CATCHUP_IDLE && catchup->end_ms < gateway->now_ms + CATCHUP_IDS_KEPT_MS)
        catchup_idle(gateway, catchup, CATCHUP_IDS_KEPT_MS);
}

static bool waits(const struct session *session, uint64_t id)
{
    for (uint16_t i = 0; id && i < session->outq.count; i++)
        if (outq_frames(&session->outq)[i]->event_id == id)
            return true;
    return false;
}

bool catchup_give_kept(struct gateway *gateway, struct session *session, struct frame *frame)
{
    if ((session->catchup && frame_ids_have(&session->catchup->had, frame->event_id)) ||
        waits(session, frame->event_id))
        return true;
    frame->asked_again = true;
    if (!session_send(gateway, session, frame))
        return false;
    catchup_note_had(gateway, session, frame->event_id);
    return true;
}

/* ---- live frames -------------------------------------------------------------------------------------- */

static bool hold(const struct gateway *gateway, struct catchup *catchup, struct frame *frame)
{
    return held_frames_add(&catchup->held, frame, (uint64_t)gateway->settings->session_queue_bytes);
}

/* If too much is held, all of it is dropped, and read once the first answer is here. */
static void keep_or_drop(struct gateway *gateway, struct session *session, struct frame *frame)
{
    struct catchup *catchup = session->catchup;
    if (!catchup->dropped && hold(gateway, catchup, frame))
        return;
    bool in_histories = frame->lane != 0;
    for (uint32_t i = 0; i < catchup->held.count; i++)
        in_histories &= catchup->held.list[i]->lane != 0;
    held_frames_drop(&catchup->held);
    catchup->dropped = true;
    if (!in_histories)
        session_close(gateway, session, CAUSE_GAP);
}

/* The frame as the session gets it; NULL when out of memory. */
static struct frame *made_for(struct gateway *gateway, struct session *session, struct frame *frame)
{
    struct frame *copy = NULL;
    if (frame->offset_length && catchup_may_resume(gateway, session))
        return frame_copy(frame, &copy) == STATUS_OK ? copy : NULL;
    return session->catchup ? catchup_floor_offset(gateway, session->catchup, frame) : frame_ref(frame);
}

/* Notes the id of a frame that the session has been given, but not of one that did not fit into its queue.
 * With too many ids the session cannot resume. */
static void note_given(struct gateway *gateway, struct session *session, const struct frame *frame)
{
    struct catchup *catchup = session->catchup;
    bool may_resume = catchup_may_resume(gateway, session);
    if (!session_is_member(session) || (catchup && catchup->stage == CATCHUP_SLOW))
        return;
    if (catchup && may_resume) {
        (void)position_read(frame_offset(frame), &catchup->claim); /* no offset: the claim stays */
        if (!frame_ids_add(&catchup->had, frame->event_id))
            catchup->resume_ms = 0;
    } else if (!may_resume && frame->keep && session->wants_kept) {
        catchup_note_had(gateway, session, frame->event_id);
    }
}

static void pass_on(struct gateway *gateway, struct session *session, struct frame *frame)
{
    if (session->catchup && catchup_floor_had(session->catchup, frame))
        return;
    struct frame *own = made_for(gateway, session, frame);
    if (!own) {
        session_close(gateway, session, CAUSE_MEMORY);
        return;
    }
    session_send(gateway, session, own);
    frame_unref(own);
    note_given(gateway, session, frame);
}

static void hold_or_let_go(struct gateway *gateway, struct session *session, struct frame *frame)
{
    if (hold(gateway, session->catchup, frame))
        return;
    catchup_let_go(gateway, session);
    if (session_is_member(session))
        catchup_deliver(gateway, session, frame);
}

void catchup_deliver(struct gateway *gateway, struct session *session, struct frame *frame)
{
    struct catchup *catchup = session->catchup;
    switch (catchup ? catchup->stage : CATCHUP_IDLE) {
    case CATCHUP_CLAIMING: break;
    case CATCHUP_OPENING: hold_or_let_go(gateway, session, frame); break;
    case CATCHUP_SLOW:
        if (frame->lane)
            catchup_miss(catchup, frame);
        else /* no history has it */
            session_close(gateway, session, CAUSE_SLOW);
        break;
    case CATCHUP_ARRIVING:
        if (!hold(gateway, catchup, frame))
            session_close(gateway, session, CAUSE_GAP);
        break;
    case CATCHUP_READING: keep_or_drop(gateway, session, frame); break;
    case CATCHUP_REPLAYING:
    case CATCHUP_IDLE:
    default: pass_on(gateway, session, frame); break;
    }
}

void catchup_let_go(struct gateway *gateway, struct session *session)
{
    struct catchup *catchup = session->catchup;
    catchup_idle(gateway, catchup, RESUME_MS - OPENING_MS);
    for (uint32_t i = 0; session->catchup == catchup && i < catchup->held.count; i++)
        catchup_deliver(gateway, session, catchup->held.list[i]);
    if (session->catchup == catchup)
        held_frames_drop(&catchup->held);
}

/* ---- sessions of /ws ---------------------------------------------------------------------------------- */

static void on_opening_over(void *context, struct wheel_timer *timer)
{
    catchup_let_go(context, catchup_of_timer(timer)->session);
}

void catchup_open(struct gateway *gateway, struct session *session)
{
    struct catchup *catchup = catchup_of(session);
    if (!catchup)
        return;
    catchup->stage = CATCHUP_OPENING;
    catchup->resume_ms = gateway->now_ms + RESUME_MS;
    catchup_wait(gateway, catchup, on_opening_over, gateway->now_ms + OPENING_MS);
}
