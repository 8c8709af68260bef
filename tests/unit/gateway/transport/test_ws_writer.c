/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * A session on a WebSocket: everything that waits goes out in one write a turn, what a client does not read
 * is finished later, and the end of either is that of the other.
 */
#include <uv.h>

#include "gateway_fixture.h"

#include <malloc.h>

#include "socket_client.h"

#include "codec/ws_frame.h"
#include "common/clock.h"
#include "session/session_send.h"
#include "session/sessions.h"
#include "transport/ws_writer.h"

static struct rig {
    struct fixture *fixture;
    struct gateway *gateway;
    uv_loop_t loop;
    struct websocket *websocket;
    struct session *session;
} rig;

static void on_message(struct gateway *gateway, void *owner, bool binary, struct slice message)
{
    (void)gateway;
    (void)owner;
    (void)binary;
    (void)message;
    fail();
}

static const struct websocket_owner owner = {.message = on_message,
                                             .pong = ws_writer_pong,
                                             .unblocked = ws_writer_unblocked,
                                             .failed = ws_writer_failed,
                                             .lost = ws_writer_lost};

static const struct transport_ops writer_ops = {.label = LABEL_SESSIONS_WEBSOCKET,
                                                .flush = ws_writer_flush,
                                                .writable = ws_writer_writable,
                                                .opened = opened,
                                                .refused = refused,
                                                .ping = ping,
                                                .close = ws_writer_close};

static void turn(void)
{
    uv_run(&rig.loop, UV_RUN_NOWAIT);
    sessions_flush(rig.gateway);
    websockets_end_turn(rig.gateway);
    sockets_end_turn(rig.gateway);
    sessions_end_turn(rig.gateway);
}

static int start(void **state)
{
    memset(&rig, 0, sizeof(rig));
    if (setup(state) != 0)
        return -1;
    rig.fixture = *state;
    rig.gateway = &rig.fixture->gateway;
    rig.fixture->settings.max_payload = 200000;
    rig.fixture->settings.session_queue_bytes = 1 << 20;
    rig.gateway->now_ms = clock_monotonic_ms(); /* as the sockets tell it */
    rig.gateway->ws_writer = ws_writer_create();
    assert_non_null(rig.gateway->ws_writer);
    assert_int_equal(uv_loop_init(&rig.loop), 0);
    assert_int_equal(websockets_create(rig.gateway, &rig.loop), STATUS_OK);
    rig.websocket = open_websocket(rig.gateway);
    rig.session = session_create(rig.gateway, &writer_ops, rig.websocket, FRAME_JSON, 0);
    assert_non_null(rig.session);
    websocket_own(rig.websocket, &owner, rig.session);
    return 0;
}

static int stop(void **state)
{
    for (size_t i = 0; i < sessions_slots(rig.gateway->sessions); i++)
        if (sessions_at(rig.gateway->sessions, i))
            session_close(rig.gateway, sessions_at(rig.gateway->sessions, i), CAUSE_NORMAL);
    websockets_end_turn(rig.gateway);
    sockets_stop(rig.gateway);
    uv_run(&rig.loop, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(&rig.loop), 0);
    sockets_free(rig.gateway->sockets);
    ws_writer_free(rig.gateway->ws_writer);
    close(client_socket);
    return teardown(state);
}

static struct frame *make_event(const char *data)
{
    struct frame *frame = NULL;
    assert_int_equal(frame_create_event(SLICE_LITERAL("e"), slice_from_string(data), NULL, &frame),
                     STATUS_OK);
    return frame;
}

static void send_event(struct session *session, struct frame *frame)
{
    assert_true(session_send(rig.gateway, session, frame));
}

static uint64_t writes(void)
{
    return metric_value(metrics_cell(rig.gateway->metrics, METRIC_WRITES, NULL));
}

/* ---- tests -------------------------------------------------------------------------------------------- */

static void test_all_that_waits_is_one_write(void **state)
{
    char expected[512];
    size_t length = 0;
    (void)state;
    for (int round = 0; round < 3; round++) { /* the second of two frames is never that of the round before */
        uint64_t before = writes();
        length = 0;
        for (int i = 0; i <= round; i++) {
            char data[8];
            snprintf(data, sizeof(data), "%d", round * 10 + i);
            struct frame *frame = make_event(data);
            send_event(rig.session, frame);
            const struct wire *wire = frame_wire(frame, FRAME_JSON);
            memcpy(expected + length, wire->bytes, wire->length);
            length += wire->length;
            frame_unref(frame);
        }
        turn();
        assert_int_equal(writes() - before, 1);
        assert_reads(expected, length);
    }
}

/* What one write takes has a bound; what does not fit follows in the same turn. */
static void test_more_than_a_write_holds(void **state)
{
    static char data[30001];
    static char got[200000];
    (void)state;
    memset(data, '1', sizeof(data) - 1);
    uint64_t before = writes();
    for (int i = 0; i < 5; i++) {
        struct frame *frame = make_event(data);
        send_event(rig.session, frame);
        frame_unref(frame);
    }
    turn();
    assert_int_equal(rig.session->outq.count, 0);
    assert_int_equal(writes() - before, 3);
    size_t length = listen_to(got, sizeof(got));
    struct slice frames = slice_make(got, length);
    struct slice payload;
    enum ws_opcode opcode;
    unsigned events = 0;
    while (ws_frame_next(&frames, &opcode, &payload))
        events += payload.length > 30000;
    assert_int_equal(events, 5);
    assert_int_equal(frames.length, 0);
}

