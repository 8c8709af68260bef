/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * The dialer among servers that answer, refuse, do not exist or never reply. The loop is turned by hand; the
 * clock is the test's.
 */
#include "base_rig.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>
#include <uv.h>

#include "broker/link/dialer.h"
#include "common/log.h"

#define TURNS_MAXIMUM    10000
#define PAUSE_MINIMUM_MS 250
#define PAUSE_MAXIMUM_MS 1010

static struct base_rig rig;
static uv_loop_t loop;
static uv_timer_t tick; /* the loop must not sleep for ever */
static struct broker_server servers[3];
static struct dialer *dialer;
static unsigned connects;
static const struct broker_server *connected_to;
static bool returned; /* from dialer_start */

static void on_connected(void *context, int descriptor, const struct broker_server *server)
{
    assert_ptr_equal(context, &rig);
    assert_true(returned);
    assert_true(descriptor >= 0);
    close(descriptor);
    connects++;
    connected_to = server;
}

static void on_tick(uv_timer_t *timer)
{
    (void)timer;
}

static unsigned open_files(void)
{
    DIR *folder = opendir("/proc/self/fd");
    unsigned count = 0;

    assert_non_null(folder);
    while (readdir(folder))
        count++;
    closedir(folder);
    return count;
}

static void start_ticking(void)
{
    uv_timer_init(&loop, &tick);
    uv_timer_start(&tick, on_tick, 1, 1);
}

/* Turns until none of its work is in progress, including a name lookup. */
static void run_out(void)
{
    uv_close((uv_handle_t *)&tick, NULL);
    uv_run(&loop, UV_RUN_DEFAULT);
}

static int setup(void **state)
{
    (void)state;
    base_rig_start(&rig, 10);
    assert_int_equal(uv_loop_init(&loop), 0);
    start_ticking();
    memset(servers, 0, sizeof(servers));
    connects = 0;
    connected_to = NULL;
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    dialer_stop(dialer);
    run_out();
    assert_int_equal(uv_loop_close(&loop), 0);
    dialer_free(dialer);
    base_rig_stop(&rig);
    return 0;
}

static void start(size_t count)
{
    dialer = dialer_create(&rig.gateway, &loop, servers, count, on_connected, &rig);
    assert_non_null(dialer);
    returned = false;
    dialer_start(dialer);
    returned = true;
}

/* Handles only what is due now. */
static void turn(void)
{
    uint64_t next = timer_wheel_next(rig.gateway.wheel);

    if (next <= rig.gateway.now_ms + (uint64_t)2 * TIMER_WHEEL_TICK_MS)
        rig.gateway.now_ms = next;
    timer_wheel_advance(rig.gateway.wheel, rig.gateway.now_ms);
    uv_run(&loop, UV_RUN_ONCE);
}

static void turn_until_connected(void)
{
    for (int turns = 0; connects == 0 && turns < TURNS_MAXIMUM; turns++)
        turn();
    assert_int_equal(connects, 1);
}

/* Turns until a timer is due that many milliseconds from now, and sets the clock to that time. */
static void turn_until_timer(uint64_t at_least, uint64_t at_most)
{
    for (int turns = 0; turns < TURNS_MAXIMUM; turns++) {
        uint64_t next = timer_wheel_next(rig.gateway.wheel);

        if (next >= rig.gateway.now_ms + at_least && next <= rig.gateway.now_ms + at_most) {
            rig.gateway.now_ms = next;
            return;
        }
        turn();
    }
    fail_msg("no timer");
}

/* A bound port at which nobody listens yet. */
static int bound(struct broker_server *server)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t length = sizeof(address);
    int descriptor = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    assert_int_equal(bind(descriptor, (struct sockaddr *)&address, length), 0);
    assert_int_equal(getsockname(descriptor, (struct sockaddr *)&address, &length), 0);
    snprintf(server->host.name, sizeof(server->host.name), "127.0.0.1");
    server->host.port = ntohs(address.sin_port);
    return descriptor;
}

