/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * A WebSocket whose socket we read and write ourselves: one end of a socket pair is the gateway's, the other
 * the client's. What the client says whole, in pieces and wrongly; what it does not read; how both end.
 */
#include <uv.h>

#include "gateway_fixture.h"

#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <sys/socket.h>
#include <unistd.h>

#include "codec/ws_frame.h"
#include "common/clock.h"
#include "net/socket.h"
#include "net/websocket_internal.h"
#include "session/session_send.h"
#include "session/sessions.h"

#define CLIENT_BYTES 300000

static struct rig {
    struct fixture *fixture;
    struct gateway *gateway;
    uv_loop_t loop;
    struct websocket *websocket;
    struct session *session;
    int client;
    char heard[CLIENT_BYTES]; /* by the gateway: messages, each with a letter in front and a newline */
    size_t heard_length;
    bool pause; /* stop reading at the next message */
} rig;

static void on_message(struct gateway *gateway, struct session *session, bool binary, struct slice message)
{
    (void)gateway;
    assert_true(rig.heard_length + message.length + 2 < sizeof(rig.heard));
    rig.heard[rig.heard_length++] = binary ? 'b' : 't';
    if (message.length)
        memcpy(rig.heard + rig.heard_length, message.data, message.length);
    rig.heard_length += message.length;
    rig.heard[rig.heard_length++] = '\n';
    rig.heard[rig.heard_length] = '\0';
    if (rig.pause)
        websocket_read(session->transport, false);
}

static const struct transport_ops socket_ops = {.name = "test",
                                                .flush = websocket_flush,
                                                .opened = opened,
                                                .refused = refused,
                                                .ping = ping,
                                                .close = websocket_close};

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
    int pair[2];
    memset(&rig, 0, sizeof(rig));
    if (setup(state) != 0)
        return -1;
    rig.fixture = *state;
    rig.gateway = &rig.fixture->gateway;
    rig.fixture->settings.max_payload = 200000;
    rig.fixture->settings.session_queue_bytes = 1 << 20;
    rig.gateway->now_ms = clock_monotonic_ms(); /* as the sockets tell it */
    assert_int_equal(uv_loop_init(&rig.loop), 0);
    assert_int_equal(sockets_create(rig.gateway, &rig.loop, &rig.gateway->sockets), STATUS_OK);
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair), 0);
    rig.websocket = calloc(1, sizeof(*rig.websocket));
    assert_non_null(rig.websocket);
    rig.websocket->magic = WEBSOCKET_MAGIC;
    rig.websocket->gateway = rig.gateway;
    rig.websocket->reading = true;
    rig.websocket->message = on_message;
    rig.client = pair[1];
    assert_int_equal(socket_adopt(rig.websocket, pair[0]), STATUS_OK);
    rig.session = session_create(rig.gateway, &socket_ops, rig.websocket, FRAME_JSON, 0);
    assert_non_null(rig.session);
    websocket_carry(rig.websocket, rig.session);
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
    close(rig.client);
    return teardown(state);
}

/* ---- the client --------------------------------------------------------------------------------------- */

static size_t mask_frame(char *out, unsigned first, const char *payload, size_t length)
{
    static const unsigned char mask[4] = {0x12, 0x34, 0x56, 0x78};
    size_t at = 0;
    out[at++] = (char)first;
    if (length < 126) {
        out[at++] = (char)(0x80 | length);
    } else if (length < 65536) {
        out[at++] = (char)(0x80 | 126);
        out[at++] = (char)(length >> 8);
        out[at++] = (char)length;
    } else {
        out[at++] = (char)(0x80 | 127);
        for (int shift = 56; shift >= 0; shift -= 8)
            out[at++] = (char)((uint64_t)length >> shift);
    }
    memcpy(out + at, mask, 4);
    at += 4;
    for (size_t i = 0; i < length; i++)
        out[at++] = (char)(payload[i] ^ mask[i % 4]);
    return at;
}

