/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * The loop turns when something has happened and sleeps when nothing has: woken by other threads, by timers,
 * by signals.
 */
#include "net_rig.h"

#include <signal.h>

static const struct lws_protocols protocols[] = {
    {"http", lws_callback_http_dummy, 0, 512, 0, NULL, 0},
    {NULL, NULL, 0, 0, 0, NULL, 0},
};

static int setup(void **state)
{
    (void)state;
    net_rig_start(protocols, NULL, 100);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    net_rig_stop();
    return 0;
}

static unsigned turns_now;

static void note_turns(void)
{
    turns_now = net_rig.turns;
}

static bool has_turned(void)
{
    return net_rig.turns > turns_now;
}

static const char *wake_from_here(void)
{
    net_do(note_turns);
    for (int i = 0; i < 100; i++) {
        net_do(note_turns); /* returns when a turn has done it */
        EXPECT(net_until(has_turned));
    }
    return NULL;
}

static void other_threads_wake_it(void **state)
{
    (void)state;
    net_rig_run(wake_from_here);
}

static unsigned more_left;

static bool work(struct gateway *gateway)
{
    (void)gateway;
    if (more_left > 0)
        more_left--;
    return more_left > 0;
}

static void have_work(void)
{
    more_left = 1000;
}

static bool is_done(void)
{
    return more_left == 0;
}

static const char *leave_work(void)
{
    unsigned before;

    net_do(note_turns);
    before = turns_now;
    net_do(have_work);
    EXPECT(net_until(is_done));
    net_do(note_turns);
    EXPECT(turns_now >= before + 1000);
    return NULL;
}

/* As long as something is left to do it turns, without anything else that happens. */
static void what_is_left_goes_on(void **state)
{
    (void)state;
    net_rig.turn = work;
    net_rig_run(leave_work);
}

static bool fired;

static void on_time(void *context, struct wheel_timer *timer)
{
    (void)context;
    (void)timer;
    fired = true;
}

static struct wheel_timer timer = {.fire = on_time};

static void arm(void)
{
    fired = false;
    timer_wheel_arm(net_rig.base.gateway.wheel, &timer, net_rig.base.gateway.now_ms + 50);
}

static bool has_fired(void)
{
    return fired;
}

static const char *wait_for_timer(void)
{
    net_do(arm);
    EXPECT(net_until_woken(has_fired, false));
    return NULL;
}

static void a_timer_wakes_it(void **state)
{
    (void)state;
    net_rig_run(wait_for_timer);
}

static bool is_stopped(void)
{
    return net_rig.stops == 1;
}

static bool is_reloaded(void)
{
    return net_rig.reloads == 1;
}

static const char *send_signals(void)
{
    kill(getpid(), SIGHUP);
    EXPECT(net_until(is_reloaded));
    EXPECT(net_rig.stops == 0);
    kill(getpid(), SIGTERM);
    EXPECT(net_until(is_stopped));
    EXPECT(net_rig.reloads == 1);
    return NULL;
}

static void signals_are_asked_for_something(void **state)
{
    (void)state;
    net_rig_run(send_signals);
}

int main(void)
{
#define LOOP_TEST(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
    const struct CMUnitTest tests[] = {
        LOOP_TEST(other_threads_wake_it),
        LOOP_TEST(what_is_left_goes_on),
        LOOP_TEST(a_timer_wakes_it),
        LOOP_TEST(signals_are_asked_for_something),
    };
#undef LOOP_TEST

    lifecycle_init();
    log_init("test", LOG_ERROR, LOG_TEXT);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
