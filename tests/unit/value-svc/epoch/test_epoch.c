/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * A Redis that forgot its tail: noticed, and made good from the stream, without counting or telling twice.
 */
#include "epoch/epoch.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "common/clock.h"
#include "fixture.h"

static const char *const patient[] = {"ACK_WAIT=60s", NULL}; /* nothing comes again for slowness */

static int set_up(void **state)
{
    (void)state;
    assert_true(nats_server_init(&nats));
    assert_true(nats_server_start(&nats));
    rig = rig_create(nats.url);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    rig_free(rig);
    nats_server_done(&nats);
    return 0;
}

struct expected_sum {
    struct redis_server *server;
    const char *user_id;
    int64_t sum;
};

static bool sum_is(void *context)
{
    const struct expected_sum *expected = context;

    return redis_sum(expected->server, expected->user_id) == expected->sum;
}

static bool told(void *context)
{
    struct rig_frame last;
    size_t count = rig_count(rig, "pollen8.out.user.dGFpbA", "network.update");

    return count > 0 && rig_get(rig, "pollen8.out.user.dGFpbA", "network.update", count - 1, &last) &&
           strcmp(last.data, context) == 0;
}

/* A Redis that writes nothing down by itself, and value-svc with it. */
static void begin(struct value_process *process, struct redis_server *forgetful, const char *const *settings)
{
    struct slice answer;

    /* It is a ring of its own: the stream was counted nowhere yet. */
    assert_int_equal(rig_ask(rig, "$JS.API.STREAM.DELETE.POLLEN8_EPOCH", "", 0, &answer), STATUS_OK);
    redis_init(forgetful, false);
    value_start_ready(process, &nats, forgetful, settings);
}

static void end(struct value_process *process, struct redis_server *forgetful)
{
    assert_int_equal(value_stop(process, SIGTERM), 0);
    redis_done(forgetful);
}

/* A Redis without its tail: what SAVE wrote is back, the rest is forgotten, and comes back by itself. */
static void a_forgotten_tail(void **state)
{
    struct value_process process;
    struct redis_server forgetful;
    static char whole_value[] = "{\"userId\":\"tail\",\"newValue\":314}";
    struct expected_sum expected = {.server = &forgetful, .user_id = "tail"};
    struct rig_frame before;
    struct rig_frame after;
    char text[128];

    (void)state;
    begin(&process, &forgetful, patient);
    rig_clear(rig);
    for (int i = 0; i < 100; i++) {
        snprintf(text, sizeof(text), "{\"userId\":\"tail\",\"industries\":[\"t\"],\"eventId\":\"t%d\"}", i);
        rig_publish(rig, "pollen8.events.connection.new", text);
        if (i == 39) {
            expected.sum = 40;
            rig_until(sum_is, &expected, "40 are counted");
            redis_integer(&forgetful, "SAVE");
        }
    }
    expected.sum = 100;
    rig_until(sum_is, &expected, "100 are counted");
    rig_wait(rig, "pollen8.out.user.dGFpbA", "network.update", 100);
    rig_wait(rig, "pollen8.out.industry", "connection.new", 100);
    expect_frame("pollen8.out.user.dGFpbA", "network.update", 99, &before);
    rig_settle(rig);
    redis_stop(&forgetful, SIGKILL);
    value_wait_ready(&process, 503);
    rig_clear(rig);
    redis_start(&forgetful);
    assert_true(redis_sum(&forgetful, "tail") < 100);
    value_wait_ready(&process, 200);
    rig_until(sum_is, &expected, "what was forgotten is counted again");
    rig_until(rig_replayed, &forgetful, "the replay is done");
    rig_until(told, whole_value, "the user is told");
    assert_int_equal(redis_sum(&forgetful, "tail"), 100);
    expect_frame("pollen8.out.user.dGFpbA", "network.update",
                 rig_count(rig, "pollen8.out.user.dGFpbA", "network.update") - 1, &after);
    assert_true(after.epoch > before.epoch);
    assert_int_equal(rig_count(rig, "pollen8.out.industry", "connection.new"), 0); /* nobody is told twice */
    /* The same ids again: still duplicates. */
    for (int i = 0; i < 100; i += 33) {
        snprintf(text, sizeof(text), "{\"userId\":\"tail\",\"industries\":[\"t\"],\"eventId\":\"t%d\"}", i);
        rig_publish(rig, "pollen8.events.connection.new", text);
    }
    rig_publish(rig, "pollen8.events.connection.new", "{\"userId\":\"tail\",\"industries\":[\"t\"]}");
    rig_wait(rig, "pollen8.out.industry", "connection.new", 1);
    assert_int_equal(redis_sum(&forgetful, "tail"), 101);
    end(&process, &forgetful);
}

static bool whole(void *context)
{
    struct redis_server *server = context;

    return rig_replayed(server) && redis_integer(server, "HSTRLEN p8:epoch state") == 5; /* "whole" */
}

static bool noted(void *context)
{
    return redis_integer(context, "HGET p8:epoch at") == redis_integer(context, "GET wanted");
}

/* It dies, comes back as it was saved, and is made good. */
static void die_and_come_back(struct value_process *process, struct redis_server *forgetful)
{
    redis_stop(forgetful, SIGKILL);
    value_wait_ready(process, 503);
    redis_start(forgetful);
    value_wait_ready(process, 200);
    rig_until(whole, forgetful, "it is replayed and whole");
}

