/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * The Engine.IO protocol's own examples, and what a client must not be able to do with a polling body.
 */
#include "gateway_test.h"

#include "codec/eio_packet.h"
#include "codec/ws_frame.h"

static void decodes_each_type(void **state)
{
    static const struct {
        const char *text;
        enum eio_type type;
        const char *data;
    } rows[] = {
        {"0{\"sid\":\"x\"}", EIO_OPEN, "{\"sid\":\"x\"}"},
        {"1", EIO_CLOSE, ""},
        {"2", EIO_PING, ""},
        {"2probe", EIO_PING, "probe"},
        {"3", EIO_PONG, ""},
        {"3probe", EIO_PONG, "probe"},
        {"4hello", EIO_MESSAGE, "hello"},
        {"4", EIO_MESSAGE, ""},
        {"42[\"a\"]", EIO_MESSAGE, "2[\"a\"]"},
        {"5", EIO_UPGRADE, ""},
        {"6", EIO_NOOP, ""},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct slice text = exact_string(rows[i].text);
        struct eio_packet packet;

        assert_int_equal(eio_packet_decode(text, &packet), STATUS_OK);
        assert_int_equal(packet.type, rows[i].type);
        assert_false(packet.binary);
        assert_slice(packet.data, rows[i].data);
        assert_int_equal(eio_packet_is_probe(&packet), strcmp(rows[i].data, "probe") == 0);
        exact_free(text);
    }
}

static void refuses_what_is_no_packet(void **state)
{
    static const char *const rows[] = {"", "7", "9", "a", " 2", "b", "bAQI=", "\036", "\xff", "/", ":"};
    struct eio_packet packet;

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct slice text = exact_string(rows[i]);

        assert_int_equal(eio_packet_decode(text, &packet), STATUS_MALFORMED);
        exact_free(text);
    }
    assert_int_equal(eio_packet_decode(slice_make("\0", 1), &packet), STATUS_MALFORMED);
    assert_int_equal(eio_packet_decode((struct slice){0}, &packet), STATUS_MALFORMED);
}

static void walks_a_payload(void **state)
{
    struct slice body = exact_string("4hello\0362\036bAQIDBA==\0364\xe2\x82\xac");
    struct buf scratch;
    struct eio_payload payload;
    struct eio_packet packet;

    (void)state;
    buf_init(&scratch, 16);
    eio_payload_start(&payload, body, EIO_PAYLOAD_PACKET_MAXIMUM);
    assert_int_equal(eio_payload_next(&payload, &scratch, &packet), STATUS_OK);
    assert_slice(packet.data, "hello");
    assert_int_equal(eio_payload_next(&payload, &scratch, &packet), STATUS_OK);
    assert_int_equal(packet.type, EIO_PING);
    assert_int_equal(eio_payload_next(&payload, &scratch, &packet), STATUS_OK);
    assert_int_equal(packet.type, EIO_MESSAGE);
    assert_true(packet.binary);
    assert_slice(packet.data, "\x01\x02\x03\x04");
    assert_int_equal(eio_payload_next(&payload, &scratch, &packet), STATUS_OK);
    assert_slice(packet.data, "\xe2\x82\xac");
    assert_int_equal(eio_payload_next(&payload, &scratch, &packet), STATUS_NOT_FOUND);
    assert_int_equal(eio_payload_next(&payload, &scratch, &packet), STATUS_NOT_FOUND);
    buf_done(&scratch);
    exact_free(body);
}

static enum status walk_all(const char *text, size_t maximum, size_t scratch_maximum, size_t *ret_count)
{
    struct slice body = exact_string(text);
    struct buf scratch;
    struct eio_payload payload;
    struct eio_packet packet;
    enum status status;

    buf_init(&scratch, scratch_maximum);
    eio_payload_start(&payload, body, maximum);
    for (*ret_count = 0; (status = eio_payload_next(&payload, &scratch, &packet)) == STATUS_OK;
         (*ret_count)++)
        continue;
    buf_done(&scratch);
    exact_free(body);
    return status;
}

static void refuses_bad_payloads(void **state)
{
    static const char *const rows[] = {
        "",      "\036",  "2\036",     "\0362",  "2\036\0362", "4a\0369", "bA",    "bAQ=",      "b====",
        "bA===", "bAQ=A", "bAQI=AQI=", "bAQ\n=", "bAQ-_",      "bAR==",   "bAQJ=", "bAQI=\036",
    };
    size_t count;

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        enum status status = walk_all(rows[i], 10, 100, &count);

        if (status != STATUS_MALFORMED)
            fail_msg("row %zu gave %d", i, (int)status);
    }
}

static void bounds_packets_and_bytes(void **state)
{
    size_t count;

    (void)state;
    assert_int_equal(walk_all("2\0362\0362", 3, 0, &count), STATUS_NOT_FOUND);
    assert_int_equal(count, 3);
    assert_int_equal(walk_all("2\0362\0362", 2, 0, &count), STATUS_FULL);
    assert_int_equal(count, 2);
    assert_int_equal(walk_all("bAQIDBA==", 10, 4, &count), STATUS_NOT_FOUND);
    assert_int_equal(walk_all("bAQIDBA==", 10, 3, &count), STATUS_FULL);
    assert_int_equal(walk_all("b", 10, 0, &count), STATUS_NOT_FOUND);
    assert_int_equal(count, 1);
}