/* Whichever comes first: servers that refuse or do not exist are skipped within the round. */
static void the_one_that_answers_is_found(void **state)
{
    int refusing = bound(&servers[0]);
    int answering = bound(&servers[2]);

    (void)state;
    snprintf(servers[1].host.name, sizeof(servers[1].host.name), "nobody.invalid");
    assert_int_equal(listen(answering, 1), 0);
    start(3);
    turn_until_connected();
    assert_ptr_equal(connected_to, &servers[2]);
    assert_int_equal(timer_wheel_next(rig.gateway.wheel), TIMER_WHEEL_NEVER);
    close(refusing);
    close(answering);
}

/* After a round without an answer there is a pause; then the next round, for ever. */
static void a_round_in_vain_is_followed_by_a_pause(void **state)
{
    int later = bound(&servers[0]);

    (void)state;
    start(1);
    for (int round = 0; round < 3; round++)
        turn_until_timer(PAUSE_MINIMUM_MS, PAUSE_MAXIMUM_MS);
    assert_int_equal(connects, 0);
    assert_int_equal(listen(later, 8), 0);
    turn_until_connected();
    connects = 0;
    dialer_start(dialer); /* it was lost again before it proved usable: a pause */
    assert_true(timer_wheel_next(rig.gateway.wheel) >= rig.gateway.now_ms + PAUSE_MINIMUM_MS);
    turn_until_timer(PAUSE_MINIMUM_MS, PAUSE_MAXIMUM_MS);
    turn_until_connected();
    connects = 0;
    dialer_succeeded(dialer);
    dialer_start(dialer); /* it proved usable: at once */
    turn_until_connected();
    close(later);
}

/* A listening socket whose queue is full accepts nobody and refuses nobody. */
static void who_never_replies_is_given_up(void **state)
{
    int answering = bound(&servers[1]);
    int silent = bound(&servers[0]);
    int fillers[8];
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};

    (void)state;
    assert_int_equal(listen(silent, 0), 0);
    address.sin_port = htons(servers[0].host.port);
    for (size_t i = 0; i < COUNT(fillers); i++) {
        fillers[i] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
        (void)connect(fillers[i], (struct sockaddr *)&address, sizeof(address));
    }
    start(1);
    turn_until_timer(1990, 2010);
    /* at the next try the port belongs to a server that answers */
    servers[0].host.port = servers[1].host.port;
    assert_int_equal(listen(answering, 1), 0);
    turn_until_timer(PAUSE_MINIMUM_MS, PAUSE_MAXIMUM_MS);
    assert_int_equal(connects, 0);
    turn_until_connected();
    for (size_t i = 0; i < COUNT(fillers); i++)
        close(fillers[i]);
    close(silent);
    close(answering);
}

/* In every state: no callback comes any more, and no descriptor remains. */
static void stopping_ends_it_anywhere(void **state)
{
    int answering = bound(&servers[0]);
    unsigned files = open_files();

    (void)state;
    assert_int_equal(listen(answering, 16), 0);
    for (int turns = 0; turns < 6; turns++) {
        start(1);
        for (int i = 0; i < turns; i++)
            turn();
        connects = 0;
        dialer_stop(dialer);
        dialer_start(dialer); /* no longer */
        assert_int_equal(timer_wheel_next(rig.gateway.wheel), TIMER_WHEEL_NEVER);
        run_out();
        start_ticking();
        assert_int_equal(connects, 0);
        assert_int_equal(open_files(), files);
        dialer_free(dialer);
    }
    start(1); /* for the teardown */
    close(answering);
}

int main(void)
{
#define DIALER_TEST(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
    const struct CMUnitTest tests[] = {
        DIALER_TEST(the_one_that_answers_is_found),
        DIALER_TEST(a_round_in_vain_is_followed_by_a_pause),
        DIALER_TEST(who_never_replies_is_given_up),
        DIALER_TEST(stopping_ends_it_anywhere),
    };
#undef DIALER_TEST

    log_init("test", LOG_ERROR, LOG_TEXT);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
