/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * The table of session states, repeated here on purpose: a change to it must be made twice. Then what time
 * does to a session, and how messages in flight find it again.
 */
#include "gateway_fixture.h"

#include "session/session_send.h"
#include "session/sessions.h"

static void moves_are_these_and_no_others(void **state)
{
    static const struct {
        enum session_state from;
        enum session_state to;
    } legal[] = {
        {SESSION_CONNECTED, SESSION_AUTHENTICATING}, {SESSION_AUTHENTICATING, SESSION_CONNECTED},
        {SESSION_AUTHENTICATING, SESSION_OPEN},      {SESSION_AUTHENTICATING, SESSION_RECOVERING},
        {SESSION_RECOVERING, SESSION_OPEN},          {SESSION_OPEN, SESSION_CONNECTED},
        {SESSION_CONNECTED, SESSION_CLOSING},        {SESSION_AUTHENTICATING, SESSION_CLOSING},
        {SESSION_RECOVERING, SESSION_CLOSING},       {SESSION_OPEN, SESSION_CLOSING},
        {SESSION_CONNECTED, SESSION_OPEN},
    };

    (void)state;
    for (int from = 0; from < SESSION_STATES; from++) {
        for (int to = 0; to < SESSION_STATES; to++) {
            bool expected = false;

            for (size_t i = 0; i < COUNT(legal); i++)
                expected |= (int)legal[i].from == from && (int)legal[i].to == to;
            if (session_may_move((enum session_state)from, (enum session_state)to) != expected)
                fail_msg("from %d to %d", from, to);
        }
    }
}

static void nothing_leaves_closing(void **state)
{
    (void)state;
    for (int to = 0; to < SESSION_STATES; to++)
        assert_false(session_may_move(SESSION_CLOSING, (enum session_state)to));
}

/* No identity, no rooms, no events: only an open session has them; a recovering one is in its rooms. */
static void only_open_sessions_take_part(void **state)
{
    (void)state;
    for (int at = 0; at < SESSION_STATES; at++) {
        struct session session = {.state = (uint8_t)at};

        assert_int_equal(session_is_member(&session), at == SESSION_OPEN || at == SESSION_RECOVERING);
        assert_int_equal(session_may_emit(&session), at == SESSION_OPEN);
    }
}

/* An idle client costs what the header promises. */
static void a_session_is_small(void **state)
{
    (void)state;
    assert_true(sizeof(struct session) <= 352);
    assert_true(sizeof(struct outq) <= 40);
    assert_true(sizeof(struct membership) <= 16);
}

static void what_is_volatile_never_waits_for_a_socket(void **state)
{
    struct gateway *gateway = &((struct fixture *)*state)->gateway;
    static struct probe probe;
    struct frame *frame = NULL;

    connect_session(gateway, &probe, FRAME_JSON, 0);
    assert_int_equal(frame_create_event(SLICE_LITERAL("n"), SLICE_LITERAL("7"), NULL, &frame), STATUS_OK);
    frame->is_volatile = true;
    session_send(gateway, probe.session, frame);
    probe.stuck = true;
    session_send(gateway, probe.session, frame);
    assert_int_equal(probe.session->outq.count, 1);
    probe.stuck = false;
    sessions_flush(gateway);
    assert_int_equal(probe.count, 1);
    frame_unref(frame);
}

static void a_heartbeat_wants_its_answer(void **state)
{
    struct gateway *gateway = &((struct fixture *)*state)->gateway;
    static struct probe probe;

    connect_session(gateway, &probe, FRAME_JSON, 0);
    pass_time(gateway, 24900);
    assert_int_equal(probe.pings, 0);
    pass_time(gateway, 200);
    assert_int_equal(probe.pings, 1);
    pass_time(gateway, 19800);
    assert_non_null(probe.session);
    session_pong(gateway, probe.session);
    session_pong(gateway, probe.session); /* an extra pong changes nothing */
    pass_time(gateway, 24900);
    assert_int_equal(probe.pings, 1);
    pass_time(gateway, 200);
    assert_int_equal(probe.pings, 2);
    pass_time(gateway, 20100);
    assert_null(probe.session);
    assert_int_equal(probe.close_code, 1001);
}

