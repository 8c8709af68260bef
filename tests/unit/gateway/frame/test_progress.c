/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * Lanes as they arrive: numbers in order, repeats, gaps, lanes that begin and end.
 */
#include "gateway_test.h"

#include "frame/progress.h"

enum { KEEP = 150000, SETTLED = 10000, WALL = 1000000 };

static int make(void **state)
{
    *state = progress_create(KEEP, 1000, WALL);
    assert_non_null(*state);
    return 0;
}

static int done(void **state)
{
    progress_free(*state);
    return 0;
}

/* A frame or mark that every gateway hears. */
static enum progress_verdict hear(struct progress *progress, uint32_t lane, uint64_t sequence,
                                  uint64_t previous, uint64_t now_ms)
{
    const struct lane_mark mark = {
        .lane = lane, .heard = true, .sequence = sequence, .previous = previous, .epoch = 9};

    return progress_take(progress, &mark, now_ms, WALL + (int64_t)now_ms);
}

/* A frame to one user. */
static enum progress_verdict user(struct progress *progress, uint32_t lane, uint64_t sequence)
{
    const struct lane_mark mark = {.lane = lane, .sequence = sequence};

    return progress_take(progress, &mark, SETTLED, WALL);
}

static uint64_t at(const struct progress *progress, uint32_t lane)
{
    const struct position_lane *found = position_find(progress_position(progress), lane);

    return found ? found->sequence : 0;
}

static void numbers_move_the_position(void **state)
{
    struct progress *progress = *state;

    assert_true(progress_settling(progress, 1000));
    assert_int_equal(hear(progress, 5, 70, 65, 1000), PROGRESS_NEW); /* a lane that existed before */
    assert_int_equal(at(progress, 5), 70);
    assert_false(progress_settling(progress, SETTLED));
    assert_int_equal(user(progress, 5, 71), PROGRESS_NEW);
    assert_int_equal(hear(progress, 5, 73, 70, SETTLED), PROGRESS_NEW);
    assert_int_equal(hear(progress, 6, 1, 0, SETTLED), PROGRESS_NEW); /* one that has just begun */
    assert_int_equal(at(progress, 5), 73);
    assert_int_equal(at(progress, 6), 1);
    assert_int_equal(progress_position(progress)->epoch, 9);
    assert_int_equal(progress_take(progress, &(struct lane_mark){0}, SETTLED, WALL), PROGRESS_NEW);
    assert_int_equal(progress_position(progress)->count, 2);
}

static void a_number_that_is_missing_is_a_gap(void **state)
{
    struct progress *progress = *state;
    const struct lane_mark after = {.lane = 5, .heard = true, .sequence = 80, .previous = 77};

    assert_int_equal(hear(progress, 5, 70, 65, 1000), PROGRESS_NEW);
    assert_int_equal(progress_take(progress, &after, SETTLED, WALL), PROGRESS_GAP);
    assert_int_equal(at(progress, 5), 70);
    progress_accept(progress, &after, SETTLED);
    assert_int_equal(at(progress, 5), 80);
    assert_int_equal(hear(progress, 5, 81, 80, SETTLED), PROGRESS_NEW);
    /* a lane that began unheard, and one whose first frames were a user's */
    assert_int_equal(hear(progress, 6, 3, 2, SETTLED), PROGRESS_GAP);
    assert_int_equal(user(progress, 7, 4), PROGRESS_NEW);
    assert_int_equal(hear(progress, 7, 5, 3, SETTLED), PROGRESS_GAP);
    assert_int_equal(hear(progress, 7, 5, 0, SETTLED), PROGRESS_NEW);
}

/* A history may have shown a later frame and not an earlier one: the earlier one comes live, and is not a
 * repeat. */
