/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * claim -> history.read ~> frames after it, up to where the live ones begin -> the queue, each with the
 * position that it completes -> the frames held meanwhile
 */
#include "recovery/catchup_read.h"

#include "base/gateway.h"
#include "broker/delivery.h"
#include "common/clock.h"
#include "common/rng.h"
#include "frame/progress.h"
#include "gaps/gaps.h"
#include "gaps/history.h"
#include "recovery/catchup.h"
#include "recovery/catchup_floor.h"
#include "recovery/catchup_live.h"
#include "rooms/membership.h"
#include "session/identity.h"
#include "session/session.h"
#include "session/session_send.h"
#include "session/sessions.h"

#define FLOOR_KEPT_MS 30000 /* also if a service died, and the broker or Redis with it */
#define RETRY_MS      200

static const struct catchup_use slow;

static void on_read_due(void *context, struct wheel_timer *timer);

/* ---- reading ------------------------------------------------------------------------------------------ */

/* Sends the missed frame with the position that it completes. */
static void give(struct gateway *gateway, struct session *session, struct frame *frame,
                 struct position *position, bool advance)
{
    char text[POSITION_TEXT_SIZE];
    bool fits = !advance || position_advance(position, frame->lane, frame->lane_sequence) == STATUS_OK;
    if (fits)
        frame_set_offset(frame, slice_make(text, position_write(position, text)));
    session_send(gateway, session, frame);
}

static bool covers(const struct position *position, const struct delivery *delivery)
{
    return position_covers(position, delivery->mark.lane, delivery->mark.sequence,
                           delivery->frame->published_at_us / 1000);
}

/* Whether a client at the position already has it, from now or from when it was first published. */
static bool has(const struct position *position, const struct delivery *delivery)
{
    const struct frame *frame = delivery->frame;
    return covers(position, delivery) ||
           (frame->first_lane && position_covers(position, frame->first_lane, frame->first_sequence, 0));
}

/* Whether the session still gets missed frames: each one may fill its queue, or close it. */
static bool goes_on(const struct session *session, const struct catchup *catchup)
{
    return session->catchup == catchup && catchup->stage == CATCHUP_REPLAYING;
}

/* Gives frames published to the user at about the time when the user's subject became known, and after
 * `joined`. They may or may not come live, so their numbers complete nothing. */
static void give_late(struct gateway *gateway, struct session *session, const struct history_answer *answer,
                      struct position *position)
{
    struct catchup *catchup = session->catchup;
    for (size_t i = 0; i < answer->count && goes_on(session, catchup); i++) {
        const struct delivery *delivery = answer->frames[i];
        if (delivery->kind != ROOM_USER || covers(catchup->joined, delivery) ||
            frame_ids_have(&catchup->had, delivery->frame->event_id) ||
            held_frames_have(&catchup->held, delivery->frame->event_id))
            continue;
        give(gateway, session, delivery->frame, position, false);
        if (goes_on(session, catchup))
            (void)frame_ids_add(&catchup->had, delivery->frame->event_id);
    }
}

/* Whether it will not come live: this gateway has already taken it, or it was stamped so long before the
 * request that it would have arrived by then if this gateway heard its lane. If it arrives late after all, it
 * is at the floor. */
static bool is_past(const struct catchup *catchup, const struct delivery *delivery)
{
    const struct position_lane *lane = position_find(catchup->joined, delivery->mark.lane);
    return (lane && delivery->mark.sequence <= lane->sequence) ||
           delivery->frame->published_at_us / 1000 < catchup->asked_ms - PROGRESS_SETTLE_MS;
}

/* Whether the session is still in a room of the frame: it may have left one since the request. */
static bool is_for(const struct session *session, const struct delivery *delivery)
{
    if (delivery->kind != ROOM_INDUSTRY)
        return true;
    for (unsigned i = MEMBERSHIP_INDUSTRIES; i < session->membership_count; i++)
        for (uint32_t key = 0; key < delivery->key_count; key++)
            if (slice_equal(room_key(session->memberships[i].room), delivery->keys[key]))
                return true;
    return false;
}

