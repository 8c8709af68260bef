/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * The examples of RFC 6455 section 5.7, and both sides of every boundary.
 */
#include "gateway_test.h"

#include "codec/ws_frame.h"

static void writes_headers(void **state)
{
    static const struct {
        enum ws_opcode opcode;
        uint64_t length;
        const char *bytes;
        size_t size;
    } rows[] = {
        {WS_TEXT, 5, "\x81\x05", 2},
        {WS_BINARY, 0, "\x82\x00", 2},
        {WS_PING, 5, "\x89\x05", 2},
        {WS_PONG, 125, "\x8a\x7d", 2},
        {WS_CLOSE, 2, "\x88\x02", 2},
        {WS_TEXT, 125, "\x81\x7d", 2},
        {WS_TEXT, 126, "\x81\x7e\x00\x7e", 4},
        {WS_BINARY, 256, "\x82\x7e\x01\x00", 4},
        {WS_TEXT, 65535, "\x81\x7e\xff\xff", 4},
        {WS_BINARY, 65536, "\x82\x7f\x00\x00\x00\x00\x00\x01\x00\x00", 10},
        {WS_TEXT, 0x0102030405060708, "\x81\x7f\x01\x02\x03\x04\x05\x06\x07\x08", 10},
    };
    unsigned char out[WS_FRAME_HEADER_MAXIMUM];

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        assert_int_equal(ws_frame_header_size(rows[i].length), rows[i].size);
        assert_int_equal(ws_frame_header(out, rows[i].opcode, rows[i].length), rows[i].size);
        assert_memory_equal(out, rows[i].bytes, rows[i].size);
    }
}

static void appends_frames_back_to_back(void **state)
{
    struct buf buf;

    (void)state;
    buf_init(&buf, 12);
    assert_int_equal(ws_frame_append(&buf, WS_TEXT, SLICE_LITERAL("Hello")), STATUS_OK);
    assert_int_equal(ws_frame_append(&buf, WS_PING, (struct slice){0}), STATUS_OK);
    assert_int_equal(ws_frame_append(&buf, WS_TEXT, SLICE_LITERAL("12")), STATUS_FULL);
    assert_int_equal(buf.length, 9);
    assert_memory_equal(buf.data, "\x81\x05Hello\x89\x00", 9);
    buf_done(&buf);
}

static void closes_with_code_and_reason(void **state)
{
    char *reason = repeated("\xe2\x82\xac", 60, "", "");
    struct buf buf;

    (void)state;
    buf_init(&buf, 300);
    assert_int_equal(ws_frame_close_append(&buf, 1012, SLICE_LITERAL("drain")), STATUS_OK);
    assert_memory_equal(buf.data,
                        "\x88\x07\x03\xf4"
                        "drain",
                        9);
    buf_clear(&buf);
    assert_int_equal(ws_frame_close_append(&buf, 4001, (struct slice){0}), STATUS_OK);
    assert_memory_equal(buf.data, "\x88\x02\x0f\xa1", 4);
    buf_clear(&buf);
    assert_int_equal(ws_frame_close_append(&buf, 4008, slice_from_string(reason)), STATUS_OK);
    assert_int_equal(buf.length, 2 + 2 + 123); /* 41 whole characters */
    buf_clear(&buf);
    reason[0] = 'x';
    assert_int_equal(ws_frame_close_append(&buf, 4008, slice_make(reason + 2, 150)), STATUS_OK);
    assert_int_equal((unsigned char)buf.data[1], buf.length - 2);
    assert_true(buf.length <= 2 + 125);
    buf_done(&buf);
    free(reason);
}

static void walks_its_own_frames(void **state)
{
    static const size_t lengths[] = {0, 1, 125, 126, 65535, 65536};
    char *bytes = calloc(1, 65536);
    enum ws_opcode opcode;
    struct slice payload;
    struct slice rest;
    struct buf buf;

    (void)state;
    buf_init(&buf, 200000);
    for (size_t i = 0; i < COUNT(lengths); i++)
        assert_int_equal(ws_frame_append(&buf, i % 2 ? WS_BINARY : WS_TEXT, slice_make(bytes, lengths[i])),
                         STATUS_OK);
    rest = buf_slice(&buf);
    for (size_t i = 0; i < COUNT(lengths); i++) {
        assert_true(ws_frame_next(&rest, &opcode, &payload));
        assert_int_equal(opcode, i % 2 ? WS_BINARY : WS_TEXT);
        assert_int_equal(payload.length, lengths[i]);
    }
    assert_int_equal(rest.length, 0);
    assert_false(ws_frame_next(&rest, &opcode, &payload));
    buf_done(&buf);
    free(bytes);
}

static void walks_past_no_end(void **state)
{
    static const char frame[] = "\x82\x7e\x01\x00 and no 256 bytes";
    static const char large[] = "\x82\x7f\xff\xff\xff\xff\xff\xff\xff\xff";
    enum ws_opcode opcode;
    struct slice payload;

    (void)state;
    for (size_t length = 0; length < sizeof(frame); length++) {
        struct slice bytes = exact(frame, length);
        struct slice rest = bytes;

        assert_false(ws_frame_next(&rest, &opcode, &payload));
        exact_free(bytes);
    }
    for (size_t length = 0; length < sizeof(large); length++) {
        struct slice bytes = exact(large, length);
        struct slice rest = bytes;

        assert_false(ws_frame_next(&rest, &opcode, &payload));
        exact_free(bytes);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(writes_headers),
        cmocka_unit_test(appends_frames_back_to_back),
        cmocka_unit_test(closes_with_code_and_reason),
        cmocka_unit_test(walks_its_own_frames),
        cmocka_unit_test(walks_past_no_end),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
