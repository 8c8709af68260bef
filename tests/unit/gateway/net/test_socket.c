/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * A WebSocket whose socket we read and write ourselves: one end of a socket pair is the gateway's, the other
 * the client's. What the client says whole, in pieces and wrongly; what it does not read; how both end; and
 * what the owner is told.
 */
#include "socket_client.h"

#include "base/timer_wheel.h"
#include "codec/ws_frame.h"
#include "common/clock.h"
#include "net/socket.h"

static struct rig {
    struct gateway gateway;
    struct settings settings;
    uv_loop_t loop;
    struct websocket *websocket; /* NULL: its owner has lost it */
    char heard[CLIENT_BYTES];    /* by the owner: messages, each with a letter in front and a newline */
    size_t heard_length;
    unsigned pongs;
    unsigned unblocked; /* of all */
    enum status failure;
    bool pause; /* stop reading at the next message */
} rig;

/* ---- the owner ---------------------------------------------------------------------------------------- */

static void on_message(struct gateway *gateway, void *owner, bool binary, struct slice message)
{
    assert_ptr_equal(gateway, &rig.gateway);
    assert_ptr_equal(owner, &rig);
    assert_true(rig.heard_length + message.length + 2 < sizeof(rig.heard));
    rig.heard[rig.heard_length++] = binary ? 'b' : 't';
    if (message.length)
        memcpy(rig.heard + rig.heard_length, message.data, message.length);
    rig.heard_length += message.length;
    rig.heard[rig.heard_length++] = '\n';
    rig.heard[rig.heard_length] = '\0';
    if (rig.pause)
        websocket_read(rig.websocket, false);
}

static void on_pong(struct gateway *gateway, void *owner)
{
    (void)gateway;
    (void)owner;
    rig.pongs++;
}

static void on_unblocked(struct gateway *gateway, void *owner, bool all)
{
    (void)gateway;
    (void)owner;
    rig.unblocked += all;
}

static void on_failed(struct gateway *gateway, void *owner, enum status status)
{
    (void)gateway;
    (void)owner;
    rig.failure = status;
    websocket_end(rig.websocket, 1013, "failed");
    rig.websocket = NULL;
}

static void on_lost(struct gateway *gateway, void *owner)
{
    (void)gateway;
    assert_ptr_equal(owner, &rig);
    assert_non_null(rig.websocket); /* once */
    rig.websocket = NULL;
}

static const struct websocket_owner owner_kind = {
    .message = on_message, .pong = on_pong, .unblocked = on_unblocked, .failed = on_failed, .lost = on_lost};

/* As one that does not carry anything yet: it is told only what comes, and that it has lost the socket. */
static const struct websocket_owner plain_kind = {.message = on_message, .lost = on_lost};

/* ---- the loop ----------------------------------------------------------------------------------------- */

static void turn(void)
{
    uv_run(&rig.loop, UV_RUN_NOWAIT);
    websockets_end_turn(&rig.gateway);
    sockets_end_turn(&rig.gateway);
}

static void pass_time(uint64_t milliseconds)
{
    rig.gateway.now_ms += milliseconds;
    timer_wheel_advance(rig.gateway.wheel, rig.gateway.now_ms);
}

static int start(void **state)
{
    (void)state;
    memset(&rig, 0, sizeof(rig));
    rig.settings.max_payload = 200000;
    rig.gateway.settings = &rig.settings;
    rig.gateway.now_ms = clock_monotonic_ms(); /* as the sockets tell it */
    rig.gateway.wheel = timer_wheel_create(rig.gateway.now_ms, &rig.gateway);
    assert_non_null(rig.gateway.wheel);
    assert_int_equal(metrics_create(measures, METRIC_COUNT, &rig.gateway.metrics), STATUS_OK);
    assert_int_equal(uv_loop_init(&rig.loop), 0);
    assert_int_equal(websockets_create(&rig.gateway, &rig.loop), STATUS_OK);
    rig.websocket = open_websocket(&rig.gateway);
    websocket_own(rig.websocket, &owner_kind, &rig);
    return 0;
}

static int stop(void **state)
{
    (void)state;
    if (rig.websocket)
        websocket_end(rig.websocket, 1000, "");
    websockets_end_turn(&rig.gateway);
    sockets_stop(&rig.gateway);
    uv_run(&rig.loop, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(&rig.loop), 0);
    sockets_free(rig.gateway.sockets);
    timer_wheel_free(rig.gateway.wheel);
    metrics_free(rig.gateway.metrics);
    close(client_socket);
    return 0;
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
    assert_int_equal(rig.failure, STATUS_FULL);
    assert_memory_equal(got + 2, "\x03\xf5", 2); /* the owner's 1013 */
    say(0x88, "\x03\xf5", 2);
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
    assert_int_equal(rig.failure, STATUS_FULL);
    assert_memory_equal(got + 2, "\x03\xf5", 2);
}

