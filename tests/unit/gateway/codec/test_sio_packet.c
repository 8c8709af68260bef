/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * The examples of the Socket.IO protocol document, the stock parser's refusals, and hostile packets.
 */
#include "gateway_test.h"

#include "codec/sio_packet.h"

struct row {
    const char *text;
    enum sio_type type;
    unsigned attachments;
    const char *namespace;
    const char *ack; /* NULL: none */
    const char *payload;
};

static const struct row valid[] = {
    {"0", SIO_CONNECT, 0, "/", NULL, ""},
    {"0{\"token\":\"x\"}", SIO_CONNECT, 0, "/", NULL, "{\"token\":\"x\"}"},
    {"0/custom", SIO_CONNECT, 0, "/custom", NULL, ""},
    {"0/custom,", SIO_CONNECT, 0, "/custom", NULL, ""},
    {"0/admin,{\"sid\":\"oSO0OpakMV_3jnilAAAA\"}", SIO_CONNECT, 0, "/admin", NULL,
     "{\"sid\":\"oSO0OpakMV_3jnilAAAA\"}"},
    {"1", SIO_DISCONNECT, 0, "/", NULL, ""},
    {"1/admin,", SIO_DISCONNECT, 0, "/admin", NULL, ""},
    {"2[\"hello\",1]", SIO_EVENT, 0, "/", NULL, "[\"hello\",1]"},
    {"2/admin,456[\"project:delete\",123]", SIO_EVENT, 0, "/admin", "456", "[\"project:delete\",123]"},
    {"20[\"a\"]", SIO_EVENT, 0, "/", "0", "[\"a\"]"},
    {"212[\"hello\", {\"a\":1}]", SIO_EVENT, 0, "/", "12", "[\"hello\", {\"a\":1}]"},
    {"29007199254740992[\"a\"]", SIO_EVENT, 0, "/", "9007199254740992", "[\"a\"]"},
    {"3/admin,456[]", SIO_ACK, 0, "/admin", "456", "[]"},
    {"30[{\"ok\":true}]", SIO_ACK, 0, "/", "0", "[{\"ok\":true}]"},
    {"4{\"message\":\"Not authorized\"}", SIO_CONNECT_ERROR, 0, "/", NULL,
     "{\"message\":\"Not authorized\"}"},
    {"4\"Not authorized\"", SIO_CONNECT_ERROR, 0, "/", NULL, "\"Not authorized\""},
    {"51-[\"hello\",{\"_placeholder\":true,\"num\":0}]", SIO_BINARY_EVENT, 1, "/", NULL,
     "[\"hello\",{\"_placeholder\":true,\"num\":0}]"},
    {"51-/admin,456[\"project:delete\",{\"_placeholder\":true,\"num\":0}]", SIO_BINARY_EVENT, 1, "/admin",
     "456", "[\"project:delete\",{\"_placeholder\":true,\"num\":0}]"},
    {"61-/admin,456[{\"_placeholder\":true,\"num\":0}]", SIO_BINARY_ACK, 1, "/admin", "456",
     "[{\"_placeholder\":true,\"num\":0}]"},
};

static void decodes_the_documents_examples(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(valid); i++) {
        struct slice text = exact_string(valid[i].text);
        struct sio_packet packet;

        assert_int_equal(sio_packet_decode(text, &packet), STATUS_OK);
        assert_int_equal(packet.type, valid[i].type);
        assert_int_equal(packet.attachments, valid[i].attachments);
        assert_slice(packet.namespace, valid[i].namespace);
        assert_int_equal(packet.has_ack, valid[i].ack != NULL);
        assert_slice(packet.ack_text, valid[i].ack ? valid[i].ack : "");
        if (valid[i].ack)
            assert_int_equal(packet.ack_id, strtoull(valid[i].ack, NULL, 10));
        assert_slice(packet.payload, valid[i].payload);
        exact_free(text);
    }
}