static void say_raw(const char *bytes, size_t length)
{
    while (length > 0) {
        ssize_t sent = send(rig.client, bytes, length, MSG_NOSIGNAL);
        assert_true(sent > 0 || errno == EAGAIN);
        if (sent > 0) {
            bytes += sent;
            length -= (size_t)sent;
        }
        turn();
    }
}

static void say(unsigned first, const char *payload, size_t length)
{
    static char frame[CLIENT_BYTES];
    say_raw(frame, mask_frame(frame, first, payload, length));
}

/* What the client reads within some turns; the length. */
static size_t listen_to(char *out, size_t capacity)
{
    size_t length = 0;
    for (int i = 0; i < 20; i++) {
        ssize_t got = recv(rig.client, out + length, capacity - length, 0);
        if (got > 0)
            length += (size_t)got;
        turn();
    }
    return length;
}

static void assert_reads(const char *bytes, size_t length)
{
    char got[512];
    assert_int_equal(listen_to(got, sizeof(got)), length);
    assert_memory_equal(got, bytes, length);
}

static void assert_end(void)
{
    char byte;
    assert_int_equal(recv(rig.client, &byte, 1, 0), 0);
}

/* ---- tests -------------------------------------------------------------------------------------------- */

static void test_every_cut(void **state)
{
    char bytes[200];
    size_t length = 0;
    (void)state;
    length += mask_frame(bytes + length, 0x81, "hello", 5);
    length += mask_frame(bytes + length, 0x01, "fra", 3);
    length += mask_frame(bytes + length, 0x89, "pi", 2); /* between two fragments */
    length += mask_frame(bytes + length, 0x80, "gment", 5);
    length += mask_frame(bytes + length, 0x82, "", 0);
    for (size_t cut = 0; cut <= length; cut++) {
        rig.heard_length = 0;
        say_raw(bytes, cut);
        turn();
        say_raw(bytes + cut, length - cut);
        turn();
        assert_string_equal(rig.heard, "thello\ntfragment\nb\n");
        assert_null(rig.websocket->input); /* nothing is kept for an idle socket */
        assert_null(rig.websocket->fragments);
        assert_reads("\x8a\x02pi", 4);
    }
}

static void test_long_messages(void **state)
{
    static const size_t lengths[] = {125, 126, 65535, 65536, 200000};
    static char payload[200001];
    char got[64];
    (void)state;
    memset(payload, 'x', sizeof(payload));
    for (size_t i = 0; i < COUNT(lengths); i++) {
        rig.heard_length = 0;
        say(0x82, payload, lengths[i]);
        for (int k = 0; k < 20; k++)
            turn();
        assert_int_equal(rig.heard_length, lengths[i] + 2);
    }
    rig.heard_length = 0;
    say(0x82, payload, 200001);
    assert_int_equal(rig.heard_length, 0);
    assert_true(listen_to(got, sizeof(got)) >= 4);
    assert_memory_equal(got + 2, "\x03\xf1", 2); /* 1009 */
    say(0x88, "\x03\xf1", 2);
    turn();
    assert_end();
}

static void test_fragments_have_a_bound(void **state)
{
    static char payload[150000];
    char got[64];
    (void)state;
    memset(payload, 'x', sizeof(payload));
    say(0x02, payload, sizeof(payload));
    say(0x00, payload, sizeof(payload));
    assert_true(listen_to(got, sizeof(got)) >= 4);
    assert_memory_equal(got + 2, "\x03\xf1", 2);
}