/* Whether its id must be remembered, because the floor does not cover it: the position had no room for its
 * lane; or it has been published more than once (a third publishing names only the first one's numbers); or a
 * snapshot may bring it as a kept frame, which is not compared with the floor. */
static bool told_by_id(const struct session *session, const struct position *position,
                       const struct delivery *delivery)
{
    return !covers(position, delivery) || delivery->frame->first_lane ||
           (delivery->frame->keep && session->wants_kept);
}

static void replay(struct gateway *gateway, struct session *session, const struct history_answer *answer)
{
    struct catchup *catchup = session->catchup;
    struct position position = catchup->claim;
    for (size_t i = 0; i < answer->count && goes_on(session, catchup); i++) {
        const struct delivery *delivery = answer->frames[i];
        if (has(&position, delivery) || !is_past(catchup, delivery) || !is_for(session, delivery) ||
            frame_ids_have(&catchup->had, delivery->frame->event_id))
            continue;
        metrics_add(gateway->metrics, METRIC_REPLAYED, 1);
        give(gateway, session, delivery->frame, &position, true);
        if (goes_on(session, catchup) && told_by_id(session, &position, delivery))
            (void)frame_ids_add(&catchup->had, delivery->frame->event_id);
    }
    if (goes_on(session, catchup)) {
        (void)position_merge(&position, catchup->joined);
        if (catchup->use->joins)
            give_late(gateway, session, answer, &position);
    }
    if (session->catchup == catchup && catchup->stage == CATCHUP_SLOW)
        for (size_t i = 0; i < answer->count; i++)
            catchup_miss(catchup, answer->frames[i]->frame);
    if (!goes_on(session, catchup))
        return;
    catchup->claim = position;
    catchup_floor_stand(gateway, catchup);
}

/* Gives the held frames that the answer did not have. If the queue is full, a frame that is in no history
 * must not be dropped silently. */
static void release(struct gateway *gateway, struct session *session, bool complete)
{
    struct catchup *catchup = session->catchup;
    for (uint32_t i = 0; session->catchup == catchup && i < catchup->held.count; i++) {
        struct frame *frame = catchup->held.list[i];
        if (!complete || !frame->lane ||
            !position_covers(catchup->joined, frame->lane, frame->lane_sequence, 0))
            catchup_deliver(gateway, session, frame);
    }
}

/* Reads what had to be dropped, as for a slow client. */
static void read_on(struct gateway *gateway, struct session *session, bool complete)
{
    struct catchup *catchup = session->catchup;
    if (!complete || position_merge(&catchup->claim, catchup->joined) != STATUS_OK) {
        session_close(gateway, session, CAUSE_GAP);
        return;
    }
    position_unref(catchup->joined);
    catchup->joined = NULL;
    catchup->missed_more = true;
    catchup_read(gateway, session, &slow);
}

static void finish(struct gateway *gateway, struct session *session, const struct history_answer *answer)
{
    struct catchup *catchup = session->catchup;
    const struct catchup_use *use = catchup->use;
    bool complete = answer != NULL;
    catchup->stage = CATCHUP_REPLAYING;
    catchup->resume_ms = 0;
    use->before(gateway, session, complete);
    if (complete && goes_on(session, catchup))
        replay(gateway, session, answer);
    if (session->catchup == catchup && catchup->dropped)
        catchup->missed_more = true; /* nobody looked at what was dropped */
    if (session->catchup == catchup)
        use->after(gateway, session, complete);
    if (goes_on(session, catchup) && catchup->dropped) {
        read_on(gateway, session, complete);
        return;
    }
    if (session->catchup == catchup)
        release(gateway, session, complete);
    if (session->catchup != catchup)
        return;
    held_frames_drop(&catchup->held);
    position_unref(catchup->joined);
    catchup->joined = NULL;
    if (catchup->stage == CATCHUP_REPLAYING)
        catchup_idle(gateway, catchup, catchup->floor ? FLOOR_KEPT_MS : CATCHUP_IDS_KEPT_MS);
}

