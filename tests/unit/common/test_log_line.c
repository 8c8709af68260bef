/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * Text from outside in a line of the log: what is escaped, what is cut, and a line that stays whole however
 * much is put into it.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "common/log_line.h"

static struct log_line line;

static int clean(void **state)
{
    (void)state;
    line.length = 0;
    line.overflowed = false;
    return 0;
}

static void assert_line(const char *expected)
{
    assert_int_equal(line.length, strlen(expected));
    assert_memory_equal(line.text, expected, line.length);
    assert_false(line.overflowed);
    line.length = 0;
}

/* The bytes end where the slice does. */
static void append_escaped(const char *text, size_t length)
{
    char *copy = malloc(length ? length : 1);

    assert_non_null(copy);
    memcpy(copy, text, length);
    log_line_append_escaped(&line, slice_make(copy, length));
    free(copy);
}

static void what_could_harm_is_escaped(void **state)
{
    static const struct {
        const char *text;
        const char *shown;
    } rows[] = {
        {"plain text", "plain text"},
        {"a\nb\r\tc", "a\\u000ab\\u000d\\u0009c"},
        {"\x1b[31m", "\\u001b[31m"},
        {"\x7f", "\\u007f"},
        {"say \"hi\"", "say \\\"hi\\\""},
        {"back\\slash", "back\\\\slash"},
        {"caf\xc3\xa9 \xe2\x82\xac \xf0\x9f\x90\x9d", "caf\xc3\xa9 \xe2\x82\xac \xf0\x9f\x90\x9d"},
        {"\xc2\x9b", "\\u009b"},     /* C1: ends with ESC [ on some terminals */
        {"\xe2\x80\xa8", "\\u2028"}, /* a line separator */
        {"\xe2\x80\xae", "\\u202e"}, /* turns the direction */
        {"\xe2\x81\xa6", "\\u2066"},
        {"\xff", "\\\\xff"}, /* no UTF-8 */
        {"\xc3", "\\\\xc3"}, /* cut off */
        {"\xe2\x82z", "\\\\xe2\\\\x82z"},
        {"\xc0\xaf", "\\\\xc0\\\\xaf"},            /* longer than it need be */
        {"\xed\xa0\x80", "\\\\xed\\\\xa0\\\\x80"}, /* half a pair */
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        append_escaped(rows[i].text, strlen(rows[i].text));
        assert_line(rows[i].shown);
    }
    append_escaped("a\0b", 3);
    assert_line("a\\u0000b");
}

static void long_values_are_cut_between_characters(void **state)
{
    char text[LOG_VALUE_MAXIMUM_BYTES + 10];

    (void)state;
    memset(text, 'a', sizeof(text));
    append_escaped(text, LOG_VALUE_MAXIMUM_BYTES);
    assert_int_equal(line.length, LOG_VALUE_MAXIMUM_BYTES); /* it fits */
    line.length = 0;
    append_escaped(text, LOG_VALUE_MAXIMUM_BYTES + 1);
    assert_int_equal(line.length, LOG_VALUE_MAXIMUM_BYTES + 3);
    assert_memory_equal(line.text + LOG_VALUE_MAXIMUM_BYTES, "\xe2\x80\xa6", 3);
    line.length = 0;
    memcpy(text + LOG_VALUE_MAXIMUM_BYTES - 1, "\xc3\xa9", 2); /* half of it would fit */
    append_escaped(text, LOG_VALUE_MAXIMUM_BYTES + 1);
    assert_int_equal(line.length, LOG_VALUE_MAXIMUM_BYTES - 1 + 3);
}

static void quotes_where_they_are_needed(void **state)
{
    static const struct {
        const char *text;
        bool always;
        const char *shown;
    } rows[] = {
        {"gw-1", false, "gw-1"},
        {"gw-1", true, "\"gw-1\""},
        {"", false, "\"\""},
        {"two words", false, "\"two words\""},
        {"a=b", false, "\"a=b\""},
        {"a\"b", false, "\"a\\\"b\""},
        {"caf\xc3\xa9", false, "\"caf\xc3\xa9\""},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        log_line_append_quoted(&line, slice_from_string(rows[i].text), rows[i].always);
        assert_line(rows[i].shown);
    }
}

/* All or nothing of each piece, up to the last byte. */
static void what_does_not_fit_is_left_out_whole(void **state)
{
    char text[LOG_LINE_BYTES];

    (void)state;
    memset(text, 'x', sizeof(text));
    log_line_append(&line, slice_make(text, LOG_LINE_BYTES - 3));
    log_line_append_string(&line, "four");
    assert_true(line.overflowed);
    assert_int_equal(line.length, LOG_LINE_BYTES - 3);
    line.overflowed = false;
    log_line_append_string(&line, "abc");
    assert_false(line.overflowed);
    assert_int_equal(line.length, LOG_LINE_BYTES);
    log_line_append(&line, (struct slice){0});
    assert_false(line.overflowed);
    log_line_append_string(&line, "z");
    assert_true(line.overflowed);
    assert_memory_equal(line.text + LOG_LINE_BYTES - 4, "xabc", 4);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(what_could_harm_is_escaped, clean),
        cmocka_unit_test_setup(long_values_are_cut_between_characters, clean),
        cmocka_unit_test_setup(quotes_where_they_are_needed, clean),
        cmocka_unit_test_setup(what_does_not_fit_is_left_out_whole, clean),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