static void what_a_history_did_not_show_is_news(void **state)
{
    struct progress *progress = *state;
    const struct lane_mark read = {.lane = 5, .heard = true, .sequence = 80, .previous = 0};

    assert_int_equal(hear(progress, 5, 70, 65, 1000), PROGRESS_NEW);
    assert_int_equal(progress_heard(progress, 5), 70);
    assert_int_equal(progress_heard(progress, 6), 0);
    progress_accept(progress, &read, SETTLED);
    progress_start(progress, SETTLED, WALL);
    assert_int_equal(hear(progress, 5, 76, 74, SETTLED), PROGRESS_NEW);
    assert_int_equal(hear(progress, 5, 78, 76, SETTLED), PROGRESS_NEW);
    assert_int_equal(hear(progress, 5, 80, 78, SETTLED), PROGRESS_NEW); /* its id shows that it is a repeat */
    assert_int_equal(hear(progress, 5, 82, 80, SETTLED), PROGRESS_NEW);
    assert_int_equal(hear(progress, 5, 82, 80, SETTLED), PROGRESS_REPEAT);
}

static void what_was_taken_is_a_repeat(void **state)
{
    struct progress *progress = *state;

    assert_int_equal(hear(progress, 5, 70, 65, 1000), PROGRESS_NEW);
    assert_int_equal(hear(progress, 5, 72, 70, SETTLED), PROGRESS_NEW);
    assert_int_equal(hear(progress, 5, 72, 70, SETTLED), PROGRESS_REPEAT);
    assert_int_equal(hear(progress, 5, 71, 70, SETTLED), PROGRESS_REPEAT);
    /* from before this gateway listened: unknown */
    assert_int_equal(hear(progress, 5, 70, 65, SETTLED), PROGRESS_NEW);
    assert_int_equal(hear(progress, 5, 66, 65, SETTLED), PROGRESS_NEW);
    assert_int_equal(at(progress, 5), 72);
    /* users' frames are judged by their own numbers */
    assert_int_equal(user(progress, 5, 71), PROGRESS_NEW);
}

static void after_a_new_start_lanes_are_taken_as_they_come(void **state)
{
    struct progress *progress = *state;

    assert_int_equal(hear(progress, 5, 70, 65, 1000), PROGRESS_NEW);
    progress_start(progress, SETTLED, WALL + 5000);
    assert_true(progress_settling(progress, SETTLED));
    assert_int_equal(hear(progress, 5, 99, 90, SETTLED), PROGRESS_NEW);
    assert_int_equal(hear(progress, 5, 101, 100, SETTLED), PROGRESS_GAP);
    assert_int_equal(progress_position(progress)->since_ms, WALL + 5000);
}

static void silent_lanes_leave(void **state)
{
    struct progress *progress = *state;

    assert_int_equal(hear(progress, 5, 70, 65, 1000), PROGRESS_NEW);
    assert_int_equal(hear(progress, 6, 10, 9, 1000), PROGRESS_NEW);
    assert_int_equal(hear(progress, 6, 11, 10, 100000), PROGRESS_NEW);
    progress_expire(progress, 1000 + KEEP - 1, WALL + KEEP);
    assert_int_equal(at(progress, 5), 70);
    progress_expire(progress, 1000 + KEEP, WALL + KEEP);
    assert_int_equal(at(progress, 5), 0);
    assert_int_equal(at(progress, 6), 11);
    /* what the silent lane published is still distinguished from later numbers */
    assert_true(position_covers(progress_position(progress), 5, 70, WALL));
    assert_int_equal(hear(progress, 6, 12, 11, 1000 + KEEP), PROGRESS_NEW);
}

