/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * Borrowed runs of bytes, with the empty and NULL ones.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "common/slice.h"

static void equality(void **state)
{
    (void)state;
    assert_true(slice_equal(slice_make(NULL, 0), slice_from_string("")));
    assert_true(slice_equal(slice_from_string(NULL), slice_make("x", 0)));
    assert_true(slice_equal_string(slice_make("abcd", 3), "abc"));
    assert_false(slice_equal_string(slice_make("abcd", 3), "abcd"));
    assert_false(slice_equal_string(slice_make("a\0c", 3), "a"));
    assert_true(slice_equal(SLICE_LITERAL("a\0c"), slice_make("a\0c", 3)));
}

static void prefixes(void **state)
{
    (void)state;
    assert_true(slice_starts_with(SLICE_LITERAL("abc"), SLICE_LITERAL("ab")));
    assert_true(slice_starts_with(SLICE_LITERAL("abc"), SLICE_LITERAL("abc")));
    assert_true(slice_starts_with(slice_make(NULL, 0), slice_make(NULL, 0)));
    assert_false(slice_starts_with(SLICE_LITERAL("ab"), SLICE_LITERAL("abc")));
    assert_false(slice_starts_with(SLICE_LITERAL("xbc"), SLICE_LITERAL("ab")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(equality),
        cmocka_unit_test(prefixes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
