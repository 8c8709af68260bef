/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * The JSON subprotocol: what is accepted, what each refusal says, and that ids return unchanged.
 */
#include "gateway_test.h"

#include "codec/ws_json.h"

#define ID_64 "0123456789012345678901234567890123456789012345678901234567890123"

static const struct {
    const char *text;
    const char *id;
    const char *event;
    const char *data;
} valid[] = {
    {"{\"event\":\"value.get\"}", "", "value.get", ""},
    {"{\"id\":7,\"event\":\"a\",\"data\":{}}", "7", "a", "{}"},
    {"{\"id\":-9223372036854775808,\"event\":\"a\"}", "-9223372036854775808", "a", ""},
    {"{\"id\":\"x\",\"event\":\"a\"}", "\"x\"", "a", ""},
    {"{\"id\":\"\",\"event\":\"a\"}", "\"\"", "a", ""},
    {"{\"id\":\"\\u0041\\n\",\"event\":\"a\"}", "\"\\u0041\\n\"", "a", ""},
    {"{\"id\":\"a.*>} \xd0\xb6\xe4\xb8\xad\",\"event\":\"a\"}", "\"a.*>} \xd0\xb6\xe4\xb8\xad\"", "a", ""},
    {"{\"id\":\"" ID_64 ID_64 "\",\"event\":\"a\"}", "\"" ID_64 ID_64 "\"", "a", ""},
    {"{\"data\":[1.50, 2e3],\"event\":\"A-b_c:d.9\"}", "", "A-b_c:d.9", "[1.50, 2e3]"},
    {" {\n\"ev\\u0065nt\" : \"value\\u002eget\" , \"data\" : null } ", "", "value.get", "null"},
    {"{\"event\":\"" ID_64 "\",\"data\":\"text\"}", "", ID_64, "\"text\""},
    {"{\"event\":\"a\",\"data\":{\"userId\":\"a.*>} \xd0\xb6\",\"x\":{\"event\":1}}}", "", "a",
     "{\"userId\":\"a.*>} \xd0\xb6\",\"x\":{\"event\":1}}"},
};

static void decodes(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(valid); i++) {
        struct slice text = exact_string(valid[i].text);
        struct client_frame frame;
        struct client_reason reason = {""};

        if (ws_json_decode(text, &frame, &reason) != STATUS_OK)
            fail_msg("%s: %s", valid[i].text, reason.text);
        assert_slice(frame.id, valid[i].id);
        assert_slice(client_frame_event(&frame), valid[i].event);
        assert_slice(frame.data, valid[i].data);
        exact_free(text);
    }
}

static void decodes_answers(void **state)
{
    struct client_frame frame;
    struct client_reason reason = {""};

    (void)state;
    assert_int_equal(ws_json_decode(SLICE_LITERAL("{\"answer\":7,\"data\":[1]}"), &frame, &reason),
                     STATUS_OK);
    assert_int_equal(frame.answer, 7);
    assert_string_equal(frame.event, "");
    assert_slice(frame.data, "[1]");
    assert_int_equal(ws_json_decode(SLICE_LITERAL("{\"answer\":999999999999999}"), &frame, &reason),
                     STATUS_OK);
    assert_int_equal(frame.answer, 999999999999999);
    assert_int_equal(frame.data.length, 0);
}

