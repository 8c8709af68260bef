/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * What all transports share: the check of data, answers, and appends that are all or nothing.
 */
#include "gateway_test.h"

#include "codec/client_frame.h"
#include "text/append.h"

static void checks_data(void **state)
{
    struct client_reason reason = {""};

    (void)state;
    assert_int_equal(client_data_check(SLICE_LITERAL("{\"a\":[1,\"x\"]}"), &reason), STATUS_OK);
    assert_string_equal(reason.text, "");
    assert_int_equal(client_data_check((struct slice){0}, &reason), STATUS_INVALID_PAYLOAD);
    assert_int_equal(client_data_check(SLICE_LITERAL("{\"a\":1,\"a\":1}"), &reason), STATUS_INVALID_PAYLOAD);
    assert_non_null(strstr(reason.text, "data is not valid JSON"));
    assert_int_equal(client_data_check(SLICE_LITERAL("nan"), &reason), STATUS_INVALID_PAYLOAD);
}

static void never_repeats_the_input(void **state)
{
    struct client_reason reason = {""};

    (void)state;
    assert_int_equal(client_data_check(SLICE_LITERAL("{\"hunter2\":hunter2}"), &reason),
                     STATUS_INVALID_PAYLOAD);
    assert_null(strstr(reason.text, "hunter2"));
    assert_int_equal(client_data_check(SLICE_LITERAL("[99999999999999999999999]"), &reason),
                     STATUS_INVALID_PAYLOAD);
    assert_null(strstr(reason.text, "999"));
}

static void cuts_long_reasons(void **state)
{
    char *text = repeated("x", 1000, "", "");
    struct client_reason reason;

    (void)state;
    client_reason_set(&reason, "%s", text);
    assert_int_equal(strlen(reason.text), CLIENT_REASON_SIZE - 1);
    free(text);
}

static void answers_every_refusal(void **state)
{
    struct buf buf;

    (void)state;
    buf_init(&buf, 1000);
    for (int status = STATUS_AUTH_REQUIRED; status < STATUS_COUNT; status++) {
        struct client_result result = {.status = (enum status)status};

        assert_int_equal(client_result_append(&buf, &result), STATUS_OK);
        assert_non_null(strstr(buf.data, status_code((enum status)status)));
        assert_non_null(strstr(buf.data, status_message((enum status)status)));
        assert_null(strstr(buf.data, "retryAfterMs"));
        buf_clear(&buf);
    }
    buf_done(&buf);
}

static void append_keeps_all_or_nothing(void **state)
{
    struct append out;
    struct buf buf;

    (void)state;
    buf_init(&buf, 24);
    assert_int_equal(buf_append_string(&buf, "ab"), STATUS_OK);
    out = append_start(&buf);
    append_number(&out, 18446744073709551615U);
    append_text(&out, "x");
    assert_int_equal(append_end(&out), STATUS_OK);
    out = append_start(&buf);
    append_text(&out, "y");
    append_text(&out, "zz");
    append_text(&out, "");
    assert_int_equal(append_end(&out), STATUS_FULL);
    assert_buf(&buf, "ab18446744073709551615x");
    out = append_start(&buf);
    append_number(&out, 0);
    append_json_string(&out, SLICE_LITERAL("\"\n"));
    append_status(&out, STATUS_OK);
    assert_int_equal(append_end(&out), STATUS_OK);
    assert_buf(&buf, "0\"\\\"\\n\"");
    buf_done(&buf);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(checks_data),
        cmocka_unit_test(never_repeats_the_input),
        cmocka_unit_test(cuts_long_reasons),
        cmocka_unit_test(answers_every_refusal),
        cmocka_unit_test(append_keeps_all_or_nothing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