/* Saves Redis once it has noted that the whole stream was acknowledged. */
static void save_at_the_end(struct redis_server *server)
{
    struct slice answer;
    const char *at;

    assert_int_equal(rig_ask(rig, "$JS.API.STREAM.INFO.POLLEN8_EVENTS", "", 0, &answer), STATUS_OK);
    at = memmem(answer.data, answer.length, "\"last_seq\":", 11);
    assert_non_null(at);
    redis_integer(server, "SET wanted %ld", strtol(at + 11, NULL, 10));
    rig_until(noted, server, "the position is noted");
    redis_integer(server, "SAVE");
}

static bool passed(void *context)
{
    return clock_wall_ms() > *(const int64_t *)context;
}

/* A Redis that comes back older than the window, as from a backup: replayed from where it was. */
static void older_than_the_window(void **state)
{
    const char *const settings[] = {"ACK_WAIT=60s", "DEDUPE_WINDOW=1s", NULL};
    struct value_process process;
    struct redis_server forgetful;
    int64_t later;

    (void)state;
    begin(&process, &forgetful, settings);
    rig_clear(rig);
    for (int i = 0; i < 50; i++) {
        rig_publish(rig, "pollen8.events.connection.new", "{\"userId\":\"old\",\"industries\":[]}");
        if (i != 19)
            continue;
        rig_wait(rig, "pollen8.out.user.b2xk", "network.update", 20);
        rig_settle(rig);
        save_at_the_end(&forgetful);
    }
    rig_wait(rig, "pollen8.out.user.b2xk", "network.update", 50);
    rig_settle(rig);
    later = clock_wall_ms() + 2500;
    rig_until(passed, &later, "the window is over");
    die_and_come_back(&process, &forgetful);
    assert_int_equal(redis_sum(&forgetful, "old"), 50);
    assert_int_equal(value_metric(&process, "pollen8_value_rebuild_needed"), 0);
    end(&process, &forgetful);
}

/* A consumer of the test's own on the durable that value-svc fetches from. */
struct taker {
    struct bus_consumer *consumer;
    struct bus_batch *batch; /* stays open */
};

static bool take_next(void *context)
{
    struct taker *taker = context;

    rig_publish(rig, "pollen8.events.connection.new", "{\"userId\":\"open\",\"industries\":[]}");
    return bus_fetch(taker->consumer, 1, 300, &taker->batch) == STATUS_OK;
}

static void taker_create(struct taker *taker)
{
    char durable[RIG_DURABLE_SIZE];
    const struct bus_consumer_options options = {.stream = "POLLEN8_EVENTS",
                                                 .durable = durable,
                                                 .filter = "pollen8.events.>",
                                                 .ack_wait_ms = 60000,
                                                 .maximum_ack_pending = 8192};
    char error[256] = "";

    *taker = (struct taker){0};
    assert_true(rig_durable(rig, durable));
    if (bus_consumer_create(rig_bus(rig), &options, &taker->consumer, error, sizeof(error)) != STATUS_OK)
        fail_msg("the consumer cannot be shared: %s", error);
}

/* Whether the durable's state says so, as its JSON has it. */
static bool durable_says(const char *what)
{
    struct slice info = rig_durable_info(rig);

    return info.length > 0 && memmem(info.data, info.length, what, strlen(what));
}

static bool nobody_fetches(void *context)
{
    (void)context;
    return durable_says("\"num_waiting\":0,");
}

static bool one_is_open(void *context)
{
    (void)context;
    return durable_says("\"num_ack_pending\":1,") && durable_says("\"num_pending\":0");
}

/* Events beyond one that is open are acknowledged, and forgotten by Redis: they come again all the same. */
static void what_was_acknowledged_beyond_an_open_one(void **state)
{
    struct value_process process;
    struct redis_server forgetful;
    struct taker taker;

    (void)state;
    begin(&process, &forgetful, patient);
    taker_create(&taker);
    rig_settle(rig);
    save_at_the_end(&forgetful);
    kill(process.pid, SIGSTOP);
    rig_until(nobody_fetches, NULL, "its requests for more are over");
    rig_until(take_next, &taker, "an event is handed to the test, and stays open");
    kill(process.pid, SIGCONT);
    rig_clear(rig);
    for (int i = 0; i < 30; i++)
        rig_publish(rig, "pollen8.events.connection.new", "{\"userId\":\"beyond\",\"industries\":[]}");
    rig_wait(rig, "pollen8.out.user.YmV5b25k", "network.update", 30);
    rig_until(one_is_open, NULL, "all others are acknowledged");
    redis_stop(&forgetful, SIGKILL);
    value_wait_ready(&process, 503);
    redis_start(&forgetful);
    assert_int_equal(redis_sum(&forgetful, "beyond"), -1);
    value_wait_ready(&process, 200);
    rig_until(whole, &forgetful, "it is replayed and whole");
    assert_int_equal(redis_sum(&forgetful, "beyond"), 30);
    bus_batch_free(taker.batch);
    bus_consumer_free(taker.consumer);
    end(&process, &forgetful);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(older_than_the_window, value_end), /* first: with an empty stream */
        cmocka_unit_test_teardown(a_forgotten_tail, value_end),
        cmocka_unit_test_teardown(what_was_acknowledged_beyond_an_open_one, value_end)};

    signal(SIGPIPE, SIG_IGN);
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
