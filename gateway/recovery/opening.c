/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * session -> SessionOpen ~> value-svc ~> SessionOpened -> its frames made on the delivery thread -> the
 * session, found again by handle
 */
#include "recovery/opening.h"

#include <stdlib.h>
#include <string.h>

#include "presence.pb-c.h"

#include "base/gateway.h"
#include "broker/delivery.h"
#include "broker/sender.h"
#include "broker/service_call.h"
#include "common/bus/subject.h"
#include "common/clock.h"
#include "common/industry.h"
#include "common/rng.h"
#include "frame/progress.h"
#include "recovery/catchup.h"
#include "recovery/catchup_live.h"
#include "recovery/pid.h"
#include "rooms/board.h"
#include "rooms/membership.h"
#include "session/identity.h"
#include "session/session.h"
#include "session/session_send.h"
#include "session/sessions.h"

#define WAIT_MS          3000
#define KEPT_MAXIMUM     256
#define RETRY_FIRST_MS   UINT64_C(200) /* up to three times as long */
#define RETRY_DOUBLINGS  3             /* 1.6 to 4.8 s from then on */
#define PID_REFRESH_MS   (25u * 60 * 1000)
#define PID_REFRESH_SPAN (10u * 60 * 1000)
#define FIRST_SNAPSHOTS  2 /* 1.6 to 4.8 s after that */

/* How long the record of a pid lasts without a refresh: long enough to retry a failed refresh, short enough
 * to clean up after a gateway that died. Most sessions that end do so within seconds, and the report of their
 * end may overtake that of their beginning: so the first lease is short. */
#define PID_LEASE_MS       (60u * 60 * 1000)
#define PID_FIRST_LEASE_MS (60u * 1000)

struct opening_call {
    struct service_call call;
    uint64_t handle;
    opening_fn *done;       /* of a claim; NULL: a snapshot was requested */
    uint64_t epoch;         /* of the histories; 0: not given */
    struct frame *snapshot; /* NULL: none */
    size_t kept_count;
    struct frame **kept;
    struct opening_claimed claimed;
};

/* ---- delivery thread ---------------------------------------------------------------------------------- */

static enum status take_kept(struct opening_call *opening, const Pollen8__SessionOpened *opened)
{
    size_t count = opened->n_kept < KEPT_MAXIMUM ? opened->n_kept : KEPT_MAXIMUM;
    enum status status = STATUS_OK;
    if (count == 0)
        return STATUS_OK;
    opening->kept = calloc(count, sizeof(struct frame *));
    if (!opening->kept)
        return STATUS_NO_MEMORY;
    for (size_t i = 0; status == STATUS_OK && i < count; i++) {
        status = delivery_make_frame(opened->kept[i], &opening->kept[i]);
        opening->kept_count += status == STATUS_OK;
    }
    return status;
}

static enum status take_industries(struct opening_claimed *claimed, const Pollen8__SessionOpened *opened)
{
    claimed->known = opened->known;
    claimed->narrowed = opened->narrowed;
    if (!opened->n_industries)
        return STATUS_OK;
    claimed->industries = calloc(opened->n_industries, sizeof(char *));
    if (!claimed->industries)
        return STATUS_NO_MEMORY;
    for (size_t i = 0; i < opened->n_industries; i++) {
        claimed->industries[i] = strdup(opened->industries[i]);
        if (!claimed->industries[i])
            return STATUS_NO_MEMORY;
        claimed->count++;
    }
    return STATUS_OK;
}

static enum status take(struct service_call *call, const ProtobufCMessage *unpacked)
{
    struct opening_call *opening = (struct opening_call *)call;
    const Pollen8__SessionOpenReply *reply = (const Pollen8__SessionOpenReply *)unpacked;
    if (reply->result_case != POLLEN8__SESSION_OPEN_REPLY__RESULT_OPENED)
        return STATUS_UNAVAILABLE;
    const Pollen8__SessionOpened *opened = reply->opened;
    opening->epoch = opened->history_epoch;
    if (opening->done)
        return take_industries(&opening->claimed, opened);
    enum status status = take_kept(opening, opened);
    if (status == STATUS_OK && opened->snapshot)
        status = delivery_make_frame(opened->snapshot, &opening->snapshot);
    return status;
}

