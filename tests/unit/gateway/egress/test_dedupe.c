/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * The repeat filter over time: never less than a window, never more than two, never past its bound.
 */
#include "gateway_test.h"

#include "egress/dedupe.h"

#define WINDOW 10000

static void drops_repeats_within_the_window(void **state)
{
    struct dedupe *dedupe = dedupe_create(WINDOW, 100);

    (void)state;
    assert_non_null(dedupe);
    assert_false(dedupe_repeat(dedupe, 7, 1000));
    assert_true(dedupe_repeat(dedupe, 7, 1000));
    assert_false(dedupe_repeat(dedupe, 8, 5000));
    assert_true(dedupe_repeat(dedupe, 7, 1000 + WINDOW - 1));
    assert_true(dedupe_repeat(dedupe, 8, 5000 + WINDOW - 1));
    assert_false(dedupe_repeat(dedupe, 7, 1000 + 2 * WINDOW));
    dedupe_free(dedupe);
    dedupe_free(NULL);
}

static void zero_names_nothing(void **state)
{
    struct dedupe *dedupe = dedupe_create(WINDOW, 1);

    (void)state;
    assert_false(dedupe_repeat(dedupe, 0, 1));
    assert_false(dedupe_repeat(dedupe, 0, 1));
    assert_false(dedupe_repeat(dedupe, 1, 1));
    assert_true(dedupe_repeat(dedupe, 1, 1));
    dedupe_free(dedupe);
}

/* Every id of the last window is known, whenever it came, as long as the rate is within the bound. */
static void remembers_a_whole_window(void **state)
{
    struct dedupe *dedupe = dedupe_create(1000, 1000);

    (void)state;
    for (uint64_t now = 1; now < 20000; now++) {
        assert_false(dedupe_repeat(dedupe, now << 32, now));
        if (now > 999)
            assert_true(dedupe_repeat(dedupe, (now - 999) << 32, now));
    }
    dedupe_free(dedupe);
}

/* Nothing is known for longer than two windows. */
static void forgets_in_time(void **state)
{
    struct dedupe *dedupe = dedupe_create(1000, 100);

    (void)state;
    for (uint64_t i = 0; i < 50; i++) {
        assert_false(dedupe_repeat(dedupe, 99, 1 + i * 2000));
        assert_false(dedupe_repeat(dedupe, 1000 + i, 1 + i * 2000 + 900));
    }
    dedupe_free(dedupe);
}

static void gives_up_the_oldest_at_the_bound(void **state)
{
    struct dedupe *dedupe = dedupe_create(WINDOW, 10);

    (void)state;
    for (uint64_t id = 1; id <= 20; id++)
        assert_false(dedupe_repeat(dedupe, id, 1));
    for (uint64_t id = 1; id <= 20; id++)
        assert_true(dedupe_repeat(dedupe, id, 1));
    assert_false(dedupe_repeat(dedupe, 21, 1));
    for (uint64_t id = 11; id <= 21; id++)
        assert_true(dedupe_repeat(dedupe, id, 1));
    assert_false(dedupe_repeat(dedupe, 1, 1));
    dedupe_free(dedupe);
}

static void handles_ids_that_collide(void **state)
{
    struct dedupe *dedupe = dedupe_create(WINDOW, 1000);

    (void)state;
    for (uint64_t id = 1; id <= 1000; id++)
        assert_false(dedupe_repeat(dedupe, id << 54, 1));
    for (uint64_t id = 1; id <= 1000; id++)
        assert_true(dedupe_repeat(dedupe, id << 54, 1));
    assert_false(dedupe_repeat(dedupe, UINT64_MAX, 1));
    assert_true(dedupe_repeat(dedupe, UINT64_MAX, 1));
    dedupe_free(dedupe);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(drops_repeats_within_the_window),  cmocka_unit_test(zero_names_nothing),
        cmocka_unit_test(remembers_a_whole_window),         cmocka_unit_test(forgets_in_time),
        cmocka_unit_test(gives_up_the_oldest_at_the_bound), cmocka_unit_test(handles_ids_that_collide),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
