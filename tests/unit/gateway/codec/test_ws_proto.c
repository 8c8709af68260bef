/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * The protobuf subprotocol, with the generated code playing the client.
 */
#include "gateway_test.h"

#include "client.pb-c.h"
#include "codec/ws_proto.h"

/* id "7", event "value.get", data {} */
static const char whole[] = "\x0a\x01"
                            "7"
                            "\x12\x09"
                            "value.get"
                            "\x1a\x02"
                            "{}";

static struct attachments attachments; /* memory for those of a frame */

static void decodes(void **state)
{
    struct wire_arena arena = {0};
    struct client_frame frame;
    struct client_reason reason;

    (void)state;
    assert_int_equal(ws_proto_decode(&arena, SLICE_LITERAL(whole), &attachments, &frame, &reason), STATUS_OK);
    assert_slice(frame.id, "7");
    assert_string_equal(frame.event, "value.get");
    assert_slice(frame.data, "{}");
    wire_arena_reset(&arena);
    assert_int_equal(ws_proto_decode(&arena,
                                     SLICE_LITERAL("\x12\x01"
                                                   "a"),
                                     &attachments, &frame, &reason),
                     STATUS_OK);
    assert_int_equal(frame.id.length, 0);
    assert_int_equal(frame.data.length, 0);
    wire_arena_done(&arena);
}

static void pack(const Pollen8__Client__V1__ClientFrame *message, struct buf *bytes)
{
    buf_clear(bytes);
    assert_int_equal(wire_pack(bytes, &message->base), STATUS_OK);
}

static void decodes_answers_and_attachments(void **state)
{
    Pollen8__Client__V1__ClientFrame message = POLLEN8__CLIENT__V1__CLIENT_FRAME__INIT;
    uint8_t abc[] = {0x61, 0x62, 0x63};
    char event[] = "a";
    ProtobufCBinaryData list[11] = {{.len = sizeof(abc), .data = abc}};
    char data[] = "[{\"_placeholder\":true,\"num\":0}]";
    struct wire_arena arena = {0};
    struct client_frame frame;
    struct client_reason reason;
    struct buf bytes;

    (void)state;
    buf_init(&bytes, 1000);
    message.answer = 7;
    message.data = (ProtobufCBinaryData){.len = strlen(data), .data = (uint8_t *)data};
    message.n_attachments = 1;
    message.attachments = list;
    pack(&message, &bytes);
    assert_int_equal(ws_proto_decode(&arena, buf_slice(&bytes), &attachments, &frame, &reason), STATUS_OK);
    assert_int_equal(frame.answer, 7);
    assert_ptr_equal(frame.attachments, &attachments);
    assert_int_equal(attachments.count, 1);
    assert_slice(attachments.list[0], "abc");
    message.n_attachments = 2;
    pack(&message, &bytes);
    assert_int_equal(ws_proto_decode(&arena, buf_slice(&bytes), &attachments, &frame, &reason),
                     STATUS_INVALID_PAYLOAD);
    message.n_attachments = 11;
    pack(&message, &bytes);
    assert_int_equal(ws_proto_decode(&arena, buf_slice(&bytes), &attachments, &frame, &reason),
                     STATUS_INVALID_PAYLOAD);
    message.n_attachments = 0;
    message.event = event;
    pack(&message, &bytes);
    assert_int_equal(ws_proto_decode(&arena, buf_slice(&bytes), &attachments, &frame, &reason),
                     STATUS_INVALID_PAYLOAD);
    wire_arena_done(&arena);
    buf_done(&bytes);
}

static void ignores_unknown_fields(void **state)
{
    struct wire_arena arena = {0};
    struct client_frame frame;
    struct client_reason reason;

    (void)state;
    assert_int_equal(ws_proto_decode(&arena,
                                     SLICE_LITERAL("\x12\x01"
                                                   "a"
                                                   "\xfa\x01\x02hi\x98\x06\x07"),
                                     &attachments, &frame, &reason),
                     STATUS_OK);
    assert_string_equal(frame.event, "a");
    wire_arena_done(&arena);
}