static void opening_call_free(struct service_call *call)
{
    struct opening_call *opening = (struct opening_call *)call;
    for (size_t i = 0; i < opening->kept_count; i++)
        frame_unref(opening->kept[i]);
    for (size_t i = 0; i < opening->claimed.count; i++)
        free(opening->claimed.industries[i]);
    free(opening->kept);
    free(opening->claimed.industries);
    frame_unref(opening->snapshot);
    free(opening);
}

/* ---- loop: answers ------------------------------------------------------------------------------------ */

/* The position up to which the session has been given everything; borrowed, may be `merged`. NULL: there are
 * no offsets, or none that this gateway may send. */
static const struct position *position_of(struct gateway *gateway, const struct session *session,
                                          struct position *merged)
{
    const struct position *before = board_before(gateway->board, session);
    const struct position *position = before ? before : progress_position(gateway->progress);
    const struct catchup *catchup = session->catchup;
    if (!gateway->settings->connection_recovery || !position_known(position) ||
        (catchup && catchup->stage != CATCHUP_IDLE) || catchup_may_resume(gateway, session))
        return NULL;
    if (!catchup || !catchup->behind)
        return position;
    *merged = *position; /* it has been given more elsewhere than this gateway has */
    return position_merge(merged, &catchup->claim) == STATUS_OK ? merged : NULL;
}

/* Lends the position up to which the client has everything to an event that is in no history and ends with a
 * text. */
static void lend_offset(struct gateway *gateway, const struct session *session, struct frame *frame)
{
    char text[POSITION_TEXT_SIZE];
    struct position merged;
    const struct position *position = position_of(gateway, session, &merged);
    if (!position && gateway->settings->connection_recovery && session->catchup &&
        session->catchup->claim.count)
        position = &session->catchup->claim;
    if (position && formats[session->format].lent_offsets && frame_ends_with_text(frame))
        frame_lend_offset(frame, slice_make(text, position_write(position, text)));
}

/* STATUS_FULL: not all of it fitted, and the rest is still wanted. */
static enum status give_kept(struct gateway *gateway, struct session *session,
                             const struct opening_call *opening)
{
    bool all = true;
    if (!session->wants_kept)
        return STATUS_OK;
    for (size_t i = 0; all && i < opening->kept_count && session_is_member(session); i++) {
        lend_offset(gateway, session, opening->kept[i]);
        all = catchup_give_kept(gateway, session, opening->kept[i]);
    }
    session->wants_kept = !all;
    return all ? STATUS_OK : STATUS_FULL;
}

/* Gives the offset alone, without a value. */
static enum status give_offset(struct gateway *gateway, struct session *session, struct slice offset)
{
    struct frame *frame = NULL;
    enum status status = frame_create_event(SLICE_LITERAL("offset"), SLICE_LITERAL("{}"), NULL, &frame);
    if (status != STATUS_OK)
        return status;
    frame_set_offset(frame, offset);
    frame->asked_again = true;
    status = session_send(gateway, session, frame) ? STATUS_OK : STATUS_FULL;
    frame_unref(frame);
    return status;
}

/* Sends the session's position with its snapshot, so that a client has an offset from the start. If the
 * position must not be known yet, it goes with the next snapshot, alone if the value is the same.
 * STATUS_FULL: the snapshot did not fit. It may be in no history, so it must be requested again. */
static enum status give_snapshot(struct gateway *gateway, struct session *session, struct frame *snapshot)
{
    char text[POSITION_TEXT_SIZE];
    struct slice offset = {0};
    enum status status = STATUS_OK;
    bool early = catchup_may_resume(gateway, session);
    struct position merged;
    const struct position *position = position_of(gateway, session, &merged);
    if (position)
        offset = slice_make(text, position_write(position, text));
    frame_set_offset(snapshot, offset);
    snapshot->asked_again = true;
    if (position && session->offset_due && session_has(session, &snapshot->rule))
        status = give_offset(gateway, session, offset);
    else if (!session_send(gateway, session, snapshot))
        status = STATUS_FULL;
    session->offset_due = early || (session->offset_due && status != STATUS_OK);
    return status;
}