static void test_wrong_frames(void **state)
{
    static const struct {
        const char *bytes;
        size_t length;
    } rows[] = {
        {"\x81\x05hello", 7},                     /* not masked */
        {"\xc1\x80\0\0\0\0", 6},                  /* a reserved bit */
        {"\x83\x80\0\0\0\0", 6},                  /* a reserved opcode */
        {"\x09\x80\0\0\0\0", 6},                  /* half a ping */
        {"\x89\xfe\0\x80\0\0\0\0", 8},            /* a long ping */
        {"\x80\x80\0\0\0\0", 6},                  /* the rest of nothing */
        {"\x01\x80\0\0\0\0\x81\x80\0\0\0\0", 12}, /* a message inside a message */
    };
    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        if (i > 0) {
            void *again = rig.fixture;
            assert_int_equal(stop(&again), 0);
            assert_int_equal(start(&again), 0);
            *state = again;
        }
        say_raw(rows[i].bytes, rows[i].length);
        turn();
        assert_reads("\x88\x02\x03\xea", 4); /* 1002 */
        assert_int_equal(sessions_count(rig.gateway->sessions), 0);
    }
}

static void test_text_must_be_utf8(void **state)
{
    (void)state;
    say(0x01, "\xc3", 1); /* a character in two fragments */
    say(0x80, "\xa4", 1);
    assert_string_equal(rig.heard, "t\xc3\xa4\n");
    say(0x81, "\xff", 1);
    assert_reads("\x88\x02\x03\xef", 4); /* 1007 */
}

static void test_client_closes(void **state)
{
    (void)state;
    say(0x88, "\x03\xe8gone", 6);
    turn();
    assert_reads("\x88\x02\x03\xe8", 4);
    assert_end();
    assert_int_equal(sessions_count(rig.gateway->sessions), 0);
}

static void test_client_closes_with_a_code_there_is_not(void **state)
{
    (void)state;
    say(0x88, "\x03\xed", 2); /* 1005 */
    turn();
    assert_reads("\x88\x02\x03\xea", 4);
    assert_end();
}

static void test_client_vanishes(void **state)
{
    (void)state;
    shutdown(rig.client, SHUT_RDWR);
    turn();
    assert_int_equal(sessions_count(rig.gateway->sessions), 0);
}

static void test_we_close(void **state)
{
    (void)state;
    session_close(rig.gateway, rig.session, CAUSE_REVOKED);
    turn();
    char got[64];
    assert_true(listen_to(got, sizeof(got)) > 4);
    assert_memory_equal(got + 2, "\x0f\xa3", 2); /* 4003 */
    say(0x81, "late", 4);                        /* nobody listens any more */
    assert_int_equal(rig.heard_length, 0);
    say(0x88, "\x0f\xa3", 2);
    turn();
    assert_end();
}

static void test_client_does_not_answer_a_close(void **state)
{
    char got[64];
    (void)state;
    session_close(rig.gateway, rig.session, CAUSE_REVOKED);
    turn();
    pass_time(rig.gateway, 4000);
    assert_true(listen_to(got, sizeof(got)) > 4);
    pass_time(rig.gateway, 2000);
    turn();
    assert_end();
}

static void test_reading_can_wait(void **state)
{
    char bytes[64];
    size_t length = 0;
    (void)state;
    length += mask_frame(bytes + length, 0x81, "a", 1);
    length += mask_frame(bytes + length, 0x81, "b", 1);
    rig.pause = true;
    say_raw(bytes, length);
    turn();
    assert_string_equal(rig.heard, "ta\n");
    rig.pause = false;
    websocket_read(rig.websocket, true);
    turn();
    assert_string_equal(rig.heard, "ta\ntb\n");
    assert_null(rig.websocket->input);
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
        ssize_t part = recv(rig.client, got + length, 1000, 0);
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
        TEST(test_every_cut),
        TEST(test_long_messages),
        TEST(test_fragments_have_a_bound),
        TEST(test_wrong_frames),
        TEST(test_text_must_be_utf8),
        TEST(test_client_closes),
        TEST(test_client_closes_with_a_code_there_is_not),
        TEST(test_client_vanishes),
        TEST(test_we_close),
        TEST(test_client_does_not_answer_a_close),
        TEST(test_reading_can_wait),
        TEST(test_slow_client),
        TEST(test_memory_of_a_session),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
