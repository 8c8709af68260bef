/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * live frame -> by the session's stage: held, dropped, or given, unless it has had it -> noted
 */
#include "recovery/catchup.h"

#include "base/gateway.h"
#include "recovery/catchup_floor.h"
#include "recovery/catchup_internal.h"
#include "session/session.h"

#define RESUME_MS  2000 /* a client that wants to resume says so first thing */
#define OPENING_MS 300  /* as long as nothing goes before that */

/* ---- live frames -------------------------------------------------------------------------------------- */

static bool hold(const struct gateway *gateway, struct catchup *catchup, struct frame *frame)
{
    return held_frames_add(&catchup->held, frame, (uint64_t)gateway->settings->session_queue_bytes);
}

/* Where too much is held, all of it is dropped, and read when the answer to the first question is here. */
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

/* The frame as it is given to the session; NULL where memory is short. */
static struct frame *made_for(struct gateway *gateway, struct session *session, struct frame *frame)
{
    struct frame *copy = NULL;
    if (frame->offset_length && catchup_may_resume(gateway, session))
        return frame_copy(frame, &copy) == STATUS_OK ? copy : NULL;
    return session->catchup ? catchup_floor_offset(gateway, session->catchup, frame) : frame_ref(frame);
}

/* Noted ids are those the session has been given: not the one that did not fit into its queue. Where they
 * are too many it cannot resume. */
static void note_given(struct gateway *gateway, struct session *session, const struct frame *frame)
{
    struct catchup *catchup = session->catchup;
    bool may_resume = catchup_may_resume(gateway, session);
    if (!session_is_member(session) || (catchup && catchup->stage == CATCHUP_SLOW))
        return;
    if (catchup && may_resume) {
        (void)position_read(frame_offset(frame), &catchup->claim); /* what has no offset changes nothing */
        if (!frame_ids_add(&catchup->had, frame->event_id))
            catchup->resume_ms = 0;
    } else if (!may_resume && frame->keep && session->wants_kept) {
        catchup_note_had(gateway, session, frame->event_id);
    }
}

void catchup_pass_on(struct gateway *gateway, struct session *session, struct frame *frame)
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
    default: catchup_pass_on(gateway, session, frame); break;
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

void catchup_open(struct gateway *gateway, struct session *session)
{
    struct catchup *catchup = catchup_of(session);
    if (!catchup)
        return;
    catchup->stage = CATCHUP_OPENING;
    catchup->resume_ms = gateway->now_ms + RESUME_MS;
    timer_wheel_arm(gateway->wheel, &catchup->timer, gateway->now_ms + OPENING_MS);
}

bool catchup_may_resume(const struct gateway *gateway, const struct session *session)
{
    return session->catchup && gateway->now_ms < session->catchup->resume_ms;
}

void catchup_stay(struct gateway *gateway, struct session *session)
{
    struct catchup *catchup = session->catchup;
    if (!catchup || !catchup_may_resume(gateway, session))
        return;
    catchup->resume_ms = 0;
    if (catchup->stage == CATCHUP_OPENING)
        catchup_let_go(gateway, session);
    else
        catchup_drained(gateway, session);
}
