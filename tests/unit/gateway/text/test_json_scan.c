/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * json_scan against the RFC's grammar, and against jansson as a second opinion.
 */
#include "gateway_test.h"

#include "common/json.h"
#include "text/json_scan.h"

static const char *const valid[] = {
    "0",
    "-0",
    "7",
    "-12",
    "1.5",
    "1e3",
    "1E+3",
    "2.25e-4",
    "true",
    "false",
    "null",
    "\"\"",
    "\"a\"",
    "[]",
    "{}",
    " [ 1 , 2 ] ",
    "\t\r\n{ \"a\" : { \"b\" : [ ] } } ",
    "[[[]]]",
    "\"\\\"\\\\\\/\\b\\f\\n\\r\\t\"",
    "\"\\u0041\\u00e9\\u20ac\\ud83d\\ude00\"",
    "\"\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80\"",
    "{\"a\":1,\"b\":[true,null]}",
    "\"\x7f\"",
};

static const char *const invalid[] = {
    "",
    " ",
    "+1",
    "01",
    "-",
    "1.",
    ".5",
    "1e",
    "1e+",
    "0x1",
    "NaN",
    "Infinity",
    "-Infinity",
    "nul",
    "tru",
    "True",
    "\"",
    "\"\\\"",
    "\"\\",
    "\"\\x\"",
    "\"\\u12\"",
    "\"\\u123g\"",
    "\"\\u0000\"",
    "\"\\ud800\"",
    "\"\\udc00\"",
    "\"\\ud800\\u0041\"",
    "\"\\ud83d\\\"",
    "\"\n\"",
    "\"\x01\"",
    "\"\x80\"",
    "\"\xc0\xaf\"",
    "\"\xed\xa0\x80\"",
    "\"\xf4\x90\x80\x80\"",
    "\"\xe2\x82\"",
    "[",
    "]",
    "[1",
    "[1,",
    "[1,]",
    "[,1]",
    "[1 2]",
    "[1}",
    "{",
    "}",
    "{\"a\"",
    "{\"a\":",
    "{\"a\":1",
    "{\"a\":1,",
    "{\"a\":1,}",
    "{,}",
    "{1:2}",
    "{a:1}",
    "{\"a\" 1}",
    "{\"a\":1]",
    "1 2",
    "[] []",
    "'a'",
    "// x\n1",
    "\xef\xbb\xbf{}",
    "{\"a\"::1}",
    "undefined",
};

static void accepts_the_grammar(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(valid); i++) {
        struct slice text = exact_string(valid[i]);

        assert_int_equal(json_scan_check(text, 100), STATUS_OK);
        assert_true(json_valid(text));
        exact_free(text);
    }
}

static void refuses_all_else(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(invalid); i++) {
        struct slice text = exact_string(invalid[i]);

        if (json_scan_check(text, 100) != STATUS_MALFORMED)
            fail_msg("accepted: %s", invalid[i]);
        assert_false(json_valid(text));
        exact_free(text);
    }
}

static void refuses_every_truncation(void **state)
{
    static const char whole[] = "{\"a\":[1.5e2,\"\\ud83d\\ude00\",true,{\"b\":null}],\"c\":\"\xe2\x82\xac\"}";

    (void)state;
    for (size_t length = 0; length < sizeof(whole) - 1; length++) {
        struct slice text = exact(whole, length);

        assert_int_equal(json_scan_check(text, 100), STATUS_MALFORMED);
        exact_free(text);
    }
    assert_int_equal(json_scan_check(SLICE_LITERAL(whole), 100), STATUS_OK);
}

static void refuses_control_characters(void **state)
{
    (void)state;
    assert_int_equal(json_scan_check(slice_make("\"a\0b\"", 5), 100), STATUS_MALFORMED);
    assert_int_equal(json_scan_check(slice_make("1\0", 2), 100), STATUS_MALFORMED);
    assert_int_equal(json_scan_check(slice_make("\0", 1), 100), STATUS_MALFORMED);
    for (char c = 0; c < 0x20; c++) {
        const char text[] = {'"', c, '"'};

        assert_int_equal(json_scan_check(slice_make(text, sizeof(text)), 100), STATUS_MALFORMED);
    }
    assert_false(json_valid(slice_make("true\0\n", 6)));
    assert_false(json_valid(slice_make("{}\0x", 4)));
}

static void bounds_depth_and_values(void **state)
{
    char *deep = repeated("[", 32, "", "]");
    char *deeper = repeated("[", 41, "", "]");
    char *bomb = repeated("{\"a\":", 1000000, "1", "}");
    char *unclosed = repeated("[", 1000000, "", "");

    (void)state;
    assert_int_equal(json_scan_check(slice_from_string(deep), 100), STATUS_OK);
    assert_int_equal(json_scan_check(slice_from_string(deeper), 100), STATUS_FULL);
    assert_int_equal(json_scan_check(slice_from_string(bomb), SIZE_MAX), STATUS_FULL);
    assert_int_equal(json_scan_check(slice_from_string(unclosed), SIZE_MAX), STATUS_FULL);
    assert_int_equal(json_scan_check(SLICE_LITERAL("[1,2,3]"), 4), STATUS_OK);
    assert_int_equal(json_scan_check(SLICE_LITERAL("[1,2,3]"), 3), STATUS_FULL);
    free(deep);
    free(deeper);
    free(bomb);
    free(unclosed);
}