static const struct {
    const char *text;
    const char *id; /* the id that the ack can carry */
    const char *reason;
} invalid[] = {
    {"", "", "not valid JSON"},
    {"{\"answer\":0}", "", "answer must be the number"},
    {"{\"answer\":-1}", "", "answer must be the number"},
    {"{\"answer\":1.0}", "", "answer must be the number"},
    {"{\"answer\":\"7\"}", "", "answer must be the number"},
    {"{\"answer\":null}", "", "answer must be the number"},
    {"{\"answer\":1000000000000000}", "", "answer must be the number"},
    {"{\"answer\":7,\"event\":\"a\"}", "", "answer stands without event and id"},
    {"{\"answer\":7,\"id\":1}", "1", "answer stands without event and id"},
    {"{\"answer\":7,\"answer\":7}", "", "given twice"},
    {"x", "", "not valid JSON"},
    {"{\"event\":\"a\"}x", "", "not valid JSON"},
    {"{\"event\":\"a\",\"data\":NaN}", "", "not valid JSON"},
    {"{\"event\":\"a\",\"data\":\"\xff\"}", "", "not valid JSON"},
    {"{\"event\":\"a\",\"data\":\"\\u0000\"}", "", "not valid JSON"},
    {"{\"id\":1,\"event\":\"a\",\"data\":\"\n\"}", "", "not valid JSON"},
    {"[]", "", "not a JSON object"},
    {"7", "", "not a JSON object"},
    {"\"event\"", "", "not a JSON object"},
    {"null", "", "not a JSON object"},
    {"{}", "", "event is missing"},
    {"{\"id\":1}", "1", "event is missing"},
    {"{\"id\":1,\"event\":null}", "1", "event must be a string"},
    {"{\"id\":1,\"event\":7}", "1", "event must be a string"},
    {"{\"id\":1,\"event\":\"\"}", "1", "event must be 1 to 64"},
    {"{\"id\":1,\"event\":\"a b\"}", "1", "event must be 1 to 64"},
    {"{\"id\":1,\"event\":\"a.>\"}", "1", "event must be 1 to 64"},
    {"{\"id\":1,\"event\":\"a..b\"}", "1", "event must be 1 to 64"},
    {"{\"id\":1,\"event\":\"" ID_64 "x\"}", "1", "event must be 1 to 64"},
    {"{\"id\":1.0,\"event\":\"a\"}", "", "id must be a string or an integer of 64 bits"},
    {"{\"id\":1e3,\"event\":\"a\"}", "", "id must be a string or an integer of 64 bits"},
    {"{\"id\":null,\"event\":\"a\"}", "", "id must be a string or an integer of 64 bits"},
    {"{\"id\":true,\"event\":\"a\"}", "", "id must be a string or an integer of 64 bits"},
    {"{\"id\":{},\"event\":\"a\"}", "", "id must be a string or an integer of 64 bits"},
    {"{\"id\":\"" ID_64 ID_64 "x\",\"event\":\"a\"}", "", "longer than 128"},
    {"{\"id\":1" ID_64 ID_64 ",\"event\":\"a\"}", "", "an integer of 64 bits"},
    {"{\"id\":9223372036854775808,\"event\":\"a\"}", "", "an integer of 64 bits"},
    {"{\"id\":-9223372036854775809,\"event\":\"a\"}", "", "an integer of 64 bits"},
    {"{\"id\":1,\"event\":\"a\",\"extra\":1}", "1", "unknown member \"extra\""},
    {"{\"extra\":1,\"event\":\"a\",\"id\":\"late\"}", "\"late\"", "unknown member \"extra\""},
    {"{\"event\":\"a\",\"\":1}", "", "unknown member;"},
    {"{\"event\":\"a\",\"<b>x</b>\":1}", "", "unknown member;"},
    {"{\"event\":\"a\",\"Event\":1}", "", "unknown member \"Event\""},
    {"{\"event\":\"a\",\"event\":\"a\",\"id\":3}", "3", "given twice"},
    {"{\"event\":\"a\",\"ev\\u0065nt\":\"a\"}", "", "given twice"},
    {"{\"id\":1,\"event\":\"a\",\"id\":2}", "", "given twice"},
    {"{\"id\":1,\"event\":\"a\",\"data\":1,\"data\":2}", "1", "given twice"},
    {"{\"id\":1,\"event\":\"a\",\"data\":{\"b\":1,\"b\":2}}", "1", "data is not valid JSON"},
    {"{\"id\":1,\"event\":\"a\",\"data\":{\"b\":1,\"\\u0062\":2}}", "1", "data is not valid JSON"},
    {"{\"id\":1,\"event\":\"a\",\"data\":123456789012345678901234567890}", "1", "data is not valid JSON"},
    {"{\"id\":1,\"event\":\"a\",\"data\":1e999}", "1", "data is not valid JSON"},
};

static void refuses_with_a_reason(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(invalid); i++) {
        struct slice text = exact_string(invalid[i].text);
        struct client_frame frame;
        struct client_reason reason = {""};

        if (ws_json_decode(text, &frame, &reason) != STATUS_INVALID_PAYLOAD)
            fail_msg("accepted: %s", invalid[i].text);
        if (!strstr(reason.text, invalid[i].reason))
            fail_msg("%s gave the reason: %s", invalid[i].text, reason.text);
        assert_slice(frame.id, invalid[i].id);
        assert_string_equal(frame.event, "");
        assert_int_equal(frame.data.length, 0);
        exact_free(text);
    }
}

static void refuses_every_truncation(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(valid); i++) {
        size_t whole = strlen(valid[i].text);

        while (valid[i].text[whole - 1] == ' ')
            whole--;
        for (size_t length = 0; length < whole; length++) {
            struct slice text = exact(valid[i].text, length);
            struct client_frame frame;
            struct client_reason reason;

            assert_int_equal(ws_json_decode(text, &frame, &reason), STATUS_INVALID_PAYLOAD);
            exact_free(text);
        }
    }
}

static enum status decode_around(const char *data)
{
    struct client_frame frame;
    struct client_reason reason;
    struct buf text;
    enum status status;

    buf_init(&text, 32 << 20);
    assert_int_equal(buf_append_string(&text, "{\"event\":\"a\",\"data\":"), STATUS_OK);
    assert_int_equal(buf_append_string(&text, data), STATUS_OK);
    assert_int_equal(buf_append_string(&text, "}"), STATUS_OK);
    status = ws_json_decode(buf_slice(&text), &frame, &reason);
    buf_done(&text);
    return status;
}