static const struct {
    struct slice bytes;
    const char *id;
    const char *reason;
} bad_messages[] = {
    {{"", 0}, "", "event must be"},
    {{"\x0a\x01"
      "7",
      3},
     "7",
     "event must be"},
    {{"\x0a\x01"
      "7"
      "\x12\x03"
      "a b",
      8},
     "7",
     "event must be"},
    {{"\x0a\x01"
      "7"
      "\x12\x01"
      "a"
      "\x1a\x01"
      "x",
      9},
     "7",
     "data is not valid JSON"},
    {{"\x0a\x01"
      "7"
      "\x12\x01"
      "a"
      "\x1a\x01"
      "\xff",
      9},
     "7",
     "data is not valid JSON"},
    {{"\x0a\x01"
      "7"
      "\x12\x01"
      "a"
      "\x1a\x0d"
      "{\"b\":1,\"b\":2}",
      21},
     "7",
     "data is not valid JSON"},
    {{"\x0a\x01"
      "\xff"
      "\x12\x01"
      "a",
      6},
     "",
     "not a ClientFrame"},
    {{"\x0a\x03"
      "a\0b"
      "\x12\x01"
      "a",
      8},
     "",
     "not a ClientFrame"},
    {{"\x12\x03"
      "a\0b",
      5},
     "",
     "not a ClientFrame"},
    {{"{\"event\":\"a\"}", 13}, "", "not a ClientFrame"},
    {{"\x12\xff\xff\xff\xff\x0f"
      "a",
      7},
     "",
     "not a ClientFrame"},
    {{"\x08\x01", 2}, "", "ClientFrame"},
};

static void refuses_with_a_reason(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(bad_messages); i++) {
        struct slice bytes = exact(bad_messages[i].bytes.data, bad_messages[i].bytes.length);
        struct wire_arena arena = {0};
        struct client_frame frame;
        struct client_reason reason = {""};
        enum status status = ws_proto_decode(&arena, bytes, &attachments, &frame, &reason);

        if (status != STATUS_INVALID_PAYLOAD || !strstr(reason.text, bad_messages[i].reason))
            fail_msg("row %zu: %d, %s", i, (int)status, reason.text);
        assert_slice(frame.id, bad_messages[i].id);
        assert_string_equal(frame.event, "");
        wire_arena_done(&arena);
        exact_free(bytes);
    }
}

static void bounds_ids_and_size(void **state)
{
    char *id = repeated("i", CLIENT_ID_MAXIMUM_BYTES + 1, "", "");
    char *large = calloc(1, WIRE_MAXIMUM_BYTES + 1);
    Pollen8__Client__V1__ClientFrame message = POLLEN8__CLIENT__V1__CLIENT_FRAME__INIT;
    struct wire_arena arena = {0};
    struct client_frame frame;
    struct client_reason reason;
    char event[] = "a";
    struct buf bytes;

    (void)state;
    assert_non_null(large);
    buf_init(&bytes, 1000);
    message.id = id;
    message.event = event;
    assert_int_equal(wire_pack(&bytes, &message.base), STATUS_OK);
    assert_int_equal(ws_proto_decode(&arena, buf_slice(&bytes), &attachments, &frame, &reason),
                     STATUS_INVALID_PAYLOAD);
    assert_int_equal(frame.id.length, 0);
    buf_clear(&bytes);
    wire_arena_reset(&arena);
    id[CLIENT_ID_MAXIMUM_BYTES] = '\0';
    assert_int_equal(wire_pack(&bytes, &message.base), STATUS_OK);
    assert_int_equal(ws_proto_decode(&arena, buf_slice(&bytes), &attachments, &frame, &reason), STATUS_OK);
    assert_slice(frame.id, id);
    wire_arena_reset(&arena);
    assert_int_equal(
        ws_proto_decode(&arena, slice_make(large, WIRE_MAXIMUM_BYTES + 1), &attachments, &frame, &reason),
        STATUS_PAYLOAD_TOO_LARGE);
    wire_arena_done(&arena);
    buf_done(&bytes);
    free(id);
    free(large);
}

static void survives_every_truncation(void **state)
{
    (void)state;
    for (size_t length = 0; length < sizeof(whole) - 1; length++) {
        struct slice bytes = exact(whole, length);
        struct wire_arena arena = {0};
        struct client_frame frame;
        struct client_reason reason;
        enum status status = ws_proto_decode(&arena, bytes, &attachments, &frame, &reason);

        /* cut between two fields it is a smaller message: the one without data is valid */
        assert_int_equal(status, length == 14 ? STATUS_OK : STATUS_INVALID_PAYLOAD);
        wire_arena_done(&arena);
        exact_free(bytes);
    }
}