/* A write in the last eighth of the interval takes the heartbeat along, once. */
static void a_heartbeat_goes_along(void **state)
{
    struct gateway *gateway = &((struct fixture *)*state)->gateway;
    static struct probe probe;

    connect_session(gateway, &probe, FRAME_JSON, 0);
    pass_time(gateway, 21800);
    session_ping_along(gateway, probe.session);
    assert_int_equal(probe.session->outq.count, 0);
    pass_time(gateway, 100);
    session_ping_along(gateway, probe.session);
    session_ping_along(gateway, probe.session);
    assert_int_equal(probe.session->outq.count, 1);
    assert_ptr_equal(outq_frames(&probe.session->outq)[0], gateway->pings[FRAME_JSON]);
    session_pong(gateway, probe.session);
    pass_time(gateway, 24900);
    assert_int_equal(probe.pings, 0);
    pass_time(gateway, 200);
    assert_int_equal(probe.pings, 1);
    session_pong(gateway, probe.session);
    pass_time(gateway, 24000);
    session_ping_along(gateway, probe.session);
    pass_time(gateway, 20100); /* counted from when it was sent */
    assert_null(probe.session);
}

/* A request that arrives between the end of the time and the tick that would notice it. */
static void a_late_answer_is_noticed_before_the_timer(void **state)
{
    struct gateway *gateway = &((struct fixture *)*state)->gateway;
    static struct probe probe;
    uint64_t start_ms = gateway->now_ms;

    connect_session(gateway, &probe, FRAME_SOCKETIO, 0);
    assert_false(session_overdue(gateway, probe.session));
    pass_time(gateway, 25000);
    assert_int_equal(probe.pings, 1);
    assert_false(session_overdue(gateway, probe.session));
    gateway->now_ms = start_ms + 44990;
    assert_false(session_overdue(gateway, probe.session));
    gateway->now_ms = start_ms + 45000;
    assert_true(session_overdue(gateway, probe.session));
    assert_null(probe.session);
}

static void who_does_not_join_in_time_is_closed(void **state)
{
    struct gateway *gateway = &((struct fixture *)*state)->gateway;
    static struct probe socketio;
    static struct probe plain;

    connect_session(gateway, &socketio, FRAME_SOCKETIO, gateway->now_ms + 1000);
    connect_session(gateway, &plain, FRAME_JSON, gateway->now_ms + 2000);
    pass_time(gateway, 900);
    assert_non_null(socketio.session);
    pass_time(gateway, 200);
    assert_null(socketio.session);
    assert_int_equal(socketio.close_code, 1000);
    assert_non_null(plain.session);
    pass_time(gateway, 1000);
    assert_null(plain.session);
    assert_int_equal(plain.close_code, 4001);
}

static void an_expired_token_ends_an_open_session(void **state)
{
    struct gateway *gateway = &((struct fixture *)*state)->gateway;
    static struct probe probe;

    open_session(gateway, &probe, "ada", "technology");
    probe.session->deadline_ms = gateway->now_ms + 5000;
    session_rearm(gateway, probe.session);
    pass_time(gateway, 4900);
    assert_non_null(probe.session);
    pass_time(gateway, 200);
    assert_null(probe.session);
    assert_int_equal(probe.close_code, 4001);
    assert_int_equal(rooms_find(gateway->rooms, ROOM_INDUSTRY, SLICE_LITERAL("technology"))->count, 0);
}

static void a_stuck_socket_is_closed(void **state)
{
    struct gateway *gateway = &((struct fixture *)*state)->gateway;
    static struct probe stuck;
    static struct probe slow;

    open_session(gateway, &stuck, "ada", "");
    open_session(gateway, &slow, "bo", "");
    session_wrote(gateway, stuck.session, false);
    session_wrote(gateway, slow.session, false);
    pass_time(gateway, 19000);
    session_wrote(gateway, slow.session, true);
    pass_time(gateway, 2000);
    assert_null(stuck.session);
    assert_int_equal(stuck.close_code, 4008);
    assert_non_null(slow.session);
}

