/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * The timing wheel with the test's own clock: never early, at most a tick late, whatever a firing timer does
 * to others.
 */
#include "gateway_test.h"

#include "base/timer_wheel.h"

struct probe {
    struct wheel_timer timer; /* first, so that a timer is its probe */
    struct timer_wheel *wheel;
    uint64_t fired_at; /* 0: not yet */
    unsigned fired;
    uint64_t rearm_after;        /* 0: not */
    struct wheel_timer *cancels; /* another timer to cancel */
};

static uint64_t test_now;

static void on_fire(void *context, struct wheel_timer *timer)
{
    struct probe *probe = (struct probe *)(void *)timer;

    assert_ptr_equal(context, &test_now);
    assert_false(timer_wheel_armed(timer));
    probe->fired_at = test_now;
    probe->fired++;
    if (probe->rearm_after)
        timer_wheel_arm(probe->wheel, timer, test_now + probe->rearm_after);
    if (probe->cancels)
        timer_wheel_cancel(probe->wheel, probe->cancels);
}

static void probe_init(struct probe *probe, struct timer_wheel *wheel)
{
    *probe = (struct probe){.timer = {.fire = on_fire}, .wheel = wheel};
}

static void advance(struct timer_wheel *wheel, uint64_t now)
{
    test_now = now;
    timer_wheel_advance(wheel, now);
}

/* Moves from one point to the next as the loop does: sleeps until timer_wheel_next, then advances. */
static void run_until(struct timer_wheel *wheel, uint64_t end)
{
    while (timer_wheel_next(wheel) <= end)
        advance(wheel, timer_wheel_next(wheel));
    advance(wheel, end);
}

static void fires_at_its_time(void **state)
{
    static const uint64_t delays[] = {0,     1,     3,     4,     5,      100,    25000,  32767,
                                      32768, 32769, 45000, 65536, 100000, 655360, 3600000};
    struct probe probes[COUNT(delays)];
    struct timer_wheel *wheel = timer_wheel_create(1003, &test_now);

    (void)state;
    assert_non_null(wheel);
    for (size_t i = 0; i < COUNT(delays); i++) {
        probe_init(&probes[i], wheel);
        timer_wheel_arm(wheel, &probes[i].timer, 1003 + delays[i]);
        assert_true(timer_wheel_armed(&probes[i].timer));
    }
    run_until(wheel, 1003 + 3600000 + TIMER_WHEEL_TICK_MS);
    for (size_t i = 0; i < COUNT(delays); i++) {
        assert_int_equal(probes[i].fired, 1);
        assert_in_range(probes[i].fired_at, 1003 + delays[i], 1003 + delays[i] + TIMER_WHEEL_TICK_MS);
        assert_false(timer_wheel_armed(&probes[i].timer));
    }
    assert_true(timer_wheel_next(wheel) == TIMER_WHEEL_NEVER);
    timer_wheel_free(wheel);
    timer_wheel_free(NULL);
}

static void never_fires_before(void **state)
{
    struct timer_wheel *wheel = timer_wheel_create(0, &test_now);
    struct probe probe;

    (void)state;
    for (uint64_t due = 1; due < 100; due++) {
        uint64_t start = due * 1000;

        probe_init(&probe, wheel);
        advance(wheel, start);
        timer_wheel_arm(wheel, &probe.timer, start + due);
        for (uint64_t now = start; now < start + due; now++)
            advance(wheel, now);
        assert_int_equal(probe.fired, 0);
        advance(wheel, start + due + TIMER_WHEEL_TICK_MS);
        assert_int_equal(probe.fired, 1);
    }
    timer_wheel_free(wheel);
}

static void a_past_time_fires_next(void **state)
{
    struct timer_wheel *wheel = timer_wheel_create(5000, &test_now);
    struct probe probe;

    (void)state;
    probe_init(&probe, wheel);
    advance(wheel, 5000);
    timer_wheel_arm(wheel, &probe.timer, 10);
    assert_true(timer_wheel_next(wheel) <= 5000 + TIMER_WHEEL_TICK_MS);
    run_until(wheel, 5000 + 2 * TIMER_WHEEL_TICK_MS);
    assert_int_equal(probe.fired, 1);
    timer_wheel_free(wheel);
}

