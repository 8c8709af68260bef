/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * A session's life (session_states.def has the picture): each function is one arrow of it, or a timer's end.
 * `timer` is the earliest of deadline, snapshot and stuck socket; `heartbeat` is the next ping or pong's wait.
 */
#include "session/session.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "base/gateway.h"
#include "common/check.h"
#include "common/clock.h"
#include "common/log.h"
#include "common/rng.h"
#include "ingress/client_ask.h"
#include "ingress/relay.h"
#include "presence.h"
#include "recovery/catchup.h"
#include "recovery/opening.h"
#include "recovery/recovery.h"
#include "rooms/membership.h"
#include "rooms/users.h"
#include "session/identity.h"
#include "session/session_extra.h"
#include "session/sessions.h"
#include "transport/namespace.h"

#define PING_AHEAD      8     /* heartbeats go along with other things in this last part of their interval */
#define SLOW_ALLOWANCE  16384 /* for acks and heartbeats of a client whose queue is full */
#define FIRST_SNAPSHOTS 2     /* one at once, one when interest has spread through a cluster */

static const struct {
    const char *name;
    bool member;
    bool may_emit;
} states[] = {
#define STATE(suffix, name, member, may_emit) {name, member, may_emit},
#include "session/session_states.def"
#undef STATE
};

static const struct {
    const char *label;
    uint16_t code;
    const char *text;
} causes[] = {
#define CAUSE(suffix, label, code, text) {label, code, text},
#include "session/session_causes.def"
#undef CAUSE
};

