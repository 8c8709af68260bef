/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * The row of each format: what its clients are sent, as it stands on the wire.
 */
#include "gateway_test.h"

#include "codec/format.h"
#include "common/wire.h"

static const struct client_event event = {.event = SLICE_LITERAL("e"), .data = SLICE_LITERAL("{\"a\":1}")};
static const struct client_result done = {.data = SLICE_LITERAL("7")};

static void what_stands_on_the_wire(void **state)
{
    static const struct {
        enum frame_format format;
        const char *namespace;
        const char *event;
        const char *ack;
    } rows[] = {
        {FRAME_SOCKETIO, "/", "42[\"e\",{\"a\":1}]", "435[{\"ok\":true,\"data\":7}]"},
        {FRAME_SOCKETIO, "/news", "42/news,[\"e\",{\"a\":1}]", "43/news,5[{\"ok\":true,\"data\":7}]"},
        {FRAME_JSON, "/", "{\"event\":\"e\",\"data\":{\"a\":1}}", "{\"id\":5,\"ok\":true,\"data\":7}"},
        {FRAME_JSON, "/news", "{\"event\":\"e\",\"data\":{\"a\":1}}", "{\"id\":5,\"ok\":true,\"data\":7}"},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        const struct format_ops *format = &formats[rows[i].format];
        struct buf buf;

        buf_init(&buf, 200);
        assert_int_equal(format->append_event(&buf, slice_from_string(rows[i].namespace), &event), STATUS_OK);
        assert_buf(&buf, rows[i].event);
        assert_int_equal(
            format->append_ack(&buf, slice_from_string(rows[i].namespace), SLICE_LITERAL("5"), &done),
            STATUS_OK);
        assert_buf(&buf, rows[i].ack);
        buf_done(&buf);
    }
}

/* Of what does not fit nothing stays, whatever the format. */
static void all_or_nothing(void **state)
{
    (void)state;
    for (int i = 0; i < FRAME_FORMATS; i++) {
        for (int ack = 0; ack < 2; ack++) {
            enum status status = STATUS_FULL;

            for (size_t maximum = 0; status != STATUS_OK && maximum < 200; maximum++) {
                struct buf buf;

                buf_init(&buf, maximum);
                status = ack ? formats[i].append_ack(&buf, SLICE_LITERAL("/"), SLICE_LITERAL("5"), &done)
                             : formats[i].append_event(&buf, SLICE_LITERAL("/"), &event);
                if (status != STATUS_OK && (status != STATUS_FULL || buf.length != 0))
                    fail_msg("format %d, %zu bytes: %s", i, maximum, status_code(status));
                buf_done(&buf);
            }
            assert_int_equal(status, STATUS_OK);
        }
    }
}

/* A heartbeat is what the client of the format answers. */
static void heartbeats(void **state)
{
    (void)state;
    assert_slice(formats[FRAME_SOCKETIO].ping, "2");
    assert_int_equal(formats[FRAME_SOCKETIO].ping_opcode, WS_TEXT);
    for (int i = FRAME_JSON; i < FRAME_FORMATS; i++) {
        assert_int_equal(formats[i].ping_opcode, WS_PING);
        assert_true(formats[i].ping.length > 0); /* the library swallows the pongs to empty ones */
    }
    assert_int_equal(formats[FRAME_PROTOBUF].opcode, WS_BINARY);
    assert_int_equal(formats[FRAME_JSON].opcode, WS_TEXT);
}

/* A subprotocol names its format, and each that has one can decode. */
static void subprotocols(void **state)
{
    static const char *const none[] = {"", "mqtt", "pollen8.v1", "pollen8.v1.jsonx", "POLLEN8.V1.JSON"};
    enum frame_format found = FRAME_FORMATS;

    (void)state;
    for (int i = 0; i < FRAME_FORMATS; i++) {
        assert_true((formats[i].subprotocol != NULL) == (formats[i].decode != NULL));
        if (!formats[i].subprotocol)
            continue;
        assert_int_equal(format_find(formats[i].subprotocol, &found), STATUS_OK);
        assert_int_equal(found, i);
    }
    for (size_t i = 0; i < COUNT(none); i++)
        assert_int_equal(format_find(none[i], &found), STATUS_NOT_FOUND);
}

/* What a format writes as an event, its own client may send. */
static void events_that_are_decoded(void **state)
{
    (void)state;
    for (int i = FRAME_JSON; i < FRAME_FORMATS; i++) {
        static const char json[] = "{\"id\":\"1\",\"event\":\"e\",\"data\":{\"a\":1}}";
        static const char protobuf[] = "\x0a\x01"
                                       "1\x12\x01"
                                       "e\x1a\x07{\"a\":1}";
        const char *text = i == FRAME_JSON ? json : protobuf;
        struct attachments attachments = {0};
        struct client_frame frame = {0};
        struct client_reason reason = {{0}};
        struct wire_arena arena = {0};
        struct slice message = exact_string(text);

        assert_int_equal(formats[i].decode(&arena, message, &attachments, &frame, &reason), STATUS_OK);
        assert_string_equal(frame.event, "e");
        assert_slice(frame.data, "{\"a\":1}");
        wire_arena_done(&arena);
        exact_free(message);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_stands_on_the_wire),
        cmocka_unit_test(all_or_nothing),
        cmocka_unit_test(heartbeats),
        cmocka_unit_test(subprotocols),
        cmocka_unit_test(events_that_are_decoded),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
