/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * Strictness, bounds and silence about values of the JSON reader.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>

#include "common/json.h"

static enum status parse(struct slice text, char reason[128])
{
    json_t *value = NULL;
    enum status status;

    reason[0] = '\0';
    status = json_parse(text, &value, reason, 128);
    if (status == STATUS_OK)
        assert_non_null(value);
    else
        assert_null(value);
    json_decref(value);
    return status;
}

static void values_of_every_kind(void **state)
{
    static const char *const good[] = {
        "{}",
        "[]",
        "null",
        "true",
        "false",
        "0",
        "-0",
        "\"\"",
        "1e3",
        " { } ",
        "[1,2.5,\"x\"]",
        "-12",
        "\"\\u00e9\"",
        "\"\\ud83d\\udc1d\"",
        "\t1\n",
        "1E-2",
        "{\"a\":{\"b\":[null]}}",
        "\"\xf0\x9f\x90\x9d\"",
        "9223372036854775807",
        "-9223372036854775808",
    };
    char reason[128];

    (void)state;
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        if (parse(slice_from_string(good[i]), reason) != STATUS_OK)
            fail_msg("%s: %s", good[i], reason);
        assert_true(json_valid(slice_from_string(good[i])));
    }
}

static void what_is_refused(void **state)
{
    static const struct slice bad[] = {
        SLICE_LITERAL(""),
        SLICE_LITERAL("   "),
        SLICE_LITERAL("{"),
        SLICE_LITERAL("[1,]"),
        SLICE_LITERAL("{\"a\":1,}"),
        SLICE_LITERAL("{a:1}"),
        SLICE_LITERAL("{'a':1}"),
        SLICE_LITERAL("1 2"),
        SLICE_LITERAL("{}x"),
        SLICE_LITERAL("{}\0"),
        SLICE_LITERAL("01"),
        SLICE_LITERAL("+1"),
        SLICE_LITERAL(".5"),
        SLICE_LITERAL("1."),
        SLICE_LITERAL("NaN"),
        SLICE_LITERAL("Infinity"),
        SLICE_LITERAL("-Infinity"),
        SLICE_LITERAL("nul"),
        SLICE_LITERAL("TRUE"),
        SLICE_LITERAL("// x\n1"),
        SLICE_LITERAL("\"\xff\""),
        SLICE_LITERAL("\"\xed\xa0\x80\""),
        SLICE_LITERAL("\"\\ud800\""),
        SLICE_LITERAL("\"\\udc00\\ud800\""),
        SLICE_LITERAL("\"\\u0000\""),
        SLICE_LITERAL("{\"\\u0000\":1}"),
        SLICE_LITERAL("\"a\0b\""),
        SLICE_LITERAL("\"a\nb\""),
        SLICE_LITERAL("\"\\x41\""),
        SLICE_LITERAL("\"open"),
        SLICE_LITERAL("\"open\\"),
        SLICE_LITERAL("\xef\xbb\xbf{}"),
        SLICE_LITERAL("{\"a\":1,\"a\":2}"),
        SLICE_LITERAL("{\"a\":1,\"\\u0061\":2}"),
        SLICE_LITERAL("{\"o\":{\"a\":1,\"b\":2,\"a\":1}}"),
        SLICE_LITERAL("9223372036854775808"),
        SLICE_LITERAL("1e999"),
        SLICE_LITERAL("]"),
        SLICE_LITERAL("}}}}[["),
    };
    char reason[128];

    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        if (parse(bad[i], reason) != STATUS_MALFORMED)
            fail_msg("accepted: %.*s", (int)bad[i].length, bad[i].data);
        assert_true(strlen(reason) > 0);
        assert_null(strchr(reason, '\n'));
        assert_false(json_valid(bad[i]));
    }
    assert_int_equal(parse(slice_make(NULL, 0), reason), STATUS_MALFORMED);
}