static void encodes_open_exactly(void **state)
{
    struct eio_open open = {.sid = SLICE_LITERAL("lv_VI97HAXpY6yYWAAAC"),
                            .upgrade_websocket = true,
                            .ping_interval_ms = 25000,
                            .ping_timeout_ms = 20000,
                            .max_payload = 1000000};
    struct buf buf;

    (void)state;
    buf_init(&buf, 200);
    assert_int_equal(eio_open_append(&buf, &open), STATUS_OK);
    assert_buf(&buf, "0{\"sid\":\"lv_VI97HAXpY6yYWAAAC\",\"upgrades\":[\"websocket\"],\"pingInterval\":25000,"
                     "\"pingTimeout\":20000,\"maxPayload\":1000000}");
    open.upgrade_websocket = false;
    assert_int_equal(eio_open_append(&buf, &open), STATUS_OK);
    assert_buf(
        &buf,
        "0{\"sid\":\"lv_VI97HAXpY6yYWAAAC\",\"upgrades\":[],\"pingInterval\":25000,\"pingTimeout\":20000,"
        "\"maxPayload\":1000000}");
    buf_done(&buf);
}

static enum status append_frame(struct buf *body, enum ws_opcode opcode, struct slice payload)
{
    struct buf frame;

    buf_init(&frame, 400);
    assert_int_equal(ws_frame_append(&frame, opcode, payload), STATUS_OK);
    enum status status = eio_payload_append_frames(body, buf_slice(&frame));
    buf_done(&frame);
    return status;
}

static void encodes_a_payload(void **state)
{
    struct buf body;

    (void)state;
    buf_init(&body, 100);
    assert_int_equal(eio_payload_append(&body, EIO_MESSAGE, SLICE_LITERAL("hello")), STATUS_OK);
    assert_int_equal(append_frame(&body, WS_TEXT, SLICE_LITERAL("2")), STATUS_OK);
    assert_int_equal(append_frame(&body, WS_BINARY, SLICE_LITERAL("\x01\x02\x03\x04")), STATUS_OK);
    assert_buf(&body, "4hello\0362\036bAQIDBA==");
    assert_int_equal(eio_packet_append(&body, EIO_PONG, SLICE_LITERAL("probe")), STATUS_OK);
    assert_buf(&body, "3probe");
    buf_done(&body);
}

static void appends_all_or_nothing(void **state)
{
    struct buf body;

    (void)state;
    buf_init(&body, 8);
    assert_int_equal(eio_payload_append(&body, EIO_MESSAGE, SLICE_LITERAL("abc")), STATUS_OK);
    assert_int_equal(eio_payload_append(&body, EIO_MESSAGE, SLICE_LITERAL("abc")), STATUS_FULL);
    assert_int_equal(append_frame(&body, WS_BINARY, SLICE_LITERAL("abc")), STATUS_FULL);
    assert_int_equal(append_frame(&body, WS_TEXT, SLICE_LITERAL("4abc")), STATUS_FULL);
    assert_buf(&body, "4abc");
    buf_done(&body);
}

static void what_was_framed_for_websockets_serves_polling(void **state)
{
    struct buf frames;
    struct buf body;

    (void)state;
    buf_init(&frames, 200);
    buf_init(&body, 30);
    assert_int_equal(ws_frame_append(&frames, WS_TEXT, SLICE_LITERAL("451-[\"a\"]")), STATUS_OK);
    assert_int_equal(ws_frame_append(&frames, WS_BINARY, SLICE_LITERAL("\x01\x02\x03\x04")), STATUS_OK);
    assert_int_equal(eio_payload_append(&body, EIO_PING, (struct slice){0}), STATUS_OK);
    assert_int_equal(eio_payload_append_frames(&body, buf_slice(&frames)), STATUS_OK);
    assert_int_equal(eio_payload_append_frames(&body, buf_slice(&frames)), STATUS_FULL);
    assert_buf(&body, "2\036451-[\"a\"]\036bAQIDBA==");
    buf_done(&frames);
    buf_done(&body);
}

static void base64_goes_there_and_back(void **state)
{
    unsigned char bytes[256];
    struct buf body;
    struct buf scratch;

    (void)state;
    for (size_t i = 0; i < sizeof(bytes); i++)
        bytes[i] = (unsigned char)(i * 37 + 11);
    for (size_t length = 0; length <= sizeof(bytes); length++) {
        struct eio_payload payload;
        struct eio_packet packet;

        buf_init(&body, 400);
        buf_init(&scratch, length);
        assert_int_equal(append_frame(&body, WS_BINARY, slice_make(bytes, length)), STATUS_OK);
        eio_payload_start(&payload, buf_slice(&body), 1);
        assert_int_equal(eio_payload_next(&payload, &scratch, &packet), STATUS_OK);
        assert_int_equal(packet.data.length, length);
        if (length > 0)
            assert_memory_equal(packet.data.data, bytes, length);
        buf_done(&body);
        buf_done(&scratch);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(decodes_each_type),
        cmocka_unit_test(refuses_what_is_no_packet),
        cmocka_unit_test(walks_a_payload),
        cmocka_unit_test(refuses_bad_payloads),
        cmocka_unit_test(bounds_packets_and_bytes),
        cmocka_unit_test(encodes_open_exactly),
        cmocka_unit_test(encodes_a_payload),
        cmocka_unit_test(appends_all_or_nothing),
        cmocka_unit_test(what_was_framed_for_websockets_serves_polling),
        cmocka_unit_test(base64_goes_there_and_back),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