static void cancels_and_moves(void **state)
{
    struct timer_wheel *wheel = timer_wheel_create(0, &test_now);
    struct probe gone;
    struct probe later;
    struct probe sooner;

    (void)state;
    probe_init(&gone, wheel);
    probe_init(&later, wheel);
    probe_init(&sooner, wheel);
    timer_wheel_cancel(wheel, &gone.timer); /* was never armed */
    timer_wheel_arm(wheel, &gone.timer, 100);
    timer_wheel_arm(wheel, &later.timer, 100);
    timer_wheel_arm(wheel, &sooner.timer, 90000);
    timer_wheel_cancel(wheel, &gone.timer);
    timer_wheel_cancel(wheel, &gone.timer);
    timer_wheel_arm(wheel, &later.timer, 500);
    timer_wheel_arm(wheel, &sooner.timer, 50);
    run_until(wheel, 200);
    assert_int_equal(gone.fired, 0);
    assert_int_equal(later.fired, 0);
    assert_int_equal(sooner.fired, 1);
    run_until(wheel, 100000);
    assert_int_equal(later.fired, 1);
    assert_int_equal(sooner.fired, 1);
    timer_wheel_free(wheel);
}

/* As an answered heartbeat does: nobody has to look at the time when it was due before. */
static void who_has_moved_on_wakes_nobody(void **state)
{
    struct timer_wheel *wheel = timer_wheel_create(0, &test_now);
    struct probe probe;

    (void)state;
    probe_init(&probe, wheel);
    timer_wheel_arm(wheel, &probe.timer, 20000);
    timer_wheel_arm(wheel, &probe.timer, 25000);
    assert_true(timer_wheel_next(wheel) == 25000);
    run_until(wheel, 30000);
    assert_int_equal(probe.fired_at, 25000);
    timer_wheel_free(wheel);
}

static void a_firing_timer_may_do_anything(void **state)
{
    struct timer_wheel *wheel = timer_wheel_create(0, &test_now);
    struct probe again;
    struct probe first;
    struct probe second;

    (void)state;
    probe_init(&again, wheel);
    again.rearm_after = 25;
    timer_wheel_arm(wheel, &again.timer, 25);
    run_until(wheel, 1000);
    assert_in_range(again.fired, 33, 40); /* each up to a tick late */
    timer_wheel_cancel(wheel, &again.timer);

    /* two of one tick, each of which cancels the other: exactly one fires */
    probe_init(&first, wheel);
    probe_init(&second, wheel);
    first.cancels = &second.timer;
    second.cancels = &first.timer;
    timer_wheel_arm(wheel, &first.timer, 2000);
    timer_wheel_arm(wheel, &second.timer, 2000);
    run_until(wheel, 3000);
    assert_int_equal(first.fired + second.fired, 1);
    timer_wheel_free(wheel);
}

static void rearming_for_now_does_not_spin(void **state)
{
    struct timer_wheel *wheel = timer_wheel_create(0, &test_now);
    struct probe probe;

    (void)state;
    probe_init(&probe, wheel);
    timer_wheel_arm(wheel, &probe.timer, 10);
    probe.rearm_after = 0;
    probe.cancels = NULL;
    test_now = 12;
    timer_wheel_advance(wheel, 12);
    assert_int_equal(probe.fired, 1);
    probe.rearm_after = 1; /* due within the tick that is being visited */
    timer_wheel_arm(wheel, &probe.timer, 13);
    advance(wheel, 16);
    assert_int_equal(probe.fired, 2);
    timer_wheel_cancel(wheel, &probe.timer);
    timer_wheel_free(wheel);
}

static void catches_up_after_a_long_stop(void **state)
{
    enum { TIMERS = 500 };
    static struct probe probes[TIMERS];
    struct timer_wheel *wheel = timer_wheel_create(0, &test_now);

    (void)state;
    for (size_t i = 0; i < TIMERS; i++) {
        probe_init(&probes[i], wheel);
        timer_wheel_arm(wheel, &probes[i].timer, i * 997);
    }
    advance(wheel, 499 * 997 + TIMER_WHEEL_TICK_MS); /* many revolutions in one step */
    for (size_t i = 0; i < TIMERS; i++)
        assert_int_equal(probes[i].fired, 1);
    assert_true(timer_wheel_next(wheel) == TIMER_WHEEL_NEVER);
    timer_wheel_free(wheel);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fires_at_its_time),
        cmocka_unit_test(never_fires_before),
        cmocka_unit_test(a_past_time_fires_next),
        cmocka_unit_test(cancels_and_moves),
        cmocka_unit_test(who_has_moved_on_wakes_nobody),
        cmocka_unit_test(a_firing_timer_may_do_anything),
        cmocka_unit_test(rearming_for_now_does_not_spin),
        cmocka_unit_test(catches_up_after_a_long_stop),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
