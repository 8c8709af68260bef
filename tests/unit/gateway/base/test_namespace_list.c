/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * Which lists of namespaces are valid, and where a name is in a list.
 */
#include "gateway_test.h"

#include "base/namespace_list.h"

static void judges_lists(void **state)
{
    (void)state;
    assert_true(namespace_list_valid(NULL));
    assert_true(namespace_list_valid(""));
    assert_true(namespace_list_valid("/a"));
    assert_true(namespace_list_valid("/a,/b/c,/ab"));
    assert_false(namespace_list_valid("/"));
    assert_false(namespace_list_valid("a"));
    assert_false(namespace_list_valid("/a,,/b"));
    assert_false(namespace_list_valid("/a, /b"));
    assert_false(namespace_list_valid("/a,/b,/a"));
    assert_false(namespace_list_valid("/a\n"));
    assert_false(namespace_list_valid("/1,/2,/3,/4,/5,/6,/7,/8,/9,/10,/11,/12,/13,/14,/15,/16,/17"));
    assert_int_equal(namespace_list_index("/a,/b/c,/ab", SLICE_LITERAL("/ab")), 2);
    assert_int_equal(namespace_list_index("/a,/b/c,/ab", SLICE_LITERAL("/b")), -1);
    assert_int_equal(namespace_list_index("", SLICE_LITERAL("/")), -1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(judges_lists),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
