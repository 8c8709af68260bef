/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * Which entries of a history a reader has missed: by its position, by what a redelivery left in the history
 * again, and in what order.
 */
#include "history/history_question.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#define NOW_MS INT64_C(1790000000000)

static const struct history_now now = {.epoch = 5, .wall_ms = NOW_MS, .window_ms = 120000, .length = 1000};
static struct history_found found[HISTORY_FRAMES + 2];
static struct history_question question;
static uint32_t found_count;

/* A reader that has come to 10 in lane 1 and to 20 in lane 2. */
static void begin(int64_t since_ms)
{
    uint32_t lanes[] = {1, 2};
    uint64_t sequences[] = {10, 20};
    Pollen8__Position position = POLLEN8__POSITION__INIT;
    Pollen8__HistoryRead read = POLLEN8__HISTORY_READ__INIT;

    position.epoch = 5;
    position.time_ms = NOW_MS - 1000;
    position.since_ms = since_ms;
    position.lanes = lanes;
    position.n_lanes = 2;
    position.sequences = sequences;
    position.n_sequences = 2;
    assert_true(question_position_valid(&position));
    read.after = &position;
    question_begin(&question, &read, &now);
    assert_null(question.reason);
    found_count = 0;
}

static bool offer_again(uint32_t lane, uint64_t number, uint64_t event_id, int64_t stamp_ms,
                        uint32_t first_lane, uint64_t first_number)
{
    const struct history_entry entry = {
        .found = {.stamp_us = stamp_ms * 1000, .number = number, .event_id = event_id, .lane = lane},
        .first_lane = first_lane,
        .first_number = first_number};

    if (!question_wants(&question, &entry))
        return false;
    assert_true(found_count < HISTORY_FRAMES + 2);
    found[found_count] = entry.found;
    question_give(&question, found, found_count++);
    return true;
}

static bool offer(uint32_t lane, uint64_t number, uint64_t event_id)
{
    return offer_again(lane, number, event_id, NOW_MS, 0, 0);
}

static void by_the_numbers(void **state)
{
    (void)state;
    begin(0);
    assert_false(offer(1, 10, 100));
    assert_true(offer(1, 11, 101));
    assert_false(offer(2, 20, 102));
    assert_true(offer(2, 21, 103));
    assert_true(offer(3, 1, 104)); /* a lane it never heard of */
    assert_false(offer_again(3, 1, 105, NOW_MS - 1000 - HISTORY_LOOKBACK_MS - 1, 0, 0)); /* long ago */
    begin(NOW_MS - 500);
    assert_false(offer_again(3, 1, 106, NOW_MS - 501, 0, 0)); /* it would have heard of it since */
    assert_true(offer_again(3, 1, 106, NOW_MS - 500, 0, 0));
}

/* A bit for each lane of the position in which something may be missing; none where one is not in it. */
static void lanes_in_which_something_is_missed(void **state)
{
    uint32_t lanes[] = {1, 2};
    uint64_t sequences[] = {10, 20};
    uint32_t missed[] = {2, 3};
    Pollen8__Position position = POLLEN8__POSITION__INIT;
    Pollen8__HistoryRead read = POLLEN8__HISTORY_READ__INIT;

    (void)state;
    position.epoch = 5;
    position.time_ms = NOW_MS;
    position.lanes = lanes;
    position.n_lanes = 2;
    position.sequences = sequences;
    position.n_sequences = 2;
    read.after = &position;
    question_begin(&question, &read, &now);
    assert_int_equal(question.missed, 0);
    read.missed_lanes = missed;
    read.n_missed_lanes = 1;
    question_begin(&question, &read, &now);
    assert_int_equal(question.missed, 2);
    assert_int_equal(question_had_lanes(&question, 1, 10), 1);
    assert_int_equal(question_had_lanes(&question, 2, 20), 2);
    assert_int_equal(question_had_lanes(&question, 2, 21), 0);
    assert_int_equal(question_had_lanes(&question, 3, 1), 0);
    read.n_missed_lanes = 2;
    question_begin(&question, &read, &now);
    assert_int_equal(question.missed, 0);
}