static const char *const malformed[] = {
    "",
    "7",
    "9[\"a\"]",
    "a",
    "-",
    " 2[\"a\"]",
    "2",
    "2/admin,",
    "2{}",
    "2\"a\"",
    "2[",
    "2[\"a\"",
    "2[\"a\"]]",
    "2[\"a\"]x",
    "2-[\"a\"]",
    "2-1[\"a\"]",
    "2[NaN]",
    "2['a']",
    "0[]",
    "0\"x\"",
    "07",
    "012{}",
    "0{",
    "0null",
    "1{}",
    "1[]",
    "112",
    "3[]",
    "3",
    "312",
    "312{}",
    "4",
    "4[]",
    "45{}",
    "5[\"a\"]",
    "51[\"a\"]",
    "5-[\"a\"]",
    "51",
    "51-",
    "5x-[\"a\"]",
    "61-[]",
    "51-{}",
    "2[\"\xff\"]",
    "2/\xff,[\"a\"]",
    "2/a\nb,[\"a\"]",
};

static void refuses_what_is_no_packet(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(malformed); i++) {
        struct slice text = exact_string(malformed[i]);
        struct sio_packet packet;

        if (sio_packet_decode(text, &packet) != STATUS_MALFORMED)
            fail_msg("accepted: %s", malformed[i]);
        exact_free(text);
    }
}

static void refuses_what_is_too_much(void **state)
{
    char *namespace = repeated("a", SIO_NAMESPACE_MAXIMUM_BYTES, "", "");
    char *bomb = repeated("[", 100000, "", "]");
    struct sio_packet packet;
    struct buf text;

    (void)state;
    buf_init(&text, 1 << 20);
    assert_int_equal(sio_packet_decode(SLICE_LITERAL("29007199254740993[\"a\"]"), &packet), STATUS_FULL);
    assert_int_equal(sio_packet_decode(SLICE_LITERAL("299999999999999999999999999[\"a\"]"), &packet),
                     STATUS_FULL);
    assert_int_equal(sio_packet_decode(SLICE_LITERAL("511-[\"a\"]"), &packet), STATUS_FULL);
    assert_int_equal(sio_packet_decode(SLICE_LITERAL("599999999999999999999-[\"a\"]"), &packet), STATUS_FULL);
    assert_int_equal(buf_append_format(&text, "0/%s", namespace), STATUS_OK);
    assert_int_equal(sio_packet_decode(buf_slice(&text), &packet), STATUS_FULL);
    buf_clear(&text);
    assert_int_equal(buf_append_format(&text, "2[\"a\",%s]", bomb), STATUS_OK);
    assert_int_equal(sio_packet_decode(buf_slice(&text), &packet), STATUS_FULL);
    buf_done(&text);
    free(namespace);
    free(bomb);
}

/* A cut packet may still be valid ("0/custom" from "0/custom,"). But decoding never reads past its end, and
 * never accepts a payload that was cut. */
static void survives_every_truncation(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(valid); i++) {
        for (size_t length = 0; length < strlen(valid[i].text); length++) {
            struct slice text = exact(valid[i].text, length);
            struct sio_packet packet;

            if (sio_packet_decode(text, &packet) == STATUS_OK)
                assert_int_equal(packet.payload.length, 0);
            exact_free(text);
        }
    }
}

static enum status event_of(const char *text, struct client_frame *frame, struct client_reason *reason)
{
    struct sio_packet packet;

    *frame = (struct client_frame){0};
    *reason = (struct client_reason){0};
    assert_int_equal(sio_packet_decode(slice_from_string(text), &packet), STATUS_OK);
    return sio_event_decode(&packet, frame, reason);
}

static void reads_events(void **state)
{
    struct client_frame frame;
    struct client_reason reason;

    (void)state;
    assert_int_equal(
        event_of("27[\"connection.new\", {\"userId\":\"a.*>} \xd0\xb6\",\"n\":1.50}]", &frame, &reason),
        STATUS_OK);
    assert_string_equal(frame.event, "connection.new");
    assert_slice(frame.data, "{\"userId\":\"a.*>} \xd0\xb6\",\"n\":1.50}");
    assert_slice(frame.id, "7");
    assert_int_equal(event_of("2[\"value.get\"]", &frame, &reason), STATUS_OK);
    assert_string_equal(frame.event, "value.get");
    assert_int_equal(frame.data.length, 0);
    assert_int_equal(frame.id.length, 0);
    assert_int_equal(event_of("2[\"value\\u002eget\",null]", &frame, &reason), STATUS_OK);
    assert_string_equal(frame.event, "value.get");
    assert_slice(frame.data, "null");
    assert_false(frame.arguments);
    assert_int_equal(event_of("51-9[\"a\",{\"_placeholder\":true,\"num\":0}]", &frame, &reason), STATUS_OK);
    assert_slice(frame.data, "{\"_placeholder\":true,\"num\":0}");
}

