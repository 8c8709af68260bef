/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * Which frames of a history also come live, as shown by the numbers of those that wait.
 */
#include "gateway_test.h"

#include "gaps/live_starts.h"

static void wait_for(struct live_starts *starts, uint32_t lane, uint64_t sequence, uint64_t previous,
                     uint64_t heard)
{
    const struct lane_mark mark = {.lane = lane, .heard = true, .sequence = sequence, .previous = previous};

    live_starts_take(starts, &mark, heard);
}

static bool covers(const struct live_starts *starts, uint32_t lane, uint64_t sequence)
{
    return live_starts_cover(starts, &(struct lane_mark){.lane = lane, .heard = true, .sequence = sequence});
}

static bool covers_of_user(const struct live_starts *starts, uint32_t lane, uint64_t sequence)
{
    return live_starts_cover(starts, &(struct lane_mark){.lane = lane, .sequence = sequence});
}

static void live_begins_after_what_is_missing(void **state)
{
    struct live_starts starts = {0};

    (void)state;
    wait_for(&starts, 7, 50, 40, 30); /* 31 to 40 are missing */
    wait_for(&starts, 7, 60, 50, 30);
    assert_false(covers(&starts, 7, 40));
    assert_true(covers(&starts, 7, 41));
    assert_false(covers_of_user(&starts, 7, 41)); /* before 50 was heard, or after live frames began? */
    assert_true(covers_of_user(&starts, 7, 51));
    assert_true(covers(&starts, 7, 50));
    assert_true(covers(&starts, 7, 1000));
    assert_false(covers(&starts, 8, 1000)); /* nothing of it was heard */
    wait_for(&starts, 7, 90, 80, 30);       /* something else is missing since */
    assert_false(covers(&starts, 7, 80));
    assert_true(covers(&starts, 7, 81));
}

static void a_lane_without_a_gap_keeps_all(void **state)
{
    struct live_starts starts = {0};
    const struct lane_mark user = {.lane = 6, .sequence = 99};

    (void)state;
    wait_for(&starts, 5, 31, 30, 30);
    wait_for(&starts, 5, 31, 30, 30);
    wait_for(&starts, 5, 35, 31, 30);
    assert_false(covers(&starts, 5, 36));
    live_starts_take(&starts, &user, 0); /* not heard by all: proves nothing */
    assert_false(covers(&starts, 6, 100));
}

static void lanes_are_bounded(void **state)
{
    static struct live_starts starts;

    (void)state;
    for (uint32_t lane = 1; lane <= LIVE_STARTS_LANES + 5; lane++)
        wait_for(&starts, lane, 9, 8, 1);
    assert_int_equal(starts.count, LIVE_STARTS_LANES);
    assert_true(covers(&starts, LIVE_STARTS_LANES, 9));
    assert_false(covers(&starts, LIVE_STARTS_LANES + 1, 9));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(live_begins_after_what_is_missing),
        cmocka_unit_test(a_lane_without_a_gap_keeps_all),
        cmocka_unit_test(lanes_are_bounded),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
