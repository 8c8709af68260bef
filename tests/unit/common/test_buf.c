/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * The bound of the byte buffer, its growth, and that a refused append changes nothing.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <stdlib.h>

#include "common/buf.h"

static void starts_empty_and_holds_what_is_appended(void **state)
{
    struct buf buf;

    (void)state;
    buf_init(&buf, 100);
    assert_null(buf.data);
    assert_int_equal(buf_append(&buf, NULL, 0), STATUS_OK);
    assert_null(buf.data);
    assert_int_equal(buf_append(&buf, "ab\0c", 4), STATUS_OK);
    assert_int_equal(buf_append_string(&buf, "de"), STATUS_OK);
    assert_int_equal(buf_append_char(&buf, 'f'), STATUS_OK);
    assert_int_equal(buf_append_format(&buf, "%d-%s", 42, "x"), STATUS_OK);
    assert_int_equal(buf.length, 11);
    assert_memory_equal(buf.data, "ab\0cdef42-x", 12); /* with the terminator */
    buf_clear(&buf);
    assert_int_equal(buf.length, 0);
    assert_string_equal(buf.data, "");
    buf_done(&buf);
    buf_done(NULL);
}

static void refuses_past_the_maximum_and_changes_nothing(void **state)
{
    struct buf buf;

    (void)state;
    buf_init(&buf, 5);
    assert_int_equal(buf_append_string(&buf, "12345"), STATUS_OK);
    assert_int_equal(buf_append_char(&buf, '6'), STATUS_FULL);
    assert_int_equal(buf_append_format(&buf, "%d", 6), STATUS_FULL);
    assert_int_equal(buf_append_json_string(&buf, slice_from_string("")), STATUS_FULL);
    assert_int_equal(buf_append(&buf, "", 0), STATUS_OK);
    assert_int_equal(buf_reserve(&buf, SIZE_MAX), STATUS_FULL);
    assert_int_equal(buf.length, 5);
    assert_string_equal(buf.data, "12345");
    assert_true(buf.capacity <= 5);
    buf_done(&buf);
}

static void a_maximum_of_zero_refuses_every_byte(void **state)
{
    struct buf buf = {0};

    (void)state;
    assert_int_equal(buf_append_char(&buf, 'x'), STATUS_FULL);
    assert_int_equal(buf_append_format(&buf, "%s", ""), STATUS_OK);
    assert_null(buf.data);
    assert_null(buf_take(&buf, NULL));
}

static void grows_to_exactly_the_maximum(void **state)
{
    struct buf buf;

    (void)state;
    buf_init(&buf, 1000);
    for (int i = 0; i < 1000; i++) {
        assert_int_equal(buf_append_char(&buf, (char)('a' + i % 26)), STATUS_OK);
        assert_true(buf.capacity <= 1000);
    }
    assert_int_equal(buf_append_char(&buf, 'x'), STATUS_FULL);
    for (int i = 0; i < 1000; i++)
        assert_int_equal(buf.data[i], 'a' + i % 26);
    buf_done(&buf);
}

static void reserved_room_needs_no_further_allocation(void **state)
{
    struct buf buf;
    const char *data;

    (void)state;
    buf_init(&buf, SIZE_MAX);
    assert_int_equal(buf_reserve(&buf, 500), STATUS_OK);
    data = buf.data;
    for (int i = 0; i < 500; i++)
        assert_int_equal(buf_append_char(&buf, 'y'), STATUS_OK);
    assert_ptr_equal(buf.data, data);
    buf_done(&buf);
}

static void writes_json_strings(void **state)
{
    static const struct {
        struct slice text;
        const char *json;
    } rows[] = {
        {SLICE_LITERAL(""), "\"\""},
        {SLICE_LITERAL("plain"), "\"plain\""},
        {SLICE_LITERAL("a\"b\\c/d"), "\"a\\\"b\\\\c/d\""},
        {SLICE_LITERAL("\b\f\n\r\t"), "\"\\b\\f\\n\\r\\t\""},
        {SLICE_LITERAL("\x01\x1f"), "\"\\u0001\\u001f\""},
        {SLICE_LITERAL("a\0b"), "\"a\\u0000b\""},
        {SLICE_LITERAL("\x7f"), "\"\x7f\""},
        {SLICE_LITERAL("\xc3\xa9\xf0\x9f\x90\x9d"), "\"\xc3\xa9\xf0\x9f\x90\x9d\""},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct buf buf;

        buf_init(&buf, 100);
        assert_int_equal(buf_append_json_string(&buf, rows[i].text), STATUS_OK);
        assert_string_equal(buf.data, rows[i].json);
        assert_int_equal(buf.length, strlen(rows[i].json));
        buf_done(&buf);
    }
}

static void a_json_string_fits_whole_or_not_at_all(void **state)
{
    struct buf buf;

    (void)state;
    buf_init(&buf, 8);
    assert_int_equal(buf_append_json_string(&buf, SLICE_LITERAL("\n\n\n")), STATUS_OK); /* 2 + 6 */
    buf_clear(&buf);
    assert_int_equal(buf_append_json_string(&buf, SLICE_LITERAL("\n\n\nx")), STATUS_FULL);
    assert_int_equal(buf.length, 0);
    buf_done(&buf);
}

static void taking_hands_over_and_leaves_an_empty_buf(void **state)
{
    struct buf buf;
    size_t length = 0;
    char *taken;

    (void)state;
    buf_init(&buf, 10);
    assert_int_equal(buf_append_string(&buf, "abc"), STATUS_OK);
    taken = buf_take(&buf, &length);
    assert_string_equal(taken, "abc");
    assert_int_equal(length, 3);
    assert_null(buf.data);
    assert_int_equal(buf_append_string(&buf, "0123456789"), STATUS_OK); /* the same maximum */
    assert_int_equal(buf_append_char(&buf, 'x'), STATUS_FULL);
    free(taken);
    buf_done(&buf);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(starts_empty_and_holds_what_is_appended),
        cmocka_unit_test(refuses_past_the_maximum_and_changes_nothing),
        cmocka_unit_test(a_maximum_of_zero_refuses_every_byte),
        cmocka_unit_test(grows_to_exactly_the_maximum),
        cmocka_unit_test(reserved_room_needs_no_further_allocation),
        cmocka_unit_test(writes_json_strings),
        cmocka_unit_test(a_json_string_fits_whole_or_not_at_all),
        cmocka_unit_test(taking_hands_over_and_leaves_an_empty_buf),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