static void reads_several_arguments(void **state)
{
    struct client_frame frame;
    struct client_reason reason;

    (void)state;
    assert_int_equal(event_of("2[\"a\",1,\"2\",{\"3\":[true]}]", &frame, &reason), STATUS_OK);
    assert_slice(frame.data, "1,\"2\",{\"3\":[true]}");
    assert_true(frame.arguments);
    assert_int_equal(event_of("27[ \"a\" , [] , null ]", &frame, &reason), STATUS_OK);
    assert_slice(frame.data, "[] , null");
    assert_slice(frame.id, "7");
    assert_true(frame.arguments);
    assert_int_equal(event_of("2[\"a\",[1,2]]", &frame, &reason), STATUS_OK);
    assert_slice(frame.data, "[1,2]");
    assert_false(frame.arguments);
}

static void closes_on_what_the_stock_parser_refuses(void **state)
{
    static const char *const rows[] = {
        "2[]",
        "2[1]",
        "2[null,\"a\"]",
        "2[{}]",
        "2[[\"a\"]]",
        "2[\"connect\"]",
        "2[\"connect_error\",1]",
        "21[\"disconnect\"]",
        "2[\"disconnecting\"]",
        "2[\"newListener\"]",
        "2[\"removeListener\"]",
        "2[\"conne\\u0063t\"]",
    };
    struct client_frame frame;
    struct client_reason reason;

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        if (event_of(rows[i], &frame, &reason) != STATUS_MALFORMED)
            fail_msg("accepted: %s", rows[i]);
    }
}

static void answers_bad_events_with_their_ack_id(void **state)
{
    static const struct {
        const char *text;
        const char *reason;
    } rows[] = {
        {"29[\"\"]", "event must be"},
        {"29[\"a b\"]", "event must be"},
        {"29[\"a..b\"]", "event must be"},
        {"29[\".a\"]", "event must be"},
        {"29[\"a*\"]", "event must be"},
        {"29[\"a>\"]", "event must be"},
        {"29[\"\xd0\xb6\"]", "event must be"},
        {"29[\"0123456789012345678901234567890123456789012345678901234567890123x\"]", "event must be"},
        {"29[\"a\",1,{\"b\":1,\"b\":2}]", "not valid JSON"},
        {"29[\"a\",{\"b\":1,\"b\":2}]", "not valid JSON"},
        {"29[\"a\",99999999999999999999999]", "not valid JSON"},
        {"29[\"a\",\"\\u0000\"]", "not valid JSON"},
        {"29[\"a\",{\"b\":\"\\ud800\"}]", "not valid JSON"},
        {"29[\"\\udc00\"]", "event must be"},
    };
    struct client_frame frame;
    struct client_reason reason;

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        if (event_of(rows[i].text, &frame, &reason) != STATUS_INVALID_PAYLOAD)
            fail_msg("accepted: %s", rows[i].text);
        assert_slice(frame.id, "9");
        assert_string_equal(frame.event, "");
        assert_int_equal(frame.data.length, 0);
        if (!strstr(reason.text, rows[i].reason))
            fail_msg("%s gave the reason: %s", rows[i].text, reason.text);
    }
}

static enum status placeholders_of(const char *text)
{
    struct sio_packet packet;

    assert_int_equal(sio_packet_decode(slice_from_string(text), &packet), STATUS_OK);
    return sio_placeholders_check(packet.payload, packet.attachments);
}

