/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * A session is packed, travels as bytes, and is unpacked at a second gateway where live frames have been held
 * for it: what it was it is again, and every frame is there once.
 */
#include "gateway_fixture.h"

#include "cluster/move/session_move.h"
#include "common/wire.h"
#include "recovery/catchup_read.h"
#include "session/session_send.h"

enum { LANE = 77 };

/* A frame with a number; lane_sequence 0: in no lane. */
static struct frame *frame_of(unsigned number, uint64_t lane_sequence)
{
    struct frame *frame = NULL;
    char data[16];
    snprintf(data, sizeof(data), "%u", number);
    assert_int_equal(frame_create_event(SLICE_LITERAL("test"), slice_from_string(data), NULL, &frame),
                     STATUS_OK);
    frame->lane = lane_sequence ? LANE : 0;
    frame->lane_sequence = lane_sequence;
    return frame;
}

static void give(struct gateway *gateway, struct session *session, unsigned number, uint64_t lane_sequence)
{
    struct frame *frame = frame_of(number, lane_sequence);
    gateway->events->deliver(gateway, session, frame);
    frame_unref(frame);
}

static void come_to(struct gateway *gateway, uint64_t lane_sequence)
{
    const struct lane_mark mark = {.lane = LANE, .sequence = lane_sequence};
    progress_accept(gateway->progress, &mark, gateway->now_ms);
}

/* Packs `session` of `from` and unpacks it into `to`, by way of bytes. */
static enum status travel(struct gateway *from, struct session *session, struct gateway *to,
                          struct session *arrived)
{
    Pollen8__SessionMove move = POLLEN8__SESSION_MOVE__INIT;
    struct pack_arena pack_arena = {0};
    struct wire_arena arena = {0};
    const ProtobufCMessage *message = NULL;
    struct buf bytes;
    buf_init(&bytes, 1000000);
    assert_int_equal(session_move_pack(from, &pack_arena, session, &move), STATUS_OK);
    assert_int_equal(wire_pack(&bytes, &move.base), STATUS_OK);
    pack_arena_done(&pack_arena);
    assert_int_equal(wire_unpack(&arena, &pollen8__session_move__descriptor, buf_slice(&bytes), &message),
                     STATUS_OK);
    enum status status = session_move_unpack(to, arrived, (const Pollen8__SessionMove *)message);
    wire_arena_done(&arena);
    buf_done(&bytes);
    return status;
}

/* A place holder as move_in makes one. */
static void arrive(struct gateway *gateway, struct probe *probe)
{
    open_session(gateway, probe, "ada", "technology");
    probe->session->format = FRAME_SOCKETIO;
    assert_int_equal(catchup_arriving(probe->session), STATUS_OK);
}

static bool wire_has(const struct frame *frame, const char *text)
{
    const struct wire *wire = frame->wires[FRAME_SOCKETIO];
    return memmem(wire->bytes, wire->length, text, strlen(text)) != NULL;
}

static void test_what_it_was(void **state)
{
    struct gateway *gateway = &((struct fixture *)*state)->gateway;
    static struct probe here;
    static struct probe there;
    gateway->event_rule = (struct token_rule){.per_minute = 60, .burst = 20};
    open_session(gateway, &here, "ada", "technology");
    struct session *session = here.session;
    session->format = FRAME_SOCKETIO;
    session->events = (struct token_bucket){gateway->now_ms, 600000};
    session->refused_in_a_row = 3;
    session->snapshots_left = 2;
    session->wants_kept = true;
    session->pid = strdup("a-pid");
    for (uint64_t key = 1; key <= 5; key++) {
        const struct frame_rule rule = {.coalesce = key, .epoch = 9, .version = 10 * key};
        assert_true(session_is_news(session, &rule));
        session_note_had(session, &rule);
    }
    session->awaiting_pong = true;
    timer_wheel_arm(gateway->wheel, &session->heartbeat, gateway->now_ms + 5000);
    gateway->now_ms += 2000;
    arrive(gateway, &there);
    assert_int_equal(travel(gateway, session, gateway, there.session), STATUS_OK);
    const struct session *moved = there.session;
    assert_int_equal(moved->events.missing, 600000 - 2000 * 60);
    assert_int_equal(moved->events.updated_ms, gateway->now_ms);
    assert_int_equal(moved->refused_in_a_row, 3);
    assert_int_equal(moved->snapshots_left, 2);
    assert_true(moved->wants_kept);
    assert_string_equal(moved->pid, "a-pid");
    assert_int_equal(moved->version_count, 5);
    for (uint64_t key = 1; key <= 5; key++) {
        struct frame_rule rule = {.coalesce = key, .epoch = 9, .version = 10 * key};
        assert_false(session_is_news(there.session, &rule));
        rule.version++;
        assert_true(session_is_news(there.session, &rule));
    }
    assert_true(moved->awaiting_pong);
    assert_in_range(moved->heartbeat.due_tick * TIMER_WHEEL_TICK_MS, gateway->now_ms + 3000,
                    gateway->now_ms + 3000 + TIMER_WHEEL_TICK_MS);
}