/* value-svc is unreachable: keeps asking, but not for all sessions at once. The first retries are soon,
 * because a client cannot recover with a pid that value-svc has not recorded. */
static uint64_t wait_after(unsigned failures)
{
    uint64_t least = RETRY_FIRST_MS << (failures < RETRY_DOUBLINGS ? failures : RETRY_DOUBLINGS);
    return least + rng_below(2 * least);
}

/* Plans the next request. */
static void plan(struct gateway *gateway, struct session *session, enum status status)
{
    if (status != STATUS_OK) {
        session->snapshot_ms = gateway->now_ms + wait_after(session->snapshots_failed);
        session->snapshots_failed += session->snapshots_failed < UINT8_MAX;
    } else {
        session->snapshots_failed = 0;
        session->snapshots_left -= session->snapshots_left > 0;
        if (session->snapshots_left > 0)
            session->snapshot_ms = gateway->now_ms + 2000;
        else if (session->pid)
            session->snapshot_ms = gateway->now_ms + PID_REFRESH_MS + rng_below(PID_REFRESH_SPAN);
    }
    session_rearm(gateway, session);
}

static void answered(struct gateway *gateway, struct service_call *call)
{
    struct opening_call *opening = (struct opening_call *)call;
    if (call->status == STATUS_OK)
        progress_set_epoch(gateway->progress, opening->epoch);
    if (opening->done) {
        opening->claimed.status = call->status;
        opening->done(gateway, opening->handle, &opening->claimed);
        return;
    }
    struct session *session = sessions_find(gateway->sessions, opening->handle);
    if (!session || !session_is_member(session))
        return;
    if (call->status == STATUS_OK || call->status == STATUS_NO_RESPONDERS) /* nobody has values */
        session->valued = true;
    enum status status = call->status;
    if (status == STATUS_OK) {
        enum status given = give_kept(gateway, session, opening);
        if (opening->snapshot && session_is_member(session))
            status = give_snapshot(gateway, session, opening->snapshot);
        status = given != STATUS_OK ? given : status;
    }
    if (session_is_member(session))
        plan(gateway, session, status);
}

static const struct service_call_kind kind = {
    .descriptor = &pollen8__session_open_reply__descriptor,
    .take = take,
    .answered = answered,
    .free = opening_call_free,
};

/* ---- loop: requests ----------------------------------------------------------------------------------- */

static struct opening_call *opening_call_create(const struct session *session, opening_fn *done)
{
    struct opening_call *opening = calloc(1, sizeof(*opening));
    if (!opening)
        return NULL;
    opening->call.kind = &kind;
    opening->handle = session->handle;
    opening->done = done;
    opening->call.follows = done == NULL;
    return opening;
}

/* Fills in the message, which borrows from the session; `industries` holds the list. */
static void fill(const struct gateway *gateway, const struct session *session,
                 char *industries[MEMBERSHIP_MAXIMUM], Pollen8__SessionOpen *message)
{
    pollen8__session_open__init(message);
    message->gateway = gateway->settings->gateway_name;
    message->session = (char *)(uintptr_t)session->id;
    message->user_id = session->identity->message.user_id;
    message->n_industries = membership_industries(session, industries);
    message->industries = industries;
    if (session->pid) {
        message->pid = session->pid;
        message->narrowed = membership_narrowed(session);
    }
    message->lease_ms = session->snapshots_left > 1 ? PID_FIRST_LEASE_MS : PID_LEASE_MS;
}

/* Asks for the user's current state. The answer goes to the session, stamped with its position. The first one
 * after a new opening also brings the kept frames of the user. */
