/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * Numbers of a lane: their order, the chain of what all hear, and a new lane's beginning.
 */
#include "event/lane.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "common/clock.h"

static void numbers_in_order(void **state)
{
    struct lane lane = {.id = 0};

    (void)state;
    lane_renew(&lane);
    assert_true(lane.id != 0);
    assert_true(lane_take(&lane, 2) == 1);
    assert_true(lane_take(&lane, 0) == 3); /* an event that gives no frame */
    assert_true(lane_take(&lane, 1) == 3);
    assert_true(lane_heard(&lane, 1) == 0);
    assert_true(lane_heard(&lane, 3) == 1); /* 2 was a user's */
}

static void a_new_lane_begins_anew(void **state)
{
    struct lane lane = {.id = 0};
    uint32_t before;

    (void)state;
    lane_renew(&lane);
    before = lane.id;
    lane_take(&lane, 5);
    lane_heard(&lane, 5);
    lane_renew(&lane);
    assert_true(lane.id != before && lane.id != 0);
    assert_true(lane_take(&lane, 1) == 1);
    assert_true(lane_heard(&lane, 1) == 0);
}

static void stamps_never_go_back(void **state)
{
    struct lane lane = {.id = 0};

    (void)state;
    lane_renew(&lane);
    clock_set_for_test(1000, 5000000);
    assert_true(lane_stamp(&lane) == 5000000);
    clock_set_for_test(2000, 4000000);
    assert_true(lane_stamp(&lane) == 5000000);
    lane_renew(&lane);
    assert_true(lane_stamp(&lane) == 5000000);
    clock_set_for_test(3000, 6000000);
    assert_true(lane_stamp(&lane) == 6000000);
    clock_set_for_test(-1, -1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(numbers_in_order),
                                       cmocka_unit_test(a_new_lane_begins_anew),
                                       cmocka_unit_test(stamps_never_go_back)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