static void on_history(struct gateway *gateway, uint64_t handle, struct history_answer *answer)
{
    struct session *session = sessions_find(gateway->sessions, handle);
    struct catchup *catchup = session ? session->catchup : NULL;
    if (!catchup || catchup->stage != CATCHUP_READING)
        return;
    if (answer->status == STATUS_OK)
        finish(gateway, session, answer->complete ? answer : NULL);
    else if (gateway->now_ms < catchup->give_up_ms)
        catchup_wait(gateway, catchup, on_read_due, gateway->now_ms + RETRY_MS + rng_below(RETRY_MS));
    else
        finish(gateway, session, NULL);
}

static void ask(struct gateway *gateway, struct session *session)
{
    struct catchup *catchup = session->catchup;
    char *industries[MEMBERSHIP_MAXIMUM];
    char *user = session->identity->message.user_id;
    uint32_t lanes[POSITION_LANES];
    struct history_query query = {.after = &catchup->claim,
                                  .industries = industries,
                                  .users = &user,
                                  .user_count = 1,
                                  .missed_lanes = lanes};
    query.industry_count = membership_industries(session, industries);
    for (uint32_t i = 0; catchup->use == &slow && i < catchup->claim.count; i++)
        if (catchup->missed >> i & 1 && !catchup->missed_more)
            lanes[query.missed_count++] = catchup->claim.lanes[i].lane;
    if (!catchup->joined) {
        catchup->joined = progress_share(gateway->progress, gateway->now_ms);
        catchup->asked_ms = clock_wall_ms();
    }
    if (!catchup->joined || history_read(gateway, &query, on_history, session->handle) != STATUS_OK)
        finish(gateway, session, NULL);
}

/* Waits until this gateway knows its own position: there may be lanes that it has not heard yet, or missed
 * frames that it is about to get. */
static void ask_in_time(struct gateway *gateway, struct session *session)
{
    struct catchup *catchup = session->catchup;
    if (progress_settling(gateway->progress, gateway->now_ms))
        catchup_wait(gateway, catchup, on_read_due, gateway->now_ms + PROGRESS_SETTLE_MS);
    else if (gaps_holds(gateway) && gateway->now_ms < catchup->give_up_ms)
        catchup_wait(gateway, catchup, on_read_due, gateway->now_ms + RETRY_MS);
    else
        ask(gateway, session);
}

static void on_read_due(void *context, struct wheel_timer *timer)
{
    ask_in_time(context, catchup_of_timer(timer)->session);
}

void catchup_read(struct gateway *gateway, struct session *session, const struct catchup_use *use)
{
    struct catchup *catchup = session->catchup;
    catchup_set_use(catchup, use);
    catchup->dropped = false;
    catchup->stage = CATCHUP_READING;
    session->slow = false;
    timer_wheel_cancel(gateway->wheel, &catchup->timer);
    catchup->give_up_ms = gateway->now_ms + (uint64_t)gateway->settings->recovery_timeout;
    ask_in_time(gateway, session);
}

/* ---- slow clients ------------------------------------------------------------------------------------- */

static void slow_before(struct gateway *gateway, struct session *session, bool complete)
{
    gateway_count(gateway, complete ? LABEL_RECOVERIES_SLOW_REPAIRED : LABEL_RECOVERIES_SLOW_LOST);
    if (!complete)
        session_close(gateway, session, CAUSE_SLOW);
}

static void slow_after(struct gateway *gateway, struct session *session, bool complete)
{
    (void)gateway;
    (void)session;
    (void)complete;
}

static const struct catchup_use slow = {.before = slow_before, .after = slow_after};

/* The position up to which the client has everything, including what is queued for it. While the session may
 * resume, frames carry no position. */