/* An owner that does not care about failures loses the socket by one, which is closed for it. */
static void test_failure_of_an_owner_that_does_not_care(void **state)
{
    static char payload[200001];
    (void)state;
    websocket_own(rig.websocket, &plain_kind, &rig);
    say(0x8a, "p", 1); /* nor about pongs */
    say(0x82, payload, sizeof(payload));
    assert_null(rig.websocket);
    assert_int_equal(rig.heard_length, 0);
    assert_reads("\x88\x02\x03\xf1", 4); /* 1009 */
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
            assert_int_equal(stop(state), 0);
            assert_int_equal(start(state), 0);
        }
        say_raw(rows[i].bytes, rows[i].length);
        turn();
        assert_reads("\x88\x02\x03\xea", 4); /* 1002 */
        assert_null(rig.websocket);
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
    assert_null(rig.websocket);
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
    shutdown(client_socket, SHUT_RDWR);
    turn();
    assert_null(rig.websocket);
}

static void test_we_close(void **state)
{
    (void)state;
    websocket_end(rig.websocket, 4003, "revoked");
    turn();
    assert_reads("\x88\x09\x0f\xa3revoked", 11);
    say(0x81, "late", 4); /* nobody listens any more */
    assert_int_equal(rig.heard_length, 0);
    say(0x88, "\x0f\xa3", 2);
    turn();
    assert_end();
    assert_non_null(rig.websocket); /* it knew: it is not told */
    rig.websocket = NULL;
}

static void test_owners_change(void **state)
{
    (void)state;
    websocket_own(rig.websocket, &plain_kind, &rig);
    assert_int_equal(websocket_keep_sid(rig.websocket, "key"), STATUS_OK);
    assert_true(websocket_serves(rig.websocket, &rig));
    assert_false(websocket_serves(rig.websocket, state));
    say(0x8a, "", 0);
    assert_int_equal(rig.pongs, 0);
    websocket_own(rig.websocket, &owner_kind, &rig);
    say(0x8a, "", 0);
    assert_int_equal(rig.pongs, 1);
    assert_string_equal(websocket_sid(rig.websocket), "key");
}

static void test_client_does_not_answer_a_close(void **state)
{
    (void)state;
    websocket_end(rig.websocket, 1000, "");
    rig.websocket = NULL;
    turn();
    pass_time(4000);
    assert_reads("\x88\x02\x03\xe8", 4);
    pass_time(2000);
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

/* What a client does not read is kept and finished when it reads; nothing more is sent by then but what
 * control frames ask for. */
static void test_slow_client(void **state)
{
    static char bytes[2000000];
    static char got[2000100];
    struct slice frames = slice_make(bytes, sizeof(bytes));
    size_t length = 0;
    (void)state;
    memset(bytes, 'x', sizeof(bytes));
    assert_true(websocket_send(rig.websocket, frames));
    assert_true(websocket_blocked(rig.websocket));
    websocket_await(rig.websocket);
    say(0x89, "x", 1); /* its answer waits behind */
    for (int i = 0; i < 4000 && length < sizeof(bytes) + 3; i++) {
        ssize_t part = recv(client_socket, got + length, 10000, 0);
        if (part > 0)
            length += (size_t)part;
        turn();
    }
    assert_int_equal(length, sizeof(bytes) + 3);
    assert_memory_equal(got, bytes, sizeof(bytes));
    assert_memory_equal(got + sizeof(bytes), "\x8a\x01x", 3);
    assert_false(websocket_blocked(rig.websocket));
    assert_int_equal(rig.unblocked, 1);
}

static void test_one_message_past_the_queue(void **state)
{
    (void)state;
    websocket_write(rig.websocket, SLICE_LITERAL("3probe"));
    assert_reads("\x81\x06"
                 "3probe",
                 8);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, start, stop)
    const struct CMUnitTest tests[] = {
        TEST(test_every_cut),
        TEST(test_long_messages),
        TEST(test_fragments_have_a_bound),
        TEST(test_failure_of_an_owner_that_does_not_care),
        TEST(test_wrong_frames),
        TEST(test_text_must_be_utf8),
        TEST(test_client_closes),
        TEST(test_client_closes_with_a_code_there_is_not),
        TEST(test_client_vanishes),
        TEST(test_we_close),
        TEST(test_owners_change),
        TEST(test_client_does_not_answer_a_close),
        TEST(test_reading_can_wait),
        TEST(test_slow_client),
        TEST(test_one_message_past_the_queue),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