static const Pollen8__Client__V1__ServerFrame *unpack(struct wire_arena *arena, struct buf *bytes)
{
    const ProtobufCMessage *message = NULL;

    assert_int_equal(
        wire_unpack(arena, &pollen8__client__v1__server_frame__descriptor, buf_slice(bytes), &message),
        STATUS_OK);
    return (const void *)message;
}

static void encodes_events(void **state)
{
    struct wire_arena arena = {0};
    const Pollen8__Client__V1__ServerFrame *frame;
    const struct attachments two = {.count = 2, .list = {SLICE_LITERAL("\1\2\3"), {0}}};
    struct client_event event = {.event = SLICE_LITERAL("network.update"),
                                 .data = SLICE_LITERAL("{\"newValue\":3.14}"),
                                 .offset = SLICE_LITERAL("o1"),
                                 .attachments = &two,
                                 .ask = 7,
                                 .arguments = true};
    struct buf buf;

    (void)state;
    buf_init(&buf, 1000);
    assert_int_equal(ws_proto_event_append(&buf, &event), STATUS_OK);
    frame = unpack(&arena, &buf);
    assert_int_equal(frame->frame_case, POLLEN8__CLIENT__V1__SERVER_FRAME__FRAME_EVENT);
    assert_string_equal(frame->event->event, "network.update");
    assert_slice(slice_make(frame->event->data.data, frame->event->data.len), "{\"newValue\":3.14}");
    assert_string_equal(frame->event->offset, "o1");
    assert_int_equal(frame->event->ask, 7);
    assert_true(frame->event->arguments);
    assert_int_equal(frame->event->n_attachments, 2);
    assert_slice(slice_make(frame->event->attachments[0].data, frame->event->attachments[0].len), "\1\2\3");
    assert_int_equal(frame->event->attachments[1].len, 0);
    buf_clear(&buf);
    event = (struct client_event){.event = SLICE_LITERAL("a\0b"), .data = SLICE_LITERAL("1")};
    assert_int_equal(ws_proto_event_append(&buf, &event), STATUS_MALFORMED);
    assert_int_equal(buf.length, 0);
    wire_arena_done(&arena);
    buf_done(&buf);
}

static void encodes_acks(void **state)
{
    struct client_result ok = {.status = STATUS_OK, .data = SLICE_LITERAL("[1]")};
    struct client_result refused = {.status = STATUS_RATE_LIMITED, .retry_after_ms = 250};
    char *message = repeated("\xe2\x82\xac", 100, "", "");
    struct wire_arena arena = {0};
    const Pollen8__Client__V1__ServerFrame *frame;
    struct buf buf;

    (void)state;
    buf_init(&buf, 1000);
    assert_int_equal(ws_proto_ack_append(&buf, SLICE_LITERAL("7"), &ok), STATUS_OK);
    frame = unpack(&arena, &buf);
    assert_int_equal(frame->frame_case, POLLEN8__CLIENT__V1__SERVER_FRAME__FRAME_ACK);
    assert_string_equal(frame->ack->id, "7");
    assert_true(frame->ack->ok);
    assert_slice(slice_make(frame->ack->data.data, frame->ack->data.len), "[1]");
    assert_null(frame->ack->error);
    buf_clear(&buf);
    refused.message = slice_from_string(message);
    assert_int_equal(ws_proto_ack_append(&buf, (struct slice){0}, &refused), STATUS_OK);
    frame = unpack(&arena, &buf);
    assert_false(frame->ack->ok);
    assert_string_equal(frame->ack->id, "");
    assert_string_equal(frame->ack->error->code, "RATE_LIMITED");
    assert_int_equal(strlen(frame->ack->error->message), 255); /* 85 whole characters */
    assert_int_equal(frame->ack->error->retry_after_ms, 250);
    wire_arena_done(&arena);
    buf_done(&buf);
    free(message);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(decodes),
        cmocka_unit_test(decodes_answers_and_attachments),
        cmocka_unit_test(ignores_unknown_fields),
        cmocka_unit_test(refuses_with_a_reason),
        cmocka_unit_test(bounds_ids_and_size),
        cmocka_unit_test(survives_every_truncation),
        cmocka_unit_test(encodes_events),
        cmocka_unit_test(encodes_acks),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