static void beyond_the_bound_there_are_no_offsets(void **state)
{
    struct progress *progress = *state;

    assert_int_equal(progress_offset(progress, 1000).length, 0);
    for (uint32_t i = 1; i <= POSITION_LANES; i++)
        assert_int_equal(hear(progress, i, 1, 0, SETTLED), PROGRESS_NEW);
    assert_in_range(progress_offset(progress, SETTLED).length, 1, POSITION_TEXT_MAXIMUM);
    assert_int_equal(hear(progress, 99, 1, 0, SETTLED), PROGRESS_NEW);
    assert_int_equal(progress_offset(progress, SETTLED).length, 0);
    assert_null(progress_share(progress, SETTLED));
    progress_expire(progress, SETTLED + KEEP, WALL);
    assert_int_equal(hear(progress, 99, 2, 1, SETTLED + KEEP), PROGRESS_GAP);
    assert_int_equal(hear(progress, 100, 1, 0, SETTLED + KEEP), PROGRESS_NEW);
    assert_in_range(progress_offset(progress, SETTLED + KEEP).length, 1, POSITION_TEXT_MAXIMUM);
}

static void a_lane_that_is_over_makes_room(void **state)
{
    struct progress *progress = *state;

    for (uint32_t i = 1; i <= POSITION_LANES; i++)
        hear(progress, i, 7, 0, SETTLED);
    for (uint32_t i = 2; i <= POSITION_LANES; i++)
        hear(progress, i, 8, 7, SETTLED + 6000);
    assert_int_equal(hear(progress, 99, 1, 0, SETTLED + 6000), PROGRESS_NEW);
    assert_int_equal(at(progress, 99), 1);
    assert_int_equal(at(progress, 1), 0);
    assert_in_range(progress_offset(progress, SETTLED + 6000).length, 1, POSITION_TEXT_MAXIMUM);
    /* Everything published by the lane that left had been heard by then. */
    assert_true(progress_position(progress)->since_ms >= WALL + SETTLED);
    assert_true(progress_position(progress)->since_ms < WALL + SETTLED + 5000);
    assert_int_equal(hear(progress, 2, 10, 9, SETTLED + 6000), PROGRESS_GAP);
}

static void a_lane_without_room_shows_no_gaps(void **state)
{
    struct progress *progress = *state;

    for (uint32_t i = 1; i <= POSITION_LANES; i++)
        hear(progress, i, 7, 0, SETTLED);
    assert_int_equal(hear(progress, 99, 1, 0, SETTLED), PROGRESS_NEW);
    assert_int_equal(hear(progress, 99, 2, 1, SETTLED), PROGRESS_NEW);
    assert_int_equal(hear(progress, 99, 9, 8, SETTLED), PROGRESS_NEW);
    assert_int_equal(at(progress, 99), 0);
}

static void a_copy_is_shared_until_something_moves(void **state)
{
    struct progress *progress = *state;
    struct position *first = progress_share(progress, SETTLED);
    struct position *second = progress_share(progress, SETTLED);
    struct position *third;

    assert_ptr_equal(first, second);
    assert_int_equal(hear(progress, 5, 70, 0, SETTLED), PROGRESS_NEW);
    third = progress_share(progress, SETTLED);
    assert_ptr_not_equal(first, third);
    assert_int_equal(first->count, 0);
    assert_int_equal(third->count, 1);
    position_unref(first);
    position_unref(second);
    position_unref(third);
}

int main(void)
{
#define PROGRESS_TEST(test) cmocka_unit_test_setup_teardown(test, make, done)
    const struct CMUnitTest tests[] = {
        PROGRESS_TEST(numbers_move_the_position),
        PROGRESS_TEST(a_number_that_is_missing_is_a_gap),
        PROGRESS_TEST(what_a_history_did_not_show_is_news),
        PROGRESS_TEST(what_was_taken_is_a_repeat),
        PROGRESS_TEST(after_a_new_start_lanes_are_taken_as_they_come),
        PROGRESS_TEST(silent_lanes_leave),
        PROGRESS_TEST(beyond_the_bound_there_are_no_offsets),
        PROGRESS_TEST(a_lane_that_is_over_makes_room),
        PROGRESS_TEST(a_lane_without_room_shows_no_gaps),
        PROGRESS_TEST(a_copy_is_shared_until_something_moves),
    };
#undef PROGRESS_TEST

    return cmocka_run_group_tests(tests, NULL, NULL);
}
