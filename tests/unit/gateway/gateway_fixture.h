/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * A gateway without broker and sockets, for tests: real rooms, sessions, timer wheel, mailbox and metrics. A
 * probe replaces a socket; its flush notes the numbers that the tests' frames carry as data.
 */
#ifndef POLLEN8_TESTS_GATEWAY_FIXTURE_H
#define POLLEN8_TESTS_GATEWAY_FIXTURE_H

#include "gateway_test.h"

#include <stdio.h>

#include "base/gateway.h"
#include "broker/delivery.h"
#include "common/clock.h"
#include "egress/dedupe.h"
#include "egress/egress.h"
#include "frame/progress.h"
#include "recovery/catchup.h"
#include "recovery/catchup_live.h"
#include "recovery/catchup_read.h"
#include "rooms/board.h"
#include "rooms/membership.h"
#include "session/session.h"
#include "session/session_events.h"
#include "session/sessions.h"

enum { FRAMES_KEPT = 400 };

/* Replaces a socket. Static in each test: the teardown closes it. */
struct probe {
    struct session *session; /* NULL once closed */
    unsigned numbers[FRAMES_KEPT];
    unsigned count;
    unsigned pings;
    unsigned flushes;
    unsigned write_us; /* how far a flush moves the clock, which then stands still */
    bool stuck;        /* takes nothing */
    uint16_t close_code;
};

struct fixture {
    struct gateway gateway;
    struct settings settings;
};

static inline unsigned number_of(const struct frame *frame)
{
    return (unsigned)strtoul(frame->text + frame->event_length, NULL, 10);
}

static inline void flush(struct gateway *gateway, struct session *session)
{
    struct probe *probe = session->transport;

    (void)gateway;
    probe->flushes++;
    if (probe->write_us)
        clock_set_for_test((int64_t)(clock_monotonic_us() + probe->write_us), clock_wall_us());
    while (session->outq.count > 0 && !probe->stuck) {
        struct frame *frame = outq_frames(&session->outq)[0];

        assert_true(probe->count < FRAMES_KEPT);
        probe->numbers[probe->count++] = number_of(frame);
        outq_pop(&session->outq, 1, frame_wire(frame, (enum frame_format)session->format)->length);
    }
}

static inline bool writable(const struct session *session)
{
    const struct probe *probe = session->transport;

    return !probe->stuck;
}

static inline void opened(struct gateway *gateway, struct session *session, struct slice id)
{
    (void)gateway;
    (void)session;
    (void)id;
}

static inline void refused(struct gateway *gateway, struct session *session, struct slice id,
                           const struct client_result *result)
{
    (void)result;
    opened(gateway, session, id);
}

static inline void ping(struct gateway *gateway, struct session *session)
{
    struct probe *probe = session->transport;

    (void)gateway;
    probe->pings++;
}

static inline void note_close(struct gateway *gateway, struct session *session, uint16_t code,
                              const char *text)
{
    struct probe *probe = session->transport;

    (void)text;
    if (code)
        flush(gateway, session);
    probe->close_code = code;
    probe->session = NULL;
}

static const struct transport_ops ops = {.label = LABEL_SESSIONS_WEBSOCKET,
                                         .flush = flush,
                                         .writable = writable,
                                         .opened = opened,
                                         .refused = refused,
                                         .ping = ping,
                                         .close = note_close};

static inline void stripped(struct gateway *gateway, struct session *session)
{
    membership_leave_all(gateway, session);
    catchup_free(gateway, session);
}

static const struct session_events session_events = {
    .deliver = catchup_deliver,
    .full = catchup_slow,
    .drained = catchup_drained,
    .stripped = stripped,
};

static inline void wake(void *context)
{
    (void)context;
}