static void test_a_close_takes_along_what_waits(void **state)
{
    char got[64];
    struct frame *frame = make_event("1");
    size_t length = frame_wire(frame, FRAME_JSON)->length;
    (void)state;
    send_event(rig.session, frame);
    session_close(rig.gateway, rig.session, CAUSE_REVOKED);
    assert_int_equal(listen_to(got, sizeof(got)), length + 4 + 7);
    assert_memory_equal(got, frame_wire(frame, FRAME_JSON)->bytes, length);
    assert_memory_equal(got + length, "\x88\x09\x0f\xa3revoked", 11); /* 4003 */
    frame_unref(frame);
    say(0x81, "late", 4); /* nobody listens any more */
    say(0x88, "\x0f\xa3", 2);
    turn();
    assert_end();
}

static void test_a_lost_socket_ends_the_session(void **state)
{
    (void)state;
    shutdown(client_socket, SHUT_RDWR);
    turn();
    assert_int_equal(sessions_count(rig.gateway->sessions), 0);
}

static void test_a_refused_client_ends_the_session(void **state)
{
    (void)state;
    say_raw("\x81\x05hello", 7); /* not masked */
    turn();
    assert_reads("\x88\x02\x03\xea", 4); /* 1002 */
    assert_int_equal(sessions_count(rig.gateway->sessions), 0);
}

static void test_what_is_too_much_ends_the_session(void **state)
{
    static char payload[200001];
    char got[64];
    (void)state;
    say(0x82, payload, sizeof(payload));
    assert_true(listen_to(got, sizeof(got)) >= 4);
    assert_memory_equal(got + 2, "\x03\xf1", 2); /* 1009 */
    assert_int_equal(sessions_count(rig.gateway->sessions), 0);
}

static void test_a_pong_is_the_sessions(void **state)
{
    (void)state;
    rig.session->awaiting_pong = true;
    say(0x8a, "p", 1);
    turn();
    assert_false(rig.session->awaiting_pong);
}

/* What a client does not read is kept, in order, and finished when it reads; nothing is lost or doubled. */
static void test_slow_client(void **state)
{
    static char got[600000];
    char data[2000];
    size_t expected = 0;
    (void)state;
    memset(data, '1', sizeof(data));
    for (int i = 0; i < 200; i++) {
        struct frame *frame = NULL;
        assert_int_equal(frame_create_event(SLICE_LITERAL("e"), slice_make(data, sizeof(data)), NULL, &frame),
                         STATUS_OK);
        session_send(rig.gateway, rig.session, frame);
        expected += frame_wire(frame, FRAME_JSON)->length;
        frame_unref(frame);
        turn();
    }
    assert_non_null(rig.websocket->rest);
    assert_true(rig.session->write_ms > 0);
    say(0x89, "x", 1); /* its answer waits behind */
    size_t length = 0;
    for (int i = 0; i < 2000 && length < expected + 3; i++) {
        ssize_t part = recv(client_socket, got + length, 1000, 0);
        if (part > 0)
            length += (size_t)part;
        turn();
    }
    assert_int_equal(length, expected + 3);
    assert_null(rig.websocket->rest);
    assert_int_equal(rig.session->write_ms, 0);
    struct slice frames = slice_make(got, length);
    struct slice payload;
    enum ws_opcode opcode;
    unsigned events = 0;
    unsigned pongs = 0;
    while (ws_frame_next(&frames, &opcode, &payload)) {
        events += opcode == WS_TEXT;
        pongs += opcode == WS_PONG;
    }
    assert_int_equal(frames.length, 0);
    assert_int_equal(events, 200);
    assert_int_equal(pongs, 1);
}

/* Everything an idle session has but its identity: WebSocket, session, rooms, places in them. */
static void test_memory_of_a_session(void **state)
{
    enum { SESSIONS = 2000, BYTES = 1100 };
    static struct probe probes[SESSIONS];
    static void *websockets[SESSIONS];
    char user[16];
    (void)state;
    size_t before = mallinfo2().uordblks;
    for (int i = 0; i < SESSIONS; i++) {
        snprintf(user, sizeof(user), "user-%d", i);
        websockets[i] = calloc(1, sizeof(struct websocket));
        open_session(rig.gateway, &probes[i], user, "steel,rail");
    }
    size_t each = (mallinfo2().uordblks - before) / SESSIONS; /* 0 where a sanitizer has its own allocator */
    if (each > BYTES)
        fail_msg("%zu bytes a session", each);
    for (int i = 0; i < SESSIONS; i++)
        free(websockets[i]);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, start, stop)
    const struct CMUnitTest tests[] = {
        TEST(test_all_that_waits_is_one_write),
        TEST(test_more_than_a_write_holds),
        TEST(test_a_close_takes_along_what_waits),
        TEST(test_a_lost_socket_ends_the_session),
        TEST(test_a_refused_client_ends_the_session),
        TEST(test_what_is_too_much_ends_the_session),
        TEST(test_a_pong_is_the_sessions),
        TEST(test_slow_client),
        TEST(test_memory_of_a_session),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
