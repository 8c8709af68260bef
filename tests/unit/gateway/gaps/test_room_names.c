/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * Names are copies, in their order, however many.
 */
#include "gateway_test.h"

#include <stdio.h>

#include "gaps/room_names.h"

static void names_outlive_their_rooms(void **state)
{
    struct room_names list = {0};
    char expected[16];

    (void)state;
    for (unsigned i = 0; i < 100; i++) {
        int length = snprintf(expected, sizeof(expected), "room %u", i);

        memset(expected + length, '-', 3); /* something else follows */
        assert_int_equal(room_names_add(&list, slice_make(expected, (size_t)length)), STATUS_OK);
    }
    assert_int_equal(list.count, 100);
    for (unsigned i = 0; i < 100; i++) {
        snprintf(expected, sizeof(expected), "room %u", i);
        assert_string_equal(list.names[i], expected);
    }
    room_names_done(&list);
    assert_int_equal(list.count, 0);
    assert_int_equal(room_names_add(&list, SLICE_LITERAL("again")), STATUS_OK);
    assert_string_equal(list.names[0], "again");
    room_names_done(&list);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(names_outlive_their_rooms)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