static bool find_last(const struct gateway *gateway, const struct session *session, struct position *ret_last)
{
    struct frame *const *frames = outq_frames(&session->outq);
    uint16_t at = session->outq.count;
    if (session->catchup && catchup_may_resume(gateway, session)) {
        *ret_last = session->catchup->claim;
        return ret_last->count > 0;
    }
    while (at > 0 && !frames[at - 1]->offset_length)
        at--;
    return at > 0 && position_read(frame_offset(frames[at - 1]), ret_last) == STATUS_OK;
}

/* SLOW: everything up to `last` is queued or has been sent. */
static void enter_slow(struct session *session, const struct position *last)
{
    struct catchup *catchup = session->catchup;
    catchup->claim = *last;
    catchup->stage = CATCHUP_SLOW;
    catchup->missed = 0;
    catchup->missed_more = false;
    session->slow = true;
}

bool catchup_slow(struct gateway *gateway, struct session *session, const struct frame *frame)
{
    struct position last;
    bool in_history =
        (frame->offset_length > 0 && !frame->lent) || (frame->lane && catchup_may_resume(gateway, session));
    if (frame->asked_again)
        return true;
    if (!in_history)
        return false;
    if (session->catchup && session->catchup->stage == CATCHUP_SLOW) {
        catchup_miss(session->catchup, frame);
        return true;
    }
    if (!find_last(gateway, session, &last))
        return false;
    struct catchup *catchup = catchup_of(session);
    if (!catchup)
        return false;
    timer_wheel_cancel(gateway->wheel, &catchup->timer);
    enter_slow(session, &last);
    catchup_miss(catchup, frame);
    if (!session->write_ms) /* polling has no other deadline */
        session_wrote(gateway, session, false);
    return true;
}

static void on_resume_over(void *context, struct wheel_timer *timer)
{
    catchup_drained(context, catchup_of_timer(timer)->session);
}

void catchup_drained(struct gateway *gateway, struct session *session)
{
    struct catchup *catchup = session->catchup;
    if (catchup->stage != CATCHUP_SLOW || session->outq.count > 0 || session->state != SESSION_OPEN)
        return;
    if (catchup_may_resume(gateway, session))
        catchup_wait(gateway, catchup, on_resume_over, catchup->resume_ms);
    else
        catchup_read(gateway, session, &slow);
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

/* ---- moves -------------------------------------------------------------------------------------------- */

enum status catchup_arriving(struct session *session)
{
    struct catchup *catchup = catchup_of(session);
    if (!catchup)
        return STATUS_NO_MEMORY;
    catchup->stage = CATCHUP_ARRIVING;
    return STATUS_OK;
}

void catchup_asked(struct session *session)
{
    if (session->catchup)
        session->catchup->held_before = session->catchup->held.count;
}

/* A frame that is in no lane, and came before the session was asked for, was delivered there too. */
void catchup_arrived(struct gateway *gateway, struct session *session, const struct position *left)
{
    struct catchup *catchup = session->catchup;
    catchup->claim = *left;
    catchup_floor_stand(gateway, catchup);
    catchup->stage = CATCHUP_REPLAYING;
    for (uint32_t i = 0; session->catchup == catchup && i < catchup->held.count; i++)
        if (catchup->held.list[i]->lane || i >= catchup->held_before)
            catchup_deliver(gateway, session, catchup->held.list[i]);
    if (session->catchup != catchup)
        return;
    held_frames_drop(&catchup->held);
    if (catchup->stage == CATCHUP_REPLAYING)
        catchup_idle(gateway, catchup, FLOOR_KEPT_MS);
}

void catchup_arrived_slow(struct gateway *gateway, struct session *session, const struct position *last)
{
    struct catchup *catchup = session->catchup;
    held_frames_drop(&catchup->held);
    enter_slow(session, last);
    catchup->missed_more = true; /* what it missed there is not known here */
    catchup_drained(gateway, session);
}