/* A message in flight for a session must never find a different one, nor the same one after it has left. */
static void handles_find_only_their_session(void **state)
{
    struct gateway *gateway = &((struct fixture *)*state)->gateway;
    static struct probe probes[300];
    uint64_t handles[COUNT(probes)];
    uint64_t before;

    for (size_t i = 0; i < COUNT(probes); i++) {
        connect_session(gateway, &probes[i], FRAME_JSON, 0);
        handles[i] = probes[i].session->handle;
    }
    assert_int_equal(sessions_count(gateway->sessions), COUNT(probes));
    for (size_t i = 0; i < COUNT(probes); i++)
        assert_ptr_equal(sessions_find(gateway->sessions, handles[i]), probes[i].session);
    for (size_t i = 0; i < COUNT(probes); i += 2)
        session_close(gateway, probes[i].session, CAUSE_CLIENT);
    sessions_end_turn(gateway);
    for (size_t i = 0; i < COUNT(probes); i += 2)
        connect_session(gateway, &probes[i], FRAME_JSON, 0); /* into the same slots */
    for (size_t i = 0; i < COUNT(probes); i++)
        assert_ptr_equal(sessions_find(gateway->sessions, handles[i]), i % 2 ? probes[i].session : NULL);
    assert_null(sessions_find(gateway->sessions, UINT64_MAX));
    assert_null(sessions_find(gateway->sessions, 0));

    open_session(gateway, &probes[0], "ada", "");
    before = probes[0].session->handle;
    session_leave(gateway, probes[0].session, 0);
    assert_null(sessions_find(gateway->sessions, before));
    assert_ptr_equal(sessions_find(gateway->sessions, probes[0].session->handle), probes[0].session);
    assert_int_equal(probes[0].session->state, SESSION_CONNECTED);
    assert_int_equal(probes[0].session->membership_count, 0);
}

static void send_number(struct gateway *gateway, struct session *session, unsigned number, uint64_t coalesce,
                        uint64_t epoch, uint64_t version)
{
    struct frame_rule rule = {.coalesce = coalesce, .epoch = epoch, .version = version};
    struct frame *frame = NULL;
    char data[16];

    snprintf(data, sizeof(data), "%u", number);
    assert_int_equal(frame_create_event(SLICE_LITERAL("a"), slice_from_string(data), &rule, &frame),
                     STATUS_OK);
    session_send(gateway, session, frame);
    sessions_flush(gateway);
    frame_unref(frame);
}

static void versions_are_by_key_and_epoch(void **state)
{
    struct gateway *gateway = &((struct fixture *)*state)->gateway;
    static const unsigned expected[] = {1, 2, 5, 7, 8, 9};
    static struct probe probe;

    open_session(gateway, &probe, "ada", "");
    send_number(gateway, probe.session, 1, 10, 1, 5);
    send_number(gateway, probe.session, 2, 20, 1, 1); /* another key */
    send_number(gateway, probe.session, 3, 10, 1, 5);
    send_number(gateway, probe.session, 4, 10, 1, 4);
    send_number(gateway, probe.session, 5, 10, 2, 1); /* a new epoch starts over */
    send_number(gateway, probe.session, 6, 10, 1, 9); /* the old epoch is past */
    send_number(gateway, probe.session, 7, 10, 0, 0); /* unversioned */
    send_number(gateway, probe.session, 8, 0, 1, 1);  /* no key: nothing to compare with */
    send_number(gateway, probe.session, 9, 0, 1, 1);
    assert_int_equal(probe.count, COUNT(expected));
    for (size_t i = 0; i < COUNT(expected); i++)
        assert_int_equal(probe.numbers[i], expected[i]);
}

/* What its client had before it reconnected is unknown here: the snapshot is newer than all of that. */
static void no_version_comes_before_the_snapshot(void **state)
{
    struct gateway *gateway = &((struct fixture *)*state)->gateway;
    static struct probe probe;

    open_session(gateway, &probe, "ada", "");
    probe.session->valued = false;
    send_number(gateway, probe.session, 1, 10, 1, 5);
    send_number(gateway, probe.session, 2, 10, 0, 0); /* unversioned */
    assert_int_equal(probe.count, 1);
    probe.session->valued = true;
    send_number(gateway, probe.session, 3, 10, 1, 5);
    assert_int_equal(probe.count, 2);
}