static void test_each_frame_once(void **state)
{
    struct gateway *gateway = &((struct fixture *)*state)->gateway;
    static struct probe here;
    static struct probe there;
    open_session(gateway, &here, "ada", "technology");
    here.session->format = FRAME_SOCKETIO;
    here.stuck = true;
    arrive(gateway, &there);
    there.stuck = true;
    for (unsigned i = 1; i <= 4; i++)
        give(gateway, here.session, i, i); /* had there, or waiting there */
    give(gateway, here.session, 100, 0);
    for (unsigned i = 3; i <= 4; i++)
        give(gateway, there.session, i, i); /* both have these */
    give(gateway, there.session, 100, 0);
    session_move_asked(there.session);
    for (unsigned i = 5; i <= 6; i++)
        give(gateway, there.session, i, i); /* only the new one has */
    give(gateway, there.session, 101, 0);
    assert_int_equal(there.session->outq.count, 0);
    come_to(gateway, 4);
    assert_int_equal(travel(gateway, here.session, gateway, there.session), STATUS_OK);
    give(gateway, there.session, 4, 4); /* comes late, to the new one */
    give(gateway, there.session, 7, 7);
    static const char *const expected[] = {"[\"test\",1", "[\"test\",2",   "[\"test\",3",
                                           "[\"test\",4", "[\"test\",100", "[\"test\",5",
                                           "[\"test\",6", "[\"test\",101", "[\"test\",7"};
    const struct outq *outq = &there.session->outq;
    assert_int_equal(outq->count, COUNT(expected));
    for (size_t i = 0; i < COUNT(expected); i++)
        assert_true(wire_has(outq_frames(outq)[i], expected[i]));
}

static void test_malformed(void **state)
{
    struct gateway *gateway = &((struct fixture *)*state)->gateway;
    static struct probe there;
    Pollen8__SessionMove move = POLLEN8__SESSION_MOVE__INIT;
    Pollen8__Position position = POLLEN8__POSITION__INIT;
    Pollen8__MovedSession session = POLLEN8__MOVED_SESSION__INIT;
    Pollen8__MovedSession *sessions[] = {&session};
    Pollen8__MovedFrame frame = POLLEN8__MOVED_FRAME__INIT;
    Pollen8__MovedFrame *frames[] = {&frame};
    arrive(gateway, &there);
    assert_int_equal(session_move_unpack(gateway, there.session, &move), STATUS_MALFORMED);
    move.position = &position;
    assert_int_equal(session_move_unpack(gateway, there.session, &move), STATUS_MALFORMED);
    move.sessions = sessions;
    move.n_sessions = 1;
    session.name_space = (char *)(uintptr_t)("/nowhere");
    assert_int_equal(session_move_unpack(gateway, there.session, &move), STATUS_NOT_FOUND);
    session.name_space = (char *)(uintptr_t)("");
    move.frames = frames;
    move.n_frames = 1;
    frame.wire.data = (uint8_t *)(uintptr_t)("\x81\x05hell");
    frame.wire.len = 6;
    assert_int_equal(session_move_unpack(gateway, there.session, &move), STATUS_MALFORMED);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_what_it_was, setup, teardown),
        cmocka_unit_test_setup_teardown(test_each_frame_once, setup, teardown),
        cmocka_unit_test_setup_teardown(test_malformed, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
