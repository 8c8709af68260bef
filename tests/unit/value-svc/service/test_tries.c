/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * What is remembered of an event that failed, for how many at once, and for how long.
 */
#include "service/tries.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "common/clock.h"

static struct tries *tries;

static int set_up(void **state)
{
    (void)state;
    clock_set_for_test(1000000, 0);
    return tries_create(&tries) == STATUS_OK ? 0 : -1;
}

static int tear_down(void **state)
{
    (void)state;
    tries_free(tries);
    clock_set_for_test(-1, -1);
    return 0;
}

static struct tries_event event(uint64_t sequence, int64_t time_ms)
{
    return (struct tries_event){.sequence = sequence, .time_ms = time_ms};
}

/* A stream that was made again has the same numbers, at other times. */
static void each_event_is_counted_alone(void **state)
{
    (void)state;
    assert_int_equal(tries_known(tries, event(1, 10)), 0);
    assert_int_equal(tries_note(tries, event(1, 10)), 1);
    assert_int_equal(tries_note(tries, event(1, 10)), 2);
    assert_int_equal(tries_note(tries, event(2, 10)), 1);
    assert_int_equal(tries_note(tries, event(1, 11)), 1);
    assert_int_equal(tries_known(tries, event(1, 10)), 2);
    tries_forget(tries, event(1, 10));
    assert_int_equal(tries_known(tries, event(1, 10)), 0);
    assert_int_equal(tries_known(tries, event(2, 10)), 1);
    assert_int_equal(tries_known(tries, event(1, 11)), 1);
    assert_int_equal(tries_note(tries, event(1, 10)), 1);
    tries_forget(tries, event(99, 1)); /* never noted */
}

static void no_more_than_its_places(void **state)
{
    (void)state;
    for (uint64_t i = 1; i <= TRIES_WAITING; i++)
        assert_int_equal(tries_note(tries, event(i, 0)), 1);
    assert_int_equal(tries_note(tries, event(TRIES_WAITING + 1, 0)), 0);
    assert_int_equal(tries_known(tries, event(TRIES_WAITING + 1, 0)), 0);
    assert_int_equal(tries_note(tries, event(7, 0)), 2); /* those that have one go on */
    tries_forget(tries, event(5, 0));
    assert_int_equal(tries_note(tries, event(TRIES_WAITING + 1, 0)), 1);
    assert_int_equal(tries_note(tries, event(TRIES_WAITING + 2, 0)), 0);
}

/* What another instance took over is never forgotten by name. */
static void what_nobody_touches_gives_its_place_away(void **state)
{
    (void)state;
    for (uint64_t i = 1; i <= TRIES_WAITING; i++)
        tries_note(tries, event(i, 0));
    clock_set_for_test(1000000 + 100 * 1000000LL, 0);
    assert_int_equal(tries_note(tries, event(3, 0)), 2); /* touched again */
    assert_int_equal(tries_note(tries, event(1000, 0)), 0);
    clock_set_for_test(1000000 + 121 * 1000000LL, 0);
    assert_int_equal(tries_note(tries, event(1000, 0)), 1);
    assert_int_equal(tries_known(tries, event(3, 0)), 2);
    assert_int_equal(tries_known(tries, event(1, 0)), 0); /* its place went */
}

static void delays_double(void **state)
{
    (void)state;
    assert_int_equal(tries_delay_ms(1), 100);
    assert_int_equal(tries_delay_ms(2), 200);
    assert_int_equal(tries_delay_ms(TRIES_MAXIMUM), 100 << (TRIES_MAXIMUM - 1));
    assert_int_equal(tries_delay_ms(1000), tries_delay_ms(TRIES_MAXIMUM));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(each_event_is_counted_alone, set_up, tear_down),
        cmocka_unit_test_setup_teardown(no_more_than_its_places, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_nobody_touches_gives_its_place_away, set_up, tear_down),
        cmocka_unit_test(delays_double),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