static void reasons_say_what_but_not_whose(void **state)
{
    static const struct {
        const char *text;
        const char *reason;
    } rows[] = {
        {"{\"hunter2\":1,\"hunter2\":2}", "a key stands twice"},
        {"{\"password\":\"hunter2\"} hunter2", "something follows"},
        {"[\"hunter2\", hunter2]", "not valid JSON"},
        {"{\"a\":\"hunter2", "the text ends too early"},
        {"{\"hunter2\":1e999}", "out of range"},
        {"\"hunter2\\u0000\"", "a NUL character"},
        {"\"hunter2\xff\"", "invalid UTF-8"},
        {"[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[\"hunter2\"", "nested too deep"},
    };
    char reason[128];

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        assert_int_equal(parse(slice_from_string(rows[i].text), reason), STATUS_MALFORMED);
        if (!strstr(reason, rows[i].reason))
            fail_msg("%s: %s", rows[i].text, reason);
        assert_null(strstr(reason, "hunter"));
        assert_non_null(strstr(reason, "at byte"));
    }
}

static void reason_fits_any_size(void **state)
{
    char reason[8] = "xxxxxxx";
    json_t *value = NULL;

    (void)state;
    assert_int_equal(json_parse(SLICE_LITERAL("{"), &value, reason, 5), STATUS_MALFORMED);
    assert_int_equal(strlen(reason), 4);
    assert_int_equal(json_parse(SLICE_LITERAL("{"), &value, reason, 0), STATUS_MALFORMED);
    assert_int_equal(json_parse(SLICE_LITERAL("{"), &value, NULL, 0), STATUS_MALFORMED);
}

static struct slice nested(char *out, size_t depth, char open, char close, const char *inside)
{
    size_t length = 0;

    for (size_t i = 0; i < depth; i++)
        out[length++] = open;
    memcpy(out + length, inside, strlen(inside));
    length += strlen(inside);
    for (size_t i = 0; i < depth; i++)
        out[length++] = close;
    return slice_make(out, length);
}

static void depth_is_bounded(void **state)
{
    static char text[500000];
    char reason[128];

    (void)state;
    assert_int_equal(parse(nested(text, JSON_DEPTH_MAXIMUM, '[', ']', "1"), reason), STATUS_OK);
    assert_int_equal(parse(nested(text, JSON_DEPTH_MAXIMUM + 1, '[', ']', "1"), reason), STATUS_MALFORMED);
    assert_int_equal(parse(nested(text, 200000, '[', ']', ""), reason), STATUS_MALFORMED);
    /* brackets in strings are not depth, whatever is escaped before them */
    assert_int_equal(parse(nested(text, JSON_DEPTH_MAXIMUM, '[', ']', "\"[[{{\\\"[[[[\\\\\""), reason),
                     STATUS_OK);
    assert_int_equal(parse(SLICE_LITERAL("\"[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[\""), reason),
                     STATUS_OK);
    /* siblings are not depth */
    for (size_t i = 0; i < 1000; i++)
        memcpy(text + 1 + i * 3, "[],", 3);
    text[0] = '[';
    text[3000] = ']';
    assert_int_equal(parse(slice_make(text, 3001), reason), STATUS_OK);
}

static void string_slices(void **state)
{
    json_t *text = json_string("abc");
    json_t *number = json_integer(1);

    (void)state;
    assert_true(slice_equal_string(json_string_slice(text), "abc"));
    assert_null(json_string_slice(number).data);
    assert_int_equal(json_string_slice(number).length, 0);
    assert_null(json_string_slice(NULL).data);
    json_decref(text);
    json_decref(number);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(values_of_every_kind),
        cmocka_unit_test(what_is_refused),
        cmocka_unit_test(reasons_say_what_but_not_whose),
        cmocka_unit_test(reason_fits_any_size),
        cmocka_unit_test(depth_is_bounded),
        cmocka_unit_test(string_slices),
    };

    json_init();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
