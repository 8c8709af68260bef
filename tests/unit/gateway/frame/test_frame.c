/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * A frame in its three wire forms: complete WebSocket frames, made once, the payload byte for byte.
 */
#include "gateway_test.h"

#include "client.pb-c.h"
#include "common/wire.h"
#include "frame/frame.h"

#define PAYLOAD "{\"userId\":\"a.*>} \xd0\xb6\",\"newValue\":3.140}"

static struct frame *make(void)
{
    struct frame *frame = NULL;

    assert_int_equal(
        frame_create_event(SLICE_LITERAL("network.update"), SLICE_LITERAL(PAYLOAD), NULL, &frame), STATUS_OK);
    return frame;
}

static void check_wire(const struct wire *wire, unsigned char first, const char *payload)
{
    assert_non_null(wire);
    assert_int_equal(wire->bytes[0], first);
    assert_int_equal(wire->length - wire->header, strlen(payload));
    assert_memory_equal(wire->bytes + wire->header, payload, strlen(payload));
}

static void has_a_form_for_each_format(void **state)
{
    struct frame *frame = make();
    const Pollen8__Client__V1__ServerFrame *message;
    const ProtobufCMessage *unpacked = NULL;
    struct wire_arena arena = {0};
    const struct wire *wire;

    (void)state;
    check_wire(frame_wire(frame, FRAME_SOCKETIO), 0x81, "42[\"network.update\"," PAYLOAD "]");
    check_wire(frame_wire(frame, FRAME_JSON), 0x81, "{\"event\":\"network.update\",\"data\":" PAYLOAD "}");
    wire = frame_wire(frame, FRAME_PROTOBUF);
    assert_int_equal(wire->bytes[0], 0x82);
    assert_int_equal(wire_unpack(&arena, &pollen8__client__v1__server_frame__descriptor,
                                 slice_make(wire->bytes + wire->header, wire->length - wire->header),
                                 &unpacked),
                     STATUS_OK);
    message = (const void *)unpacked;
    assert_string_equal(message->event->event, "network.update");
    assert_slice(slice_make(message->event->data.data, message->event->data.len), PAYLOAD);
    wire_arena_done(&arena);
    frame_unref(frame);
}

static void is_encoded_once(void **state)
{
    struct frame *frame = make();
    const struct wire *wire = frame_wire(frame, FRAME_JSON);

    (void)state;
    assert_ptr_equal(frame_wire(frame, FRAME_JSON), wire);
    assert_null(frame->wires[FRAME_SOCKETIO]);
    frame_unref(frame);
}

static void long_payloads_have_long_headers(void **state)
{
    static const size_t lengths[] = {60, 100, 125, 200, 65000, 70000};

    (void)state;
    for (size_t i = 0; i < COUNT(lengths); i++) {
        char *text = repeated("x", lengths[i], "\"", "");
        struct frame *frame = NULL;
        const struct wire *wire;
        size_t payload;

        text[0] = '"';
        assert_int_equal(frame_create_event(SLICE_LITERAL("a"), slice_from_string(text), NULL, &frame),
                         STATUS_OK);
        wire = frame_wire(frame, FRAME_JSON);
        payload = wire->length - wire->header;
        assert_int_equal(wire->header, ws_frame_header_size(payload));
        assert_int_equal(payload, strlen("{\"event\":\"a\",\"data\":}") + strlen(text));
        frame_unref(frame);
        free(text);
    }
}

static void a_message_has_one_form(void **state)
{
    struct frame *frame = NULL;

    (void)state;
    assert_int_equal(frame_create_message(FRAME_SOCKETIO, WS_TEXT, SLICE_LITERAL("2"), &frame), STATUS_OK);
    check_wire(frame_wire(frame, FRAME_SOCKETIO), 0x81, "2");
    assert_null(frame_wire(frame, FRAME_JSON));
    assert_null(frame_wire(frame, FRAME_PROTOBUF));
    frame_unref(frame);
    frame_unref(NULL);
}

static void refuses_what_no_format_takes(void **state)
{
    char *name = repeated("n", 65, "", "");
    struct frame *frame = NULL;

    (void)state;
    assert_int_equal(frame_create_event(slice_from_string(name), SLICE_LITERAL("1"), NULL, &frame),
                     STATUS_MALFORMED);
    assert_null(frame);
    free(name);
}

static void only_a_text_at_the_end_needs_an_offset(void **state)
{
    static const struct {
        const char *data;
        bool arguments;
        bool ends;
    } cases[] = {
        {"\"a\"", false, true},     {" \"a\" ", false, true},
        {"\"\\\"\"", false, true},  {"", false, true},
        {"[]", true, true},         {"[1,\"a\"]", true, true},
        {"[\"a\" ] ", true, true},  {"[]", false, false},
        {"[\"a\"]", false, false},  {"{\"a\":\"b\"}", false, false},
        {"7", false, false},        {"null", false, false},
        {"[\"a\",7]", true, false}, {"[[\"a\"]]", true, false},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct frame *frame = NULL;

        assert_int_equal(
            frame_create_event(SLICE_LITERAL("e"), slice_from_string(cases[i].data), NULL, &frame),
            STATUS_OK);
        frame->arguments = cases[i].arguments;
        frame_lend_offset(frame, SLICE_LITERAL("AQ"));
        if (frame->lent != cases[i].ends)
            fail_msg("%s", cases[i].data);
        assert_int_equal(frame->offset_length, cases[i].ends ? 2 : 0);
        frame_unref(frame);
    }
}

static void serials_differ(void **state)
{
    struct frame *a = make();
    struct frame *b = make();

    (void)state;
    assert_true(a->serial != b->serial);
    assert_ptr_equal(frame_ref(a), a);
    assert_int_equal(a->references, 2);
    frame_unref(a);
    frame_unref(a);
    frame_unref(b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(has_a_form_for_each_format),
        cmocka_unit_test(is_encoded_once),
        cmocka_unit_test(long_payloads_have_long_headers),
        cmocka_unit_test(a_message_has_one_form),
        cmocka_unit_test(refuses_what_no_format_takes),
        cmocka_unit_test(serials_differ),
        cmocka_unit_test(only_a_text_at_the_end_needs_an_offset),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