static void checks_placeholders(void **state)
{
#define P(n) "{\"_placeholder\":true,\"num\":" n "}"
    (void)state;
    assert_int_equal(placeholders_of("51-[\"a\"," P("0") "]"), STATUS_OK);
    assert_int_equal(placeholders_of("52-[\"a\",{\"x\":[" P("1") "],\"y\":" P("0") "}]"), STATUS_OK);
    assert_int_equal(placeholders_of("50-[\"a\"]"), STATUS_OK);
    assert_int_equal(placeholders_of("510-[\"a\"," P("0") "," P("1") "," P("2") "," P("3") "," P("4") "," P(
                         "5") "," P("6") "," P("7") "," P("8") "," P("9") "]"),
                     STATUS_OK);
    assert_int_equal(placeholders_of("51-[\"a\",\""
                                     "{\\\"_placeholder\\\":true,\\\"num\\\":3}"
                                     "\"," P("0") "]"),
                     STATUS_OK);
    assert_int_equal(placeholders_of("51-[\"a\",{\"_placeholder\":false,\"num\":7}," P("0") "]"), STATUS_OK);
    assert_int_equal(placeholders_of("51-[\"a\"]"), STATUS_MALFORMED);
    assert_int_equal(placeholders_of("51-[\"a\"," P("1") "]"), STATUS_MALFORMED);
    assert_int_equal(placeholders_of("51-[\"a\"," P("-1") "]"), STATUS_MALFORMED);
    assert_int_equal(placeholders_of("51-[\"a\"," P("0.0") "]"), STATUS_MALFORMED);
    assert_int_equal(placeholders_of("51-[\"a\"," P("\"0\"") "]"), STATUS_MALFORMED);
    assert_int_equal(placeholders_of("51-[\"a\"," P("99999999999999999999") "]"), STATUS_MALFORMED);
    assert_int_equal(placeholders_of("52-[\"a\"," P("0") "," P("0") "]"), STATUS_MALFORMED);
    assert_int_equal(placeholders_of("51-[\"a\",{\"_placeholder\":true}]"), STATUS_MALFORMED);
    assert_int_equal(placeholders_of("51-[\"a\",{\"_placeholder\":true,\"num\":0,\"x\":1}]"),
                     STATUS_MALFORMED);
    assert_int_equal(placeholders_of("50-[\"a\"," P("0") "]"), STATUS_MALFORMED);
#undef P
}

static void encodes_as_the_document_says(void **state)
{
    const struct slice admin = SLICE_LITERAL("/admin");
    const struct slice none = {0};
    const struct client_event update = {.event = SLICE_LITERAL("network.update"),
                                        .data = SLICE_LITERAL("{\"n\":3.14}")};
    const struct client_event asking = {
        .event = SLICE_LITERAL("a"), .offset = SLICE_LITERAL("o1"), .ask = 456};
    struct client_result ok = {.status = STATUS_OK, .data = SLICE_LITERAL("{\"a\":1}")};
    struct client_result limited = {.status = STATUS_RATE_LIMITED, .retry_after_ms = 1500};
    struct buf buf;

    (void)state;
    buf_init(&buf, 1000);
    assert_int_equal(sio_connect_append(&buf, SIO_ROOT, SLICE_LITERAL("oSO0"), none), STATUS_OK);
    assert_buf(&buf, "0{\"sid\":\"oSO0\"}");
    assert_int_equal(sio_connect_append(&buf, admin, SLICE_LITERAL("oSO0"), SLICE_LITERAL("p")), STATUS_OK);
    assert_buf(&buf, "0/admin,{\"sid\":\"oSO0\",\"pid\":\"p\"}");
    assert_int_equal(
        sio_connect_error_append(&buf, SIO_ROOT, STATUS_AUTH_EXPIRED, SLICE_LITERAL("too \"old\"")),
        STATUS_OK);
    assert_buf(&buf, "4{\"message\":\"too \\\"old\\\"\",\"data\":{\"code\":\"AUTH_EXPIRED\"}}");
    assert_int_equal(sio_connect_error_append(&buf, SIO_ROOT, STATUS_AUTH_EXPIRED, none), STATUS_OK);
    assert_buf(&buf, "4{\"message\":\"the token has expired\",\"data\":{\"code\":\"AUTH_EXPIRED\"}}");
    assert_int_equal(sio_invalid_namespace_append(&buf, admin), STATUS_OK);
    assert_buf(&buf, "4/admin,{\"message\":\"Invalid namespace\"}");
    assert_int_equal(sio_event_append(&buf, SIO_ROOT, &update), STATUS_OK);
    assert_buf(&buf, "2[\"network.update\",{\"n\":3.14}]");
    assert_int_equal(sio_event_append(&buf, admin, &asking), STATUS_OK);
    assert_buf(&buf, "2/admin,456[\"a\",\"o1\"]");
    assert_int_equal(sio_ack_append(&buf, SIO_ROOT, SLICE_LITERAL("7"), &ok), STATUS_OK);
    assert_buf(&buf, "37[{\"ok\":true,\"data\":{\"a\":1}}]");
    assert_int_equal(sio_ack_append(&buf, admin, SLICE_LITERAL("7"), &limited), STATUS_OK);
    assert_buf(&buf,
               "3/admin,7[{\"ok\":false,\"error\":{\"code\":\"RATE_LIMITED\",\"message\":\"too many events\","
               "\"retryAfterMs\":1500}}]");
    buf_done(&buf);
}