static void versions_are_bounded(void **state)
{
    struct gateway *gateway = &((struct fixture *)*state)->gateway;
    static struct probe probe;

    open_session(gateway, &probe, "ada", "");
    for (unsigned round = 1; round <= 3; round++)
        for (unsigned key = 1; key <= 100; key++)
            send_number(gateway, probe.session, key, key, 1, round);
    assert_int_equal(probe.session->version_count, SESSION_VERSIONS_MAXIMUM);
    assert_int_equal(probe.count, 300);
    send_number(gateway, probe.session, 100, 100, 1, 3); /* the newest keys are the ones still known */
    assert_int_equal(probe.count, 300);
}

static void closing_is_once_and_tells_what_waits(void **state)
{
    struct gateway *gateway = &((struct fixture *)*state)->gateway;
    struct frame *frame = NULL;
    static struct probe probe;
    struct session *session;

    open_session(gateway, &probe, "ada", "technology");
    session = probe.session;
    assert_int_equal(frame_create_event(SLICE_LITERAL("a"), SLICE_LITERAL("7"), NULL, &frame), STATUS_OK);
    session_send(gateway, session, frame);
    session_close(gateway, session, CAUSE_REVOKED);
    assert_int_equal(probe.close_code, 4003);
    assert_int_equal(probe.count, 1);
    assert_int_equal(probe.numbers[0], 7);
    probe.close_code = 0;
    session_close(gateway, session, CAUSE_NORMAL);
    session_send(gateway, session, frame);
    assert_int_equal(probe.close_code, 0);
    assert_int_equal(sessions_count(gateway->sessions), 0);
    frame_unref(frame);
}

static struct {
    unsigned times;
    char pid[8];
} stripped_noted;

static void note_stripped(struct gateway *gateway, struct session *session)
{
    stripped_noted.times++;
    snprintf(stripped_noted.pid, sizeof(stripped_noted.pid), "%s", session->pid ? session->pid : "");
    membership_leave_all(gateway, session);
}

/* The parts above are notified once each time it leaves or closes, while it still has what they must
 * release. */
static void who_is_above_hears_of_the_end(void **state)
{
    static const struct session_events noting = {.stripped = note_stripped};
    struct gateway *gateway = &((struct fixture *)*state)->gateway;
    static struct probe probe;
    struct session *session;

    gateway->events = &noting;
    stripped_noted.times = 0;
    open_session(gateway, &probe, "ada", "technology");
    session = probe.session;
    session->pid = strdup("pid-1");
    session_leave(gateway, session, 0);
    assert_int_equal(stripped_noted.times, 1);
    assert_string_equal(stripped_noted.pid, "pid-1");
    assert_null(session->pid);
    session_close(gateway, session, CAUSE_NORMAL);
    session_close(gateway, session, CAUSE_NORMAL);
    assert_int_equal(stripped_noted.times, 2);
    assert_string_equal(stripped_noted.pid, "");
}

int main(void)
{
#define SESSION_TEST(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(moves_are_these_and_no_others),
        cmocka_unit_test(nothing_leaves_closing),
        cmocka_unit_test(only_open_sessions_take_part),
        cmocka_unit_test(a_session_is_small),
        SESSION_TEST(what_is_volatile_never_waits_for_a_socket),
        SESSION_TEST(a_heartbeat_wants_its_answer),
        SESSION_TEST(a_heartbeat_goes_along),
        SESSION_TEST(a_late_answer_is_noticed_before_the_timer),
        SESSION_TEST(who_does_not_join_in_time_is_closed),
        SESSION_TEST(an_expired_token_ends_an_open_session),
        SESSION_TEST(a_stuck_socket_is_closed),
        SESSION_TEST(handles_find_only_their_session),
        SESSION_TEST(versions_are_by_key_and_epoch),
        SESSION_TEST(no_version_comes_before_the_snapshot),
        SESSION_TEST(versions_are_bounded),
        SESSION_TEST(closing_is_once_and_tells_what_waits),
        SESSION_TEST(who_is_above_hears_of_the_end),
    };
#undef SESSION_TEST

    return cmocka_run_group_tests(tests, NULL, NULL);
}