static enum status ask_snapshot(struct gateway *gateway, struct session *session)
{
    Pollen8__SessionOpen message;
    char *industries[MEMBERSHIP_MAXIMUM];
    struct opening_call *opening = opening_call_create(session, NULL);
    if (!opening)
        return STATUS_NO_MEMORY;
    fill(gateway, session, industries, &message);
    message.purpose = POLLEN8__SESSION_OPEN__PURPOSE__SNAPSHOT;
    message.fresh = session->fresh_pid;
    session->fresh_pid = false;
    return service_call_send(gateway, &opening->call, SUBJECT_SESSION_OPEN, &message.base, WAIT_MS);
}

void opening_due(struct gateway *gateway, struct session *session)
{
    session->snapshot_ms = 0;
    if (session->state == SESSION_OPEN && ask_snapshot(gateway, session) != STATUS_OK)
        session->snapshot_ms = gateway->now_ms + 1000 + rng_below(2000);
}

void opening_record(struct gateway *gateway, const struct session *session)
{
    Pollen8__SessionOpen message;
    char *industries[MEMBERSHIP_MAXIMUM];
    if (!session->pid)
        return;
    fill(gateway, session, industries, &message);
    message.purpose = POLLEN8__SESSION_OPEN__PURPOSE__RECORD;
    (void)sender_publish_message(gateway->sender, SUBJECT_SESSION_OPEN, NULL, &message.base);
}

enum status opening_claim(struct gateway *gateway, const struct session *session, const char *user,
                          const char *pid, opening_fn *done)
{
    Pollen8__SessionOpen message = POLLEN8__SESSION_OPEN__INIT;
    struct opening_call *opening = opening_call_create(session, done);
    if (!opening)
        return STATUS_NO_MEMORY;
    message.gateway = gateway->settings->gateway_name;
    message.session = (char *)(uintptr_t)session->id;
    message.user_id = (char *)(uintptr_t)user;
    message.purpose = POLLEN8__SESSION_OPEN__PURPOSE__RECOVER;
    message.pid = (char *)(uintptr_t)pid;
    message.lease_ms = PID_FIRST_LEASE_MS;
    return service_call_send(gateway, &opening->call, SUBJECT_SESSION_OPEN, &message.base, WAIT_MS);
}

/* ---- loop: the session is open ------------------------------------------------------------------------ */

/* Opens the session until the token expires, with a pid, and asks for its snapshots. */
static enum status start(struct gateway *gateway, struct session *session)
{
    bool may_recover = gateway->settings->connection_recovery && formats[session->format].recovers_by_pid;
    enum status status = identity_deadline(session->identity, gateway->now_ms, &session->deadline_ms);
    if (status == STATUS_OK && may_recover && !session->pid) {
        session->pid = pid_make(session);
        if (!session->pid)
            return STATUS_NO_MEMORY;
        session->fresh_pid = true;
    }
    session->refused_in_a_row = 0;
    session->snapshots_left = FIRST_SNAPSHOTS;
    opening_due(gateway, session);
    session_rearm(gateway, session);
    return status;
}

/* Takes the reference to the identity. */
static enum status enter(struct gateway *gateway, struct session *session, struct identity *identity)
{
    enum status status = membership_enter(gateway, session, identity, SESSION_OPEN);
    if (status != STATUS_OK)
        return status;
    session->wants_kept = true;
    if (gateway->settings->connection_recovery && !formats[session->format].recovers_by_pid)
        catchup_open(gateway, session);
    return start(gateway, session);
}

void opening_anew(struct gateway *gateway, struct session *session, struct identity *identity,
                  struct slice id)
{
    enum status status = enter(gateway, session, identity);
    if (status == STATUS_AUTH_EXPIRED) {
        struct client_result result = {.status = status};
        session_enter_state(session, SESSION_CONNECTED);
        session->ops->refused(gateway, session, id, &result);
    } else if (status != STATUS_OK) {
        session_close(gateway, session, status == STATUS_NO_MEMORY ? CAUSE_MEMORY : CAUSE_UNAVAILABLE);
    } else {
        session->ops->opened(gateway, session, id);
    }
}

enum status opening_recovered(struct gateway *gateway, struct session *session, char *pid)
{
    session_enter_state(session, SESSION_OPEN);
    session->pid = pid;
    session->wants_kept = pid == NULL;
    return start(gateway, session);
}