static void encodes_attachments_and_several_arguments(void **state)
{
    const struct attachments two = {.count = 2};
    struct client_event event = {
        .event = SLICE_LITERAL("a"), .data = SLICE_LITERAL(" [ 1 , {\"b\":[]} ] "), .arguments = true};
    struct client_result result = {
        .status = STATUS_OK, .data = SLICE_LITERAL("[1]"), .attachments = &two, .arguments = true};
    struct buf buf;

    (void)state;
    buf_init(&buf, 1000);
    assert_int_equal(sio_event_append(&buf, SIO_ROOT, &event), STATUS_OK);
    assert_buf(&buf, "2[\"a\",1 , {\"b\":[]}]");
    event.attachments = &two;
    event.ask = 3;
    assert_int_equal(sio_event_append(&buf, SLICE_LITERAL("/n"), &event), STATUS_OK);
    assert_buf(&buf, "52-/n,3[\"a\",1 , {\"b\":[]}]");
    event =
        (struct client_event){.event = SLICE_LITERAL("a"), .data = SLICE_LITERAL("[]"), .arguments = true};
    assert_int_equal(sio_event_append(&buf, SIO_ROOT, &event), STATUS_OK);
    assert_buf(&buf, "2[\"a\"]");
    event.data = SLICE_LITERAL("{}");
    assert_int_equal(sio_event_append(&buf, SIO_ROOT, &event), STATUS_MALFORMED);
    assert_int_equal(buf.length, 0);
    assert_int_equal(sio_ack_append(&buf, SLICE_LITERAL("/n"), SLICE_LITERAL("7"), &result), STATUS_OK);
    assert_buf(&buf, "62-/n,7[1]");
    result.arguments = false;
    assert_int_equal(sio_ack_append(&buf, SIO_ROOT, SLICE_LITERAL("7"), &result), STATUS_OK);
    assert_buf(&buf, "62-7[{\"ok\":true,\"data\":[1]}]");
    result = (struct client_result){.status = STATUS_INTERNAL, .attachments = &two, .arguments = true};
    assert_int_equal(sio_ack_append(&buf, SIO_ROOT, SLICE_LITERAL("7"), &result), STATUS_OK);
    assert_buf(&buf,
               "37[{\"ok\":false,\"error\":{\"code\":\"INTERNAL\",\"message\":\"an internal error\"}}]");
    buf_done(&buf);
}

static void appends_all_or_nothing(void **state)
{
    struct client_result ok = {.status = STATUS_OK};
    struct buf buf;

    (void)state;
    for (size_t maximum = 1; maximum < 30; maximum++) {
        buf_init(&buf, maximum);
        assert_int_equal(buf_append_char(&buf, '4'), STATUS_OK);
        if (sio_ack_append(&buf, SIO_ROOT, SLICE_LITERAL("7"), &ok) == STATUS_OK)
            assert_buf(&buf, "437[{\"ok\":true,\"data\":{}}]");
        else
            assert_buf(&buf, "4");
        buf_done(&buf);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(decodes_the_documents_examples),
        cmocka_unit_test(refuses_what_is_no_packet),
        cmocka_unit_test(refuses_what_is_too_much),
        cmocka_unit_test(survives_every_truncation),
        cmocka_unit_test(reads_events),
        cmocka_unit_test(closes_on_what_the_stock_parser_refuses),
        cmocka_unit_test(answers_bad_events_with_their_ack_id),
        cmocka_unit_test(checks_placeholders),
        cmocka_unit_test(reads_several_arguments),
        cmocka_unit_test(encodes_as_the_document_says),
        cmocka_unit_test(encodes_attachments_and_several_arguments),
        cmocka_unit_test(appends_all_or_nothing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