static void bounds_what_a_message_can_cost(void **state)
{
    char *deep = repeated("[", 31, "", "]");
    char *deeper = repeated("[", 33, "", "]");
    char *bomb = repeated("{\"a\":", 1000000, "1", "}");
    char *many = repeated("0,", CLIENT_DATA_VALUES + 10, "0", "");
    char *large = repeated("x", 10 << 20, "", "");
    struct buf text;

    (void)state;
    buf_init(&text, 32 << 20);
    assert_int_equal(decode_around(deep), STATUS_OK);
    assert_int_equal(decode_around(deeper), STATUS_INVALID_PAYLOAD);
    assert_int_equal(decode_around(bomb), STATUS_INVALID_PAYLOAD);
    assert_int_equal(buf_append_format(&text, "[%s]", many), STATUS_OK);
    assert_int_equal(decode_around(text.data), STATUS_INVALID_PAYLOAD);
    buf_clear(&text);
    assert_int_equal(buf_append_string(&text, "\""), STATUS_OK);
    assert_int_equal(buf_append_string(&text, large), STATUS_OK);
    assert_int_equal(decode_around(text.data), STATUS_INVALID_PAYLOAD);
    assert_int_equal(buf_append_string(&text, "\""), STATUS_OK);
    assert_int_equal(decode_around(text.data), STATUS_OK);
    buf_done(&text);
    free(deep);
    free(deeper);
    free(bomb);
    free(many);
    free(large);
}

static void encodes_events_and_acks(void **state)
{
    const struct slice none = {0};
    struct client_result ok = {.status = STATUS_OK, .data = SLICE_LITERAL("[1]")};
    struct client_result empty = {.status = STATUS_OK};
    struct client_result refused = {.status = STATUS_FORBIDDEN, .message = SLICE_LITERAL("no \xe2\x82\xac")};
    struct buf buf;

    const struct attachments two = {.count = 2, .list = {SLICE_LITERAL("\1\2\3"), {0}}};
    struct client_event event;

    (void)state;
    buf_init(&buf, 1000);
    event = (struct client_event){.event = SLICE_LITERAL("network.update"),
                                  .data = SLICE_LITERAL("{\"newValue\":3.14}")};
    assert_int_equal(ws_json_event_append(&buf, &event), STATUS_OK);
    assert_buf(&buf, "{\"event\":\"network.update\",\"data\":{\"newValue\":3.14}}");
    event = (struct client_event){.event = SLICE_LITERAL("a"), .offset = SLICE_LITERAL("1-2")};
    assert_int_equal(ws_json_event_append(&buf, &event), STATUS_OK);
    assert_buf(&buf, "{\"event\":\"a\",\"data\":null,\"offset\":\"1-2\"}");
    event.attachments = &two;
    event.ask = 7;
    assert_int_equal(ws_json_event_append(&buf, &event), STATUS_OK);
    assert_buf(
        &buf, "{\"event\":\"a\",\"data\":null,\"attachments\":[\"AQID\",\"\"],\"ask\":7,\"offset\":\"1-2\"}");
    ok.attachments = &two;
    assert_int_equal(ws_json_ack_append(&buf, SLICE_LITERAL("7"), &ok), STATUS_OK);
    assert_buf(&buf, "{\"id\":7,\"ok\":true,\"data\":[1],\"attachments\":[\"AQID\",\"\"]}");
    ok.attachments = NULL;
    assert_int_equal(ws_json_ack_append(&buf, SLICE_LITERAL("7"), &ok), STATUS_OK);
    assert_buf(&buf, "{\"id\":7,\"ok\":true,\"data\":[1]}");
    assert_int_equal(ws_json_ack_append(&buf, SLICE_LITERAL("\"7\""), &empty), STATUS_OK);
    assert_buf(&buf, "{\"id\":\"7\",\"ok\":true,\"data\":{}}");
    assert_int_equal(ws_json_ack_append(&buf, none, &refused), STATUS_OK);
    assert_buf(
        &buf,
        "{\"id\":null,\"ok\":false,\"error\":{\"code\":\"FORBIDDEN\",\"message\":\"no \xe2\x82\xac\"}}");
    buf_done(&buf);
}

static void appends_all_or_nothing(void **state)
{
    struct client_result refused = {.status = STATUS_RATE_LIMITED, .retry_after_ms = 5};

    (void)state;
    for (size_t maximum = 1; maximum < 110; maximum++) {
        struct buf buf;

        buf_init(&buf, maximum);
        assert_int_equal(buf_append_char(&buf, '-'), STATUS_OK);
        if (ws_json_ack_append(&buf, SLICE_LITERAL("1"), &refused) != STATUS_OK)
            assert_buf(&buf, "-");
        else
            assert_int_equal(buf.data[buf.length - 1], '}');
        buf_done(&buf);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(decodes),
        cmocka_unit_test(decodes_answers),
        cmocka_unit_test(refuses_with_a_reason),
        cmocka_unit_test(refuses_every_truncation),
        cmocka_unit_test(bounds_what_a_message_can_cost),
        cmocka_unit_test(encodes_events_and_acks),
        cmocka_unit_test(appends_all_or_nothing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