static inline int setup(void **state)
{
    struct fixture *fixture = calloc(1, sizeof(*fixture));
    struct gateway *gateway = &fixture->gateway;

    assert_non_null(fixture);
    fixture->settings.session_queue_bytes = 262144;
    fixture->settings.ping_interval = 25000;
    fixture->settings.ping_timeout = 20000;
    fixture->settings.write_timeout = 20000;
    gateway->settings = &fixture->settings;
    gateway->events = &session_events;
    gateway->now_ms = 1000;
    gateway->turn_us = INT64_MAX; /* the turn is never over */
    assert_int_equal(metrics_create(measures, METRIC_COUNT, &gateway->metrics), STATUS_OK);
    gateway->mailbox = mailbox_create(10000, wake, NULL);
    gateway->wheel = timer_wheel_create(gateway->now_ms, gateway);
    gateway->rooms = rooms_create(42);
    gateway->sessions = sessions_create();
    gateway->board = board_create();
    gateway->dedupe = dedupe_create(10000, 1000);
    gateway->progress = progress_create(150000, gateway->now_ms, 1000000);
    for (int format = 0; format < FRAME_FORMATS; format++)
        assert_int_equal(frame_create_message((enum frame_format)format, WS_PING, (struct slice){0},
                                              &gateway->pings[format]),
                         STATUS_OK);
    rooms_on_move(gateway->rooms, membership_moved);
    *state = fixture;
    return 0;
}

static inline int teardown(void **state)
{
    struct fixture *fixture = *state;
    struct gateway *gateway = &fixture->gateway;

    for (size_t i = 0; i < sessions_slots(gateway->sessions); i++)
        if (sessions_at(gateway->sessions, i))
            session_close(gateway, sessions_at(gateway->sessions, i), CAUSE_NORMAL);
    sessions_end_turn(gateway);
    mailbox_free(gateway->mailbox);
    board_free(gateway->board);
    rooms_free(gateway->rooms);
    sessions_free(gateway->sessions);
    dedupe_free(gateway->dedupe);
    progress_free(gateway->progress);
    timer_wheel_free(gateway->wheel);
    for (int format = 0; format < FRAME_FORMATS; format++)
        frame_unref(gateway->pings[format]);
    metrics_free(gateway->metrics);
    free(fixture);
    return 0;
}

static inline void join(struct gateway *gateway, struct session *session, enum room_kind kind,
                        const char *key)
{
    size_t count = session->membership_count;
    struct membership *list = realloc(session->memberships, (count + 1) * sizeof(*list));

    assert_non_null(list);
    session->memberships = list;
    list[count] = (struct membership){0};
    assert_int_equal(rooms_join(gateway->rooms, kind, slice_from_string(key), session, &list[count]),
                     STATUS_OK);
    session->membership_count++;
}

/* A session that has just connected; values may be sent to it as if it had received its snapshot. */
static inline void connect_session(struct gateway *gateway, struct probe *probe, enum frame_format format,
                                   uint64_t deadline_ms)
{
    *probe = (struct probe){.session = session_create(gateway, &ops, probe, format, deadline_ms)};
    assert_non_null(probe->session);
    probe->session->valued = true;
}

/* Moves the time on as the loop does: from one timer to the next. */
static inline void pass_time(struct gateway *gateway, uint64_t milliseconds)
{
    uint64_t end = gateway->now_ms + milliseconds;

    while (timer_wheel_next(gateway->wheel) <= end) {
        gateway->now_ms = timer_wheel_next(gateway->wheel);
        timer_wheel_advance(gateway->wheel, gateway->now_ms);
        sessions_flush(gateway);
        sessions_end_turn(gateway);
    }
    gateway->now_ms = end;
}

/* An open session of `user` in the industries named, separated by commas. It has no identity: nothing here
 * asks for one. */
static inline void open_session(struct gateway *gateway, struct probe *probe, const char *user,
                                const char *industries)
{
    struct session *session;
    char list[200];
    char *rest = NULL;

    connect_session(gateway, probe, FRAME_JSON, 0);
    session = probe->session;
    board_enter(gateway->board, session); /* frames that are on the board are not for it */
    join(gateway, session, ROOM_EVERYONE, "");
    join(gateway, session, ROOM_USER, user);
    snprintf(list, sizeof(list), "%s", industries);
    for (char *name = strtok_r(list, ",", &rest); name; name = strtok_r(NULL, ",", &rest))
        join(gateway, session, ROOM_INDUSTRY, name);
    session->state = SESSION_OPEN;
}

#endif
