/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * A session's life: its states (session_states.def has the picture), its timers, its beginning and its end.
 * `timer` is the earliest of deadline, snapshot and stuck socket; `heartbeat` is the next ping or the wait
 * for a pong. Other files draw the remaining arrows of the picture: ingress/relay.c, recovery/opening.c,
 * rooms/membership.c.
 */
#include "session/session.h"

#include <stdlib.h>

#include "base/gateway.h"
#include "common/check.h"
#include "common/log.h"
#include "session/identity.h"
#include "session/session_events.h"
#include "session/session_extra.h"
#include "session/sessions.h"

#define PING_AHEAD 8 /* in this last part of their interval heartbeats go along with other frames */

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

void session_enter_state(struct session *session, enum session_state to)
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

static void timer_fired(void *context, struct wheel_timer *timer)
{
    struct gateway *gateway = context;
    struct session *session = TIMER_OWNER(timer, struct session, timer);
    if (session->deadline_ms && session->deadline_ms <= gateway->now_ms)
        deadline_passed(gateway, session);
    else if (session->write_ms && session->write_ms <= gateway->now_ms)
        session_close(gateway, session, CAUSE_STUCK);
    else if (session->snapshot_ms && session->snapshot_ms <= gateway->now_ms)
        gateway->events->due(gateway, session);
    session_rearm(gateway, session);
}

/* The ping that goes out now must be answered by then. */
static void await_pong(struct gateway *gateway, struct session *session, uint64_t from_ms)
{
    session->awaiting_pong = true;
    timer_wheel_arm(gateway->wheel, &session->heartbeat, from_ms + (uint64_t)gateway->settings->ping_timeout);
}

static void heartbeat_fired(void *context, struct wheel_timer *timer)
{
    struct gateway *gateway = context;
    struct session *session = TIMER_OWNER(timer, struct session, heartbeat);
    if (session->awaiting_pong) {
        session_close(gateway, session, CAUSE_PING_TIMEOUT);
        return;
    }
    outq_trim(&session->outq);
    /* Counted from when the ping was due, so that the timeout is where the client expects it. But a loop that
     * was held up must not take much of that time from the client. */
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
    metric_add(measure_cell(gateway->metrics, ops->label), 1);
    return session;
}

/* Takes away everything that its identity gave it. */
static void strip(struct gateway *gateway, struct session *session)
{
    gateway->events->stripped(gateway, session);
    identity_unref(session->identity);
    session->identity = NULL;
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
    session_enter_state(session, SESSION_CONNECTED);
    strip(gateway, session);
    sessions_renew(gateway->sessions, session);
    session->in_flight = 0;
    session->deadline_ms = deadline_ms;
    sessions_make_id(session, session->id);
    session_rearm(gateway, session);
}

/* `label` in the metric of closes: of a cause, or an error code. */
static void close_labelled(struct gateway *gateway, struct session *session, const char *label, uint16_t code,
                           const char *text)
{
    if (session->state == SESSION_CLOSING)
        return;
    metric_add(metrics_cell(gateway->metrics, METRIC_CLOSES, label), 1);
    metric_subtract(measure_cell(gateway->metrics, session->ops->label), 1);
    session_enter_state(session, SESSION_CLOSING);
    strip(gateway, session);
    timer_wheel_cancel(gateway->wheel, &session->timer);
    timer_wheel_cancel(gateway->wheel, &session->heartbeat);
    if (session->transport)
        session->ops->close(gateway, session, code, text);
    session->transport = NULL;
    if (session->ops->ended)
        session->ops->ended(gateway, session);
    sessions_remove(gateway->sessions, session);
}

void session_close_coded(struct gateway *gateway, struct session *session, enum session_cause cause,
                         uint16_t code, const char *text)
{
    close_labelled(gateway, session, causes[cause].label, code, text);
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
    session_close_coded(gateway, session, cause, causes[cause].code, text);
}

void session_close_status(struct gateway *gateway, struct session *session, enum status status)
{
    unsigned code = status_close_code(status);
    close_labelled(gateway, session, status_code(status), (uint16_t)(code ? code : 1011),
                   status_code(status));
}

/* The one place that frees a session. */
static void session_free(struct session *session)
{
    outq_clear(&session->outq);
    session_extra_done(session);
    free(session);
}

void sessions_end_turn(struct gateway *gateway)
{
    struct session *session;
    while ((session = sessions_take_removed(gateway->sessions)))
        session_free(session);
}

void sessions_close_all(struct gateway *gateway)
{
    for (size_t i = 0; i < sessions_slots(gateway->sessions); i++) {
        struct session *session = sessions_at(gateway->sessions, i);
        if (session)
            session_close(gateway, session, CAUSE_DRAIN);
    }
}