static void walks_members_as_written(void **state)
{
    struct json_scan_walk walk;
    struct slice key;
    struct slice value;

    (void)state;
    assert_int_equal(json_scan_walk_start(&walk, SLICE_LITERAL(" { \"a\" : 1.50 , \"b\":[1, {\"}\":2}] } ")),
                     STATUS_OK);
    assert_int_equal(json_scan_walk_next(&walk, &key, &value), STATUS_OK);
    assert_slice(key, "\"a\"");
    assert_slice(value, "1.50");
    assert_int_equal(json_scan_walk_next(&walk, &key, &value), STATUS_OK);
    assert_slice(key, "\"b\"");
    assert_slice(value, "[1, {\"}\":2}]");
    assert_int_equal(json_scan_walk_next(&walk, &key, &value), STATUS_NOT_FOUND);
    assert_int_equal(json_scan_walk_next(&walk, &key, &value), STATUS_NOT_FOUND);

    assert_int_equal(json_scan_walk_start(&walk, SLICE_LITERAL("[\"x\",{}]")), STATUS_OK);
    assert_int_equal(json_scan_walk_next(&walk, NULL, &value), STATUS_OK);
    assert_slice(value, "\"x\"");
    assert_int_equal(json_scan_walk_next(&walk, NULL, &value), STATUS_OK);
    assert_slice(value, "{}");
    assert_int_equal(json_scan_walk_next(&walk, NULL, &value), STATUS_NOT_FOUND);

    assert_int_equal(json_scan_walk_start(&walk, SLICE_LITERAL("7")), STATUS_MALFORMED);
    assert_int_equal(json_scan_walk_start(&walk, SLICE_LITERAL("")), STATUS_MALFORMED);
}

static void walks_stay_inside_unchecked_text(void **state)
{
    static const char whole[] = "{\"a\":1,\"b\":[2]}";

    (void)state;
    for (size_t length = 1; length < sizeof(whole) - 1; length++) {
        struct slice text = exact(whole, length);
        struct json_scan_walk walk;
        struct slice key;
        struct slice value;
        enum status status = json_scan_walk_start(&walk, text);

        while (status == STATUS_OK)
            status = json_scan_walk_next(&walk, &key, &value);
        assert_int_equal(status, STATUS_MALFORMED);
        exact_free(text);
    }
}

static void decodes_strings(void **state)
{
    char out[32];
    size_t length;

    (void)state;
    assert_int_equal(
        json_scan_string(SLICE_LITERAL("\"a\\u00e9\\n\\\"\\ud83d\\ude00\""), out, sizeof(out), &length),
        STATUS_OK);
    assert_slice(slice_make(out, length), "a\xc3\xa9\n\"\xf0\x9f\x98\x80");
    assert_int_equal(json_scan_string(SLICE_LITERAL("\"\\u20ac\""), out, 3, &length), STATUS_OK);
    assert_int_equal(json_scan_string(SLICE_LITERAL("\"\\u20ac\""), out, 2, &length), STATUS_FULL);
    assert_int_equal(json_scan_string(SLICE_LITERAL("\"\""), out, 0, &length), STATUS_OK);
    assert_int_equal(length, 0);
    assert_int_equal(json_scan_string(SLICE_LITERAL("\""), out, sizeof(out), &length), STATUS_MALFORMED);
    assert_int_equal(json_scan_string(SLICE_LITERAL("\"\\\""), out, sizeof(out), &length), STATUS_MALFORMED);
    assert_int_equal(json_scan_string(SLICE_LITERAL("7"), out, sizeof(out), &length), STATUS_MALFORMED);
    assert_int_equal(json_scan_string((struct slice){0}, out, sizeof(out), &length), STATUS_MALFORMED);
    assert_true(json_scan_string_equal(SLICE_LITERAL("\"tok\\u0065n\""), "token"));
    assert_false(json_scan_string_equal(SLICE_LITERAL("\"tokens\""), "token"));
}

static void names_kinds(void **state)
{
    (void)state;
    assert_int_equal(json_scan_kind(SLICE_LITERAL("{}")), JSON_SCAN_OBJECT);
    assert_int_equal(json_scan_kind(SLICE_LITERAL("[]")), JSON_SCAN_ARRAY);
    assert_int_equal(json_scan_kind(SLICE_LITERAL("\"\"")), JSON_SCAN_STRING);
    assert_int_equal(json_scan_kind(SLICE_LITERAL("-1")), JSON_SCAN_NUMBER);
    assert_int_equal(json_scan_kind(SLICE_LITERAL("null")), JSON_SCAN_WORD);
    assert_int_equal(json_scan_kind((struct slice){0}), JSON_SCAN_NONE);
    assert_true(json_scan_is_integer(SLICE_LITERAL("-12")));
    assert_false(json_scan_is_integer(SLICE_LITERAL("1.0")));
    assert_false(json_scan_is_integer(SLICE_LITERAL("1e3")));
    assert_false(json_scan_is_integer(SLICE_LITERAL("")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(accepts_the_grammar),
        cmocka_unit_test(refuses_all_else),
        cmocka_unit_test(refuses_every_truncation),
        cmocka_unit_test(refuses_control_characters),
        cmocka_unit_test(bounds_depth_and_values),
        cmocka_unit_test(walks_members_as_written),
        cmocka_unit_test(walks_stay_inside_unchecked_text),
        cmocka_unit_test(decodes_strings),
        cmocka_unit_test(names_kinds),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