bool session_may_move(enum session_state from, enum session_state to)
{
#define TRANSITION(a, b)                                                                                     \
    if (from == SESSION_##a && to == SESSION_##b)                                                            \
        return true;
#include "session/session_states.def"
#undef TRANSITION
    return false;
}

static void move(struct session *session, enum session_state to)
{
    CHECK(session_may_move((enum session_state)session->state, to));
    session->state = (uint8_t)to;
}

bool session_is_member(const struct session *session)
{
    return states[session->state].member;
}

bool session_may_emit(const struct session *session)
{
    return states[session->state].may_emit && !session->leaving;
}

/* ---- timers ------------------------------------------------------------------------------------------- */

void session_rearm(struct gateway *gateway, struct session *session)
{
    uint64_t due = TIMER_WHEEL_NEVER;
    const uint64_t times[] = {session->deadline_ms, session->snapshot_ms, session->write_ms};
    for (size_t i = 0; i < sizeof(times) / sizeof(times[0]); i++)
        if (times[i] && times[i] < due)
            due = times[i];
    if (due == TIMER_WHEEL_NEVER || session->state == SESSION_CLOSING)
        timer_wheel_cancel(gateway->wheel, &session->timer);
    else
        timer_wheel_arm(gateway->wheel, &session->timer, due);
}

static void deadline_passed(struct gateway *gateway, struct session *session)
{
    if (session->state == SESSION_OPEN)
        session_close(gateway, session, CAUSE_EXPIRED);
    else
        session_close(gateway, session,
                      session->format == FRAME_SOCKETIO ? CAUSE_CONNECT_TIMEOUT : CAUSE_AUTH_TIMEOUT);
}

static void snapshot_due(struct gateway *gateway, struct session *session)
{
    session->snapshot_ms = 0;
    if (session->state == SESSION_OPEN && opening_snapshot(gateway, session) != STATUS_OK)
        session->snapshot_ms = gateway->now_ms + 1000 + rng_below(2000);
}

static void timer_fired(void *context, struct wheel_timer *timer)
{
    struct gateway *gateway = context;
    struct session *session = (struct session *)(void *)((char *)timer - offsetof(struct session, timer));
    if (session->deadline_ms && session->deadline_ms <= gateway->now_ms)
        deadline_passed(gateway, session);
    else if (session->write_ms && session->write_ms <= gateway->now_ms)
        session_close(gateway, session, CAUSE_STUCK);
    else if (session->snapshot_ms && session->snapshot_ms <= gateway->now_ms)
        snapshot_due(gateway, session);
    session_rearm(gateway, session);
}

/* Until then the ping that goes out now must be answered. */
static void await_pong(struct gateway *gateway, struct session *session, uint64_t from_ms)
{
    session->awaiting_pong = true;
    timer_wheel_arm(gateway->wheel, &session->heartbeat, from_ms + (uint64_t)gateway->settings->ping_timeout);
}

static void heartbeat_fired(void *context, struct wheel_timer *timer)
{
    struct gateway *gateway = context;
    struct session *session = (struct session *)(void *)((char *)timer - offsetof(struct session, heartbeat));
    if (session->awaiting_pong) {
        session_close(gateway, session, CAUSE_PING_TIMEOUT);
        return;
    }
    outq_trim(&session->outq);
    /* Counted from when the ping was due, so that the end is where the client expects it; but a loop that was
     * held up must not take much of the time from the client. */
    uint64_t timeout_ms = (uint64_t)gateway->settings->ping_timeout;
    uint64_t due_ms = timer->due_tick * TIMER_WHEEL_TICK_MS;
    uint64_t from_ms = gateway->now_ms - due_ms <= timeout_ms / 4 ? due_ms : gateway->now_ms;
    await_pong(gateway, session, from_ms);
    session->ops->ping(gateway, session);
}

void session_ping_along(struct gateway *gateway, struct session *session)
{
    uint64_t ahead_ms = (uint64_t)gateway->settings->ping_interval / PING_AHEAD;
    enum frame_format format = (enum frame_format)session->format;
    uint32_t maximum = (uint32_t)gateway->settings->session_queue_bytes;
    if (session->heartbeat.due_tick * TIMER_WHEEL_TICK_MS > gateway->now_ms + ahead_ms ||
        session->awaiting_pong || !timer_wheel_armed(&session->heartbeat))
        return;
    if (outq_push(&session->outq, gateway->pings[format], format, maximum) == STATUS_OK)
        await_pong(gateway, session, gateway->now_ms);
}

bool session_overdue(struct gateway *gateway, struct session *session)
{
    uint64_t latest_ms =
        session->heartbeat.due_tick * TIMER_WHEEL_TICK_MS; /* up to a tick after the time itself */
    if (!session->awaiting_pong || gateway->now_ms + TIMER_WHEEL_TICK_MS <= latest_ms)
        return false;
    session_close(gateway, session, CAUSE_PING_TIMEOUT);
    return true;
}

void session_pong(struct gateway *gateway, struct session *session)
{
    if (!session->awaiting_pong)
        return;
    session->awaiting_pong = false;
    timer_wheel_arm(gateway->wheel, &session->heartbeat,
                    gateway->now_ms + (uint64_t)gateway->settings->ping_interval);
}

/* ---- life --------------------------------------------------------------------------------------------- */

struct session *session_create(struct gateway *gateway, const struct transport_ops *ops, void *transport,
                               enum frame_format format, uint64_t deadline_ms)
{
    struct session *session = calloc(1, sizeof(*session));
    if (!session)
        return NULL;
    if (sessions_add(gateway->sessions, session) != STATUS_OK) {
        free(session);
        return NULL;
    }
    session->ops = ops;
    session->transport = transport;
    session->format = (uint8_t)format;
    session->deadline_ms = deadline_ms;
    session->timer.fire = timer_fired;
    session->heartbeat.fire = heartbeat_fired;
    sessions_make_id(session, session->id);
    session_rearm(gateway, session);
    timer_wheel_arm(gateway->wheel, &session->heartbeat,
                    gateway->now_ms + (uint64_t)gateway->settings->ping_interval);
    metric_add(metrics_cell(gateway->metrics, METRIC_SESSIONS, ops->name), 1);
    return session;
}

void session_authenticate(struct gateway *gateway, struct session *session, struct client_token *token,
                          struct slice auth, struct slice id)
{
    move(session, SESSION_AUTHENTICATING);
    enum status status = relay_verify(gateway, session, token, auth, id);
    client_token_wipe(token);
    if (status == STATUS_OK)
        return;
    struct client_result result = {.status = STATUS_AUTH_UNAVAILABLE};
    session_refuse(gateway, session);
    session->ops->refused(gateway, session, id, &result);
}

void session_refuse(struct gateway *gateway, struct session *session)
{
    (void)gateway;
    move(session, SESSION_CONNECTED);
}

/* The moment of expiry on the loop's clock; 0: never. STATUS_AUTH_EXPIRED where it has passed. */
static enum status expiry(const struct gateway *gateway, const struct identity *identity,
                          uint64_t *ret_deadline_ms)
{
    int64_t expires_at_ms = identity->message.expires_at_ms;
    int64_t left = expires_at_ms - clock_wall_ms();
    if (expires_at_ms && left <= 0)
        return STATUS_AUTH_EXPIRED;
    *ret_deadline_ms = expires_at_ms ? gateway->now_ms + (uint64_t)left : 0;
    return STATUS_OK;
}

/* Into its rooms. Takes the reference to the identity, also where it fails. */
static enum status enter(struct gateway *gateway, struct session *session, struct identity *identity,
                         enum session_state state)
{
    uint64_t deadline_ms = 0;
    enum status status = expiry(gateway, identity, &deadline_ms);
    if (status != STATUS_OK) {
        identity_unref(identity);
        return status;
    }
    session->identity = identity;
    status = membership_enter(gateway, session);
    if (status != STATUS_OK) {
        identity_unref(session->identity);
        session->identity = NULL;
        return status;
    }
    session->identity = users_share(session->memberships[MEMBERSHIP_USER].room, identity);
    move(session, state);
    return STATUS_OK;
}

/* OPEN now: until the token expires, with a pid, asking for its snapshots. */
static enum status start(struct gateway *gateway, struct session *session)
{
    bool may_recover = gateway->settings->connection_recovery && session->format == FRAME_SOCKETIO;
    enum status status = expiry(gateway, session->identity, &session->deadline_ms);
    if (status == STATUS_OK && may_recover && !session->pid) {
        session->pid = recovery_make_pid(session);
        if (!session->pid)
            return STATUS_NO_MEMORY;
        session->fresh_pid = true;
    }
    session->refused_in_a_row = 0;
    session->snapshots_left = FIRST_SNAPSHOTS;
    snapshot_due(gateway, session);
    session_rearm(gateway, session);
    return status;
}

enum status session_open(struct gateway *gateway, struct session *session, struct identity *identity)
{
    enum status status = enter(gateway, session, identity, SESSION_OPEN);
    if (status != STATUS_OK)
        return status;
    session->wants_kept = true;
    if (gateway->settings->connection_recovery && session->format != FRAME_SOCKETIO)
        catchup_open(gateway, session);
    return start(gateway, session);
}

enum status session_recover(struct gateway *gateway, struct session *session, struct identity *identity)
{
    return enter(gateway, session, identity, SESSION_RECOVERING);
}

enum status session_recovered(struct gateway *gateway, struct session *session, char *pid)
{
    move(session, SESSION_OPEN);
    session->pid = pid;
    session->wants_kept = pid == NULL;
    return start(gateway, session);
}

enum status session_arrive(struct gateway *gateway, struct session *session, struct identity *identity)
{
    enum status status = enter(gateway, session, identity, SESSION_OPEN);
    if (status == STATUS_OK)
        status = expiry(gateway, session->identity, &session->deadline_ms);
    session_rearm(gateway, session);
    return status;
}

/* Everything an identity gave it. */
static void strip(struct gateway *gateway, struct session *session)
{
    if (session->extra)
        client_asks_end(gateway, session);
    membership_leave_all(gateway, session);
    catchup_free(gateway, session);
    identity_unref(session->identity);
    session->identity = NULL;
    presence_ended(gateway, session);
    free(session->pid);
    session->pid = NULL;
    free(session->versions);
    session->versions = NULL;
    session->version_count = 0;
    session->valued = false;
    session->snapshot_ms = 0;
}

void session_leave(struct gateway *gateway, struct session *session, uint64_t deadline_ms)
{
    move(session, SESSION_CONNECTED);
    strip(gateway, session);
    sessions_renew(gateway->sessions, session);
    session->in_flight = 0;
    session->deadline_ms = deadline_ms;
    sessions_make_id(session, session->id);
    session_rearm(gateway, session);
}

enum status session_replace_identity(struct gateway *gateway, struct session *session,
                                     struct identity *identity)
{
    uint64_t deadline_ms = 0;
    enum status status = expiry(gateway, identity, &deadline_ms);
    if (status != STATUS_OK)
        return status;
    for (int i = session->membership_count - 1; i >= MEMBERSHIP_INDUSTRIES; i--)
        membership_leave(gateway, session, room_key(session->memberships[i].room));
    identity_unref(session->identity);
    session->identity = identity_ref(identity);
    for (size_t i = 0; status == STATUS_OK && i < identity->message.n_industries; i++)
        status = membership_join(gateway, session, slice_from_string(identity->message.industries[i]));
    session->deadline_ms = deadline_ms;
    session_rearm(gateway, session);
    return status;
}

void session_close_coded(struct gateway *gateway, struct session *session, const char *label, uint16_t code,
                         const char *text)
{
    if (session->state == SESSION_CLOSING)
        return;
    gateway_count(gateway, METRIC_CLOSES, label);
    metric_subtract(metrics_cell(gateway->metrics, METRIC_SESSIONS, session->ops->name), 1);
    move(session, SESSION_CLOSING);
    strip(gateway, session);
    timer_wheel_cancel(gateway->wheel, &session->timer);
    timer_wheel_cancel(gateway->wheel, &session->heartbeat);
    if (session->transport)
        session->ops->close(gateway, session, code, text);
    session->transport = NULL;
    if (session->extra)
        namespaces_close(gateway, session);
    sessions_remove(gateway->sessions, session);
}

void session_close(struct gateway *gateway, struct session *session, enum session_cause cause)
{
    const char *text = cause == CAUSE_DRAIN ? gateway->drain_text : causes[cause].text;
    if (cause == CAUSE_SLOW || cause == CAUSE_STUCK) {
        if (session->state != SESSION_CLOSING)
            log_event_limited(LOG_INFO, "a client that does not read was closed",
                              LOG_S("session", session->id), LOG_U("waiting", session->outq.bytes));
        outq_clear(&session->outq);
    }
    session_close_coded(gateway, session, causes[cause].label, causes[cause].code, text);
}

void session_close_status(struct gateway *gateway, struct session *session, enum status status)
{
    unsigned code = status_close_code(status);
    session_close_coded(gateway, session, status_code(status), (uint16_t)(code ? code : 1011),
                        status_code(status));
}

void session_destroy(struct gateway *gateway, struct session *session)
{
    (void)gateway;
    outq_clear(&session->outq);
    session_extra_done(session);
    free(session);
}

/* ---- writing ------------------------------------------------------------------------------------------ */

static bool is_meant(const struct session *session, const struct frame *frame)
{
    return !frame->name_space || slice_equal_string(namespace_of(session), frame->name_space);
}

/* What does not just wait in the queue: a volatile frame that would have to wait is dropped, one that asks is
 * made for each session. */
static bool take_apart(struct gateway *gateway, struct session *session, const struct frame *frame)
{
    if (frame->is_volatile && !session->ops->writable(session)) {
        metrics_add(gateway->metrics, METRIC_VOLATILE_DROPPED, 1);
        return true;
    }
    if (frame->ask)
        client_ask_send(gateway, session, frame);
    return frame->ask != NULL;
}

bool session_send(struct gateway *gateway, struct session *session, struct frame *frame)
{
    if (session->state == SESSION_CLOSING)
        return false;
    if (!is_meant(session, frame) || !session_is_news(session, &frame->rule) ||
        take_apart(gateway, session, frame))
        return true;
    enum frame_format format = (enum frame_format)session->format;
    uint32_t maximum = (uint32_t)gateway->settings->session_queue_bytes;
    if (session->write_ms) /* what the socket's own buffer holds is ours too */
        maximum -= maximum / 4;
    enum status status = outq_push(&session->outq, frame, format, maximum);
    if (status == STATUS_FULL) { /* the socket may take more than has been tried in this turn */
        session->ops->flush(gateway, session);
        if (session->state == SESSION_CLOSING)
            return false;
        if (session->catchup && session->catchup->stage == CATCHUP_SLOW)
            maximum += SLOW_ALLOWANCE;
        status = outq_push(&session->outq, frame, format, maximum);
    }
    if (status == STATUS_OK) {
        session_note_had(session, &frame->rule);
        session_mark_dirty(gateway, session);
    } else if (status != STATUS_FULL || !catchup_slow(gateway, session, frame)) {
        session_close(gateway, session, status == STATUS_FULL ? CAUSE_SLOW : CAUSE_MEMORY);
    }
    return status == STATUS_OK;
}

static void send_bytes(struct gateway *gateway, struct session *session, enum ws_opcode opcode,
                       struct slice payload, const struct attachments *attachments)
{
    struct frame *frame = NULL;
    if (frame_create_messages((enum frame_format)session->format, opcode, payload, attachments, &frame) ==
        STATUS_OK)
        session_send(gateway, session, frame);
    else
        session_close(gateway, session, CAUSE_MEMORY);
    frame_unref(frame);
}

void session_send_messages(struct gateway *gateway, struct session *session, struct slice payload,
                           const struct attachments *attachments)
{
    enum ws_opcode opcode = session->format == FRAME_PROTOBUF ? WS_BINARY : WS_TEXT;
    send_bytes(gateway, session, opcode, payload, attachments);
}

void session_send_message(struct gateway *gateway, struct session *session, struct slice payload)
{
    session_send_messages(gateway, session, payload, NULL);
}

void session_change_transport(struct gateway *gateway, struct session *session,
                              const struct transport_ops *ops, void *transport)
{
    metric_subtract(metrics_cell(gateway->metrics, METRIC_SESSIONS, session->ops->name), 1);
    session->ops = ops;
    session->transport = transport;
    metric_add(metrics_cell(gateway->metrics, METRIC_SESSIONS, ops->name), 1);
    if (session->outq.count)
        session_mark_dirty(gateway, session);
}

void session_send_binary(struct gateway *gateway, struct session *session, struct slice bytes)
{
    send_bytes(gateway, session, WS_BINARY, bytes, NULL);
}

void session_wrote(struct gateway *gateway, struct session *session, bool all)
{
    uint64_t due = all ? 0 : gateway->now_ms + (uint64_t)gateway->settings->write_timeout;
    if (due != session->write_ms) {
        session->write_ms = due;
        session_rearm(gateway, session);
    }
}