/* Lane 1 died with 11: it was published as 21 of lane 2, or had been published before the death. */
static void redelivered(void **state)
{
    (void)state;
    begin(0);
    assert_true(offer(1, 11, 100));
    assert_true(offer_again(2, 21, 100, NOW_MS, 1, 11)); /* had neither: told both, the asker knows */
    begin(0);
    assert_false(offer(1, 10, 100));
    assert_false(offer_again(2, 21, 100, NOW_MS, 1, 10)); /* had the first */
    begin(0);
    assert_true(offer(1, 11, 100));
    assert_true(offer(1, 12, 101));
    assert_false(offer_again(2, 20, 100, NOW_MS, 1, 11)); /* had the second: the first is taken back */
    offer_again(3, 1, 100, NOW_MS, 1, 11);                /* and a third is not given either */
    question_compact(&question, found);
    assert_int_equal(question.found_count, 1);
    assert_true(found[question.found[0]].event_id == 101);
}

static void in_order_and_once(void **state)
{
    (void)state;
    begin(0);
    assert_true(offer_again(2, 22, 1, NOW_MS, 0, 0));
    assert_true(offer_again(1, 12, 2, NOW_MS, 0, 0));
    assert_true(offer_again(1, 11, 3, NOW_MS, 0, 0));
    assert_true(offer_again(1, 12, 2, NOW_MS, 0, 0)); /* from another room */
    assert_true(offer_again(2, 21, 4, NOW_MS - 5, 0, 0));
    question_compact(&question, found);
    assert_int_equal(question.found_count, 4);
    assert_true(found[question.found[0]].event_id == 4);
    assert_true(found[question.found[1]].event_id == 3);
    assert_true(found[question.found[2]].event_id == 2);
    assert_true(found[question.found[3]].event_id == 1);
}

static void bounded(void **state)
{
    (void)state;
    begin(0);
    for (uint64_t i = 0; i < HISTORY_FRAMES; i++)
        assert_true(offer(1, 11 + i / 2, i)); /* each twice */
    assert_null(question.reason);
    assert_true(offer(1, 9999, 9999)); /* what came twice makes room */
    assert_null(question.reason);
    assert_int_equal(question.found_count, HISTORY_FRAMES / 2 + 1);
    begin(0);
    for (uint64_t i = 0; i <= HISTORY_FRAMES; i++)
        assert_true(offer(1, 11 + i, i));
    assert_string_equal(question.reason, "size");
    assert_false(offer(1, 99999, 1));
}

/* A worker's batch came again, and a reader that had it asks for something else. Each is in two rooms. */
static void many_redelivered(void **state)
{
    (void)state;
    begin(0);
    question.sequences[1] = 100 + HISTORY_DROPPED;
    assert_true(offer(1, 11, 1));
    for (uint64_t i = 0; i < HISTORY_DROPPED; i++) {
        assert_false(offer_again(2, 100 + i, 100 + i, NOW_MS, 1, 12 + i));
        assert_false(offer_again(2, 100 + i, 100 + i, NOW_MS, 1, 12 + i));
    }
    assert_true(offer(1, 12, 100)); /* the first publishing of one of these */
    assert_null(question.reason);
    question_compact(&question, found);
    assert_int_equal(question.found_count, 1);
    assert_true(found[question.found[0]].event_id == 1);
    assert_false(offer_again(2, 99, 99, NOW_MS, 1, 13));
    assert_string_equal(question.reason, "size");
}

static void positions(void **state)
{
    Pollen8__Position position = POLLEN8__POSITION__INIT;
    Pollen8__HistoryRead read = POLLEN8__HISTORY_READ__INIT;

    (void)state;
    assert_false(question_position_valid(NULL));
    position.n_lanes = 1;
    assert_false(question_position_valid(&position));
    position.n_lanes = HISTORY_LANES + 1;
    position.n_sequences = HISTORY_LANES + 1;
    assert_false(question_position_valid(&position));
    position.n_lanes = 0;
    position.n_sequences = 0;
    assert_true(question_position_valid(&position));
    position.time_ms = NOW_MS;
    read.after = &position;
    question_begin(&question, &read, &now);
    assert_string_equal(question.reason, "epoch");
    position.epoch = 5;
    position.time_ms = NOW_MS - 120001;
    read.after = &position;
    question_begin(&question, &read, &now);
    assert_string_equal(question.reason, "age");
    position.time_ms = NOW_MS - 120000;
    read.after = &position;
    question_begin(&question, &read, &now);
    assert_null(question.reason);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(by_the_numbers), cmocka_unit_test(lanes_in_which_something_is_missed),
        cmocka_unit_test(redelivered),    cmocka_unit_test(in_order_and_once),
        cmocka_unit_test(bounded),        cmocka_unit_test(many_redelivered),
        cmocka_unit_test(positions)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
