/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * Signals as events, the second signal, the limit of the drain, and the limit of open files; each in a
 * process of its own.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

#include "capture.h"
#include "common/log.h"
#include "common/ops/lifecycle.h"

static struct captured captured;

static void say(enum lifecycle_event event)
{
    printf("%s ", event == LIFECYCLE_STOP ? "stop" : event == LIFECYCLE_RELOAD ? "reload" : "timeout");
    fflush(stdout);
}

static void wait_for_each(void *context)
{
    (void)context;
    lifecycle_init();
    say(lifecycle_wait(0));
    say(lifecycle_wait(20));
    kill(getpid(), SIGHUP);
    say(lifecycle_wait(-1));
    kill(getpid(), SIGTERM);
    say(lifecycle_wait(-1));
    kill(getpid(), SIGINT);
    say(lifecycle_wait(10000));
    say(lifecycle_wait(0));
    raise(SIGPIPE); /* ignored */
}

static void signals_are_events(void **state)
{
    (void)state;
    capture(wait_for_each, NULL, &captured);
    assert_int_equal(captured.exit_status, 0);
    assert_string_equal(captured.out, "timeout timeout reload stop stop timeout ");
}

static void *signal_later(void *argument)
{
    usleep(20000); /* only so that the wait has likely begun; the outcome is the same if not */
    kill(getpid(), *(int *)argument);
    return NULL;
}

static void wait_while_a_thread_signals(void *context)
{
    pthread_t thread;

    lifecycle_init(); /* before the thread: it inherits the mask */
    pthread_create(&thread, NULL, signal_later, context);
    say(lifecycle_wait(-1));
    pthread_join(thread, NULL);
}

static void a_signal_reaches_the_wait_whatever_thread_runs(void **state)
{
    int signals[] = {SIGTERM, SIGINT, SIGHUP};

    (void)state;
    for (int i = 0; i < 3; i++) {
        capture(wait_while_a_thread_signals, &signals[i], &captured);
        assert_int_equal(captured.exit_status, 0);
        assert_string_equal(captured.out, signals[i] == SIGHUP ? "reload " : "stop ");
    }
}

static void read_the_descriptor(void *context)
{
    int descriptor;
    struct pollfd watched;

    (void)context;
    lifecycle_init();
    descriptor = lifecycle_descriptor();
    watched = (struct pollfd){.fd = descriptor, .events = POLLIN};
    say(lifecycle_read(descriptor)); /* nothing there: does not block */
    printf("%d ", poll(&watched, 1, 0));
    kill(getpid(), SIGHUP);
    kill(getpid(), SIGTERM);
    printf("%d ", poll(&watched, 1, 10000));
    say(lifecycle_read(descriptor));
    say(lifecycle_read(descriptor));
    say(lifecycle_read(descriptor));
    close(descriptor);
    say(lifecycle_read(descriptor)); /* closed: nothing */
}

static void a_loop_reads_them_from_a_descriptor(void **state)
{
    (void)state;
    capture(read_the_descriptor, NULL, &captured);
    assert_int_equal(captured.exit_status, 0);
    assert_string_equal(captured.out, "timeout 0 1 reload stop timeout timeout ");
}

static void signal_twice(void *context)
{
    int second = *(int *)context;

    lifecycle_init();
    log_init("gateway", LOG_INFO, LOG_TEXT);
    kill(getpid(), SIGTERM);
    say(lifecycle_wait(-1));
    lifecycle_draining(60000);
    kill(getpid(), SIGHUP); /* a reload does not end a drain */
    kill(getpid(), second);
    for (;;)
        pause(); /* a drain that hangs */
}

static void the_second_signal_ends_at_once(void **state)
{
    int seconds[] = {SIGTERM, SIGINT};

    (void)state;
    for (int i = 0; i < 2; i++) {
        capture(signal_twice, &seconds[i], &captured);
        assert_int_equal(captured.exit_status, 1);
        assert_string_equal(captured.out, "stop ");
        assert_non_null(strstr(captured.err, "a second signal"));
    }
}

static void second_signal_on_the_descriptor(void *context)
{
    int descriptor;

    (void)context;
    lifecycle_init();
    descriptor = lifecycle_descriptor();
    lifecycle_draining(60000);
    kill(getpid(), SIGTERM);
    for (;;)
        (void)lifecycle_read(descriptor); /* whoever reads it first */
}

static void the_second_signal_ends_whoever_reads_it(void **state)
{
    (void)state;
    capture(second_signal_on_the_descriptor, NULL, &captured);
    assert_int_equal(captured.exit_status, 1);
}

static void drain_too_long(void *context)
{
    (void)context;
    lifecycle_init();
    log_init("gateway", LOG_INFO, LOG_TEXT);
    lifecycle_draining(30);
    kill(getpid(), SIGHUP);
    for (;;)
        pause();
}

static void a_drain_past_its_limit_ends(void **state)
{
    (void)state;
    capture(drain_too_long, NULL, &captured);
    assert_int_equal(captured.exit_status, 1);
    assert_non_null(strstr(captured.err, "the drain took too long"));
}

static void drain_in_time(void *context)
{
    (void)context;
    lifecycle_init();
    lifecycle_draining(60000);
    exit(0);
}

static void a_drain_in_time_exits_as_it_wants(void **state)
{
    (void)state;
    capture(drain_in_time, NULL, &captured);
    assert_int_equal(captured.exit_status, 0);
    assert_string_equal(captured.err, "");
}

static void raise_files(void *context)
{
    struct rlimit limit;

    (void)context;
    getrlimit(RLIMIT_NOFILE, &limit);
    limit.rlim_cur = 64;
    if (limit.rlim_max > 256)
        limit.rlim_max = 256;
    setrlimit(RLIMIT_NOFILE, &limit);
    printf("%d ", (int)lifecycle_raise_open_files(100));
    printf("%d ", (int)lifecycle_raise_open_files(50)); /* never lowered */
    printf("%d ", (int)lifecycle_raise_open_files(1000000));
    getrlimit(RLIMIT_NOFILE, &limit);
    printf("%d", (int)limit.rlim_cur);
}

static void open_files_are_raised_within_the_hard_limit(void **state)
{
    (void)state;
    capture(raise_files, NULL, &captured);
    assert_string_equal(captured.out, "100 100 256 256");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(signals_are_events),
        cmocka_unit_test(a_signal_reaches_the_wait_whatever_thread_runs),
        cmocka_unit_test(a_loop_reads_them_from_a_descriptor),
        cmocka_unit_test(the_second_signal_ends_at_once),
        cmocka_unit_test(the_second_signal_ends_whoever_reads_it),
        cmocka_unit_test(a_drain_past_its_limit_ends),
        cmocka_unit_test(a_drain_in_time_exits_as_it_wants),
        cmocka_unit_test(open_files_are_raised_within_the_hard_limit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
