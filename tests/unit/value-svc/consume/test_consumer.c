/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * value-svc as a process between a real broker and a real Redis: what is published is counted once and
 * delivered, whatever dies in between.
 */
#include "consume/consumer.h"

#include <inttypes.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "common/rng.h"
#include "fixture.h"

static const char *const quick[] = {"ACK_WAIT=1s", NULL};
/* Where nothing dies: nothing comes again only because the machine is slow. */
static const char *const patient[] = {"ACK_WAIT=60s", NULL};

static void start(struct value_process *process, const char *const *settings)
{
    value_start_ready(process, &nats, &redis, settings);
}

struct expected_sum {
    const char *user_id;
    int64_t sum;
};

static bool sum_is(void *context)
{
    const struct expected_sum *expected = context;

    return redis_sum(&redis, expected->user_id) == expected->sum;
}

static void wait_sum(const char *user_id, int64_t sum)
{
    struct expected_sum expected = {.user_id = user_id, .sum = sum};

    rig_until(sum_is, &expected, user_id);
}

static void json_counts_and_delivers(void **state)
{
    static const char *const values[] = {"3.14", "6.28", "9.42"};
    struct value_process process;
    struct rig_frame found;
    uint64_t last_version = 0;

    (void)state;
    start(&process, patient);
    rig_clear(rig);
    for (size_t i = 0; i < 3; i++) {
        char data[128];

        rig_publish(rig, "pollen8.events.connection.new",
                    "{\"userId\":\"ada\",\"industries\":[\"Tech\",\" FINANCE \"]}");
        rig_wait(rig, "pollen8.out.user.YWRh", "network.update", i + 1);
        rig_wait(rig, "pollen8.out.industry", "connection.new", i + 1);
        expect_frame("pollen8.out.user.YWRh", "network.update", i, &found);
        snprintf(data, sizeof(data), "{\"userId\":\"ada\",\"newValue\":%s}", values[i]);
        assert_string_equal(found.data, data);
        assert_int_equal(found.policy, POLLEN8__DELIVERY_POLICY__DELIVERY_LATEST);
        assert_true(found.epoch > 0 && found.version > last_version && found.event_id != 0);
        last_version = found.version;
        expect_frame("pollen8.out.industry", "connection.new", i, &found);
        assert_string_equal(found.data, "{\"userId\":\"ada\",\"industries\":[\"Tech\",\" FINANCE \"]}");
        assert_string_equal(found.industries, "tech,finance");
        assert_true(found.lane != 0 && found.lane_sequence > 0 && found.event_id != 0);
    }
    rig_publish(rig, "pollen8.events.connection.removed", "{\"userId\":\"ada\",\"industries\":[\"Tech\"]}");
    rig_wait(rig, "pollen8.out.industry", "connection.removed", 1);
    rig_publish(rig, "pollen8.events.connection.import", "{\"userId\":\"ada\",\"connections\":98}");
    rig_wait(rig, "pollen8.out.user.YWRh", "network.update", 5);
    expect_frame("pollen8.out.user.YWRh", "network.update", 4, &found);
    assert_string_equal(found.data, "{\"userId\":\"ada\",\"newValue\":314}");
    rig_publish(rig, "pollen8.events.invite.created", "{\"inviteId\":\"i1\",\"creatorId\":\"ada\"}");
    rig_wait(rig, "pollen8.out.user.YWRh", "invite.created", 1);
    expect_frame("pollen8.out.user.YWRh", "invite.created", 0, &found);
    assert_int_equal(found.policy, POLLEN8__DELIVERY_POLICY__DELIVERY_KEEP);
    assert_int_equal(rig_count(rig, "pollen8.out.industry", "connection.new"), 3);
    assert_int_equal(rig_count(rig, "pollen8.out.industry", "connection.import"), 0);
    assert_int_equal(rig_count(rig, "pollen8.out.industry", "invite.created"), 0);
    assert_int_equal(redis_sum(&redis, "ada"), 100);
    rig_settle(rig);
    assert_int_equal(value_stop(&process, SIGTERM), 0);
}

static bool two_duplicates(void *context)
{
    return value_metric(context, "pollen8_value_events_duplicate_total") == 2;
}

static void the_same_event_id_counts_once(void **state)
{
    struct value_process process;

    (void)state;
    start(&process, patient);
    rig_clear(rig);
    for (int i = 0; i < 3; i++)
        rig_publish(rig, "pollen8.events.connection.new",
                    "{\"userId\":\"dup\",\"industries\":[\"x\"],\"eventId\":\"e1\"}");
    rig_until(two_duplicates, &process, "two duplicates were seen");
    rig_wait(rig, "pollen8.out.user.ZHVw", "network.update", 1);
    rig_wait(rig, "pollen8.out.industry", NULL, 1);
    rig_settle(rig);
    assert_int_equal(redis_sum(&redis, "dup"), 1);
    assert_int_equal(rig_count(rig, "pollen8.out.industry", NULL), 1);
    assert_int_equal(rig_count(rig, "pollen8.out.user.ZHVw", NULL), 1);
    assert_int_equal(value_stop(&process, SIGTERM), 0);
}

static void wrong_content_goes_to_the_dead(void **state)
{
    struct value_process process;
    struct rig_frame found;

    (void)state;
    start(&process, patient);
    rig_clear(rig);
    rig_publish(rig, "pollen8.events.connection.new", "{\"userId\":\"x\"}");
    rig_wait(rig, "pollen8.dead.connection.new", NULL, 1);
    expect_frame("pollen8.dead.connection.new", NULL, 0, &found);
    assert_string_equal(found.data, "{\"userId\":\"x\"}");
    assert_string_equal(found.reason, "`industries` is missing");
    rig_publish(rig, "pollen8.events.no.such", "{}");
    rig_wait(rig, "pollen8.dead.no.such", NULL, 1);
    expect_frame("pollen8.dead.no.such", NULL, 0, &found);
    assert_string_equal(found.reason, "unknown event");
    rig_publish(rig, "pollen8.events.we$rd", "\xff");
    rig_wait(rig, "pollen8.dead.unknown", NULL, 1);
    /* The stream goes on behind them. */
    rig_publish(rig, "pollen8.events.connection.new", "{\"userId\":\"after\",\"industries\":[]}");
    wait_sum("after", 1);
    rig_settle(rig);
    assert_int_equal(value_stop(&process, SIGTERM), 0);
}

#define STORM_USERS  40
#define STORM_EVENTS 6000
#define STORM_KILLS  30

static void storm_publish(int from, int to)
{
    for (int i = from; i < to; i++) {
        char text[128];

        snprintf(text, sizeof(text), "{\"userId\":\"storm%d\",\"industries\":[\"i%d\"]}", i % STORM_USERS,
                 i % 7);
        rig_publish(rig, "pollen8.events.connection.new", text);
    }
    rig_flush(rig);
}

/* Up to 100 ms from now, wherever the work is then. */
static void wait_a_random_moment(void)
{
    const struct timespec pause = {.tv_nsec = (long)rng_below(100000000)};

    nanosleep(&pause, NULL);
}

/* Two instances that die by kill -9 in turn, at any instruction between taking an event and acknowledging it:
 * each has begun to work before it dies. */
static void deaths_in_a_storm(void **state)
{
    struct value_process processes[2];

    (void)state;
    start(&processes[0], quick);
    start(&processes[1], quick);
    for (int i = 0; i < STORM_KILLS; i++) {
        struct value_process *victim = &processes[i % 2];

        value_wait_ready(victim, 200);
        storm_publish(i * STORM_EVENTS / STORM_KILLS, (i + 1) * STORM_EVENTS / STORM_KILLS);
        wait_a_random_moment();
        assert_int_equal(value_stop(victim, SIGKILL), -1);
        value_start(victim, nats.url, redis.url, quick);
    }
    for (int i = 0; i < STORM_USERS; i++) {
        char user[32];

        snprintf(user, sizeof(user), "storm%d", i);
        wait_sum(user, STORM_EVENTS / STORM_USERS);
    }
    value_wait_ready(&processes[0], 200);
    value_wait_ready(&processes[1], 200);
    rig_settle(rig);
    assert_int_equal(value_stop(&processes[0], SIGTERM), 0);
    assert_int_equal(value_stop(&processes[1], SIGTERM), 0);
    for (int i = 0; i < STORM_USERS; i++) {
        char user[32];

        snprintf(user, sizeof(user), "storm%d", i);
        assert_int_equal(redis_sum(&redis, user), STORM_EVENTS / STORM_USERS);
    }
}

/* Redis away: nothing is lost, nothing is dead, the process stays. */
static void redis_away(void **state)
{
    struct value_process process;

    (void)state;
    start(&process, quick);
    rig_clear(rig);
    redis_stop(&redis, SIGKILL);
    for (int i = 0; i < 300; i++)
        rig_publish(rig, "pollen8.events.connection.new", "{\"userId\":\"away\",\"industries\":[]}");
    value_wait_ready(&process, 503);
    redis_start(&redis);
    wait_sum("away", 300);
    assert_int_equal(rig_count(rig, "pollen8.dead.connection.new", NULL), 0);
    value_wait_ready(&process, 200);
    assert_int_equal(value_stop(&process, SIGTERM), 0);
}

static bool consumer_there(void *context)
{
    struct slice info = rig_durable_info(rig);

    (void)context;
    return info.length > 0 && memmem(info.data, info.length, "\"error\"", 7) == NULL;
}

static bool position_passed(void *context)
{
    return redis_integer(&redis, "HGET p8:epoch sequence") > *(const int64_t *)context;
}

/* Somebody deletes the durable: it is made again, and what was counted is not counted again. */
static void a_deleted_consumer(void **state)
{
    struct value_process process;
    struct slice answer;
    char durable[RIG_DURABLE_SIZE];
    char subject[128];
    int64_t position;

    (void)state;
    start(&process, quick);
    position = redis_integer(&redis, "HGET p8:epoch sequence");
    for (int i = 0; i < 50; i++)
        rig_publish(rig, "pollen8.events.connection.new", "{\"userId\":\"del\",\"industries\":[]}");
    wait_sum("del", 50);
    rig_until(position_passed, &position, "a further position is noted");
    assert_true(rig_durable(rig, durable));
    snprintf(subject, sizeof(subject), "$JS.API.CONSUMER.DELETE.POLLEN8_EVENTS.%s", durable);
    assert_int_equal(rig_ask(rig, subject, "", 0, &answer), STATUS_OK);
    rig_until(consumer_there, NULL, "the consumer is there again");
    for (int i = 0; i < 50; i++)
        rig_publish(rig, "pollen8.events.connection.new", "{\"userId\":\"del\",\"industries\":[]}");
    wait_sum("del", 100);
    assert_int_equal(redis_sum(&redis, "ada"), 100); /* from the first test: long acknowledged */
    assert_int_equal(value_stop(&process, SIGTERM), 0);
}

/* Somebody deletes the whole stream: it is made again, and its first sequences are no old acquaintances. */
static void a_deleted_stream(void **state)
{
    struct value_process process;
    struct slice answer;

    (void)state;
    start(&process, quick);
    for (int i = 0; i < 20; i++)
        rig_publish(rig, "pollen8.events.connection.new", "{\"userId\":\"stream\",\"industries\":[]}");
    wait_sum("stream", 20);
    assert_int_equal(rig_ask(rig, "$JS.API.STREAM.DELETE.POLLEN8_EVENTS", "", 0, &answer), STATUS_OK);
    rig_until(consumer_there, NULL, "stream and consumer are there again");
    for (int i = 0; i < 20; i++)
        rig_publish(rig, "pollen8.events.connection.new", "{\"userId\":\"stream\",\"industries\":[]}");
    wait_sum("stream", 40);
    value_wait_ready(&process, 200);
    assert_int_equal(value_stop(&process, SIGTERM), 0);
}

/* The broker restarts with its data while events are under way. */
static void broker_restarts(void **state)
{
    static const char payload[] = "{\"userId\":\"broker\",\"industries\":[\"b\"]}";
    struct value_process process;
    struct slice stored;

    (void)state;
    start(&process, quick);
    for (int i = 0; i < 500; i++) {
        /* With the stream's answer: a server may stop between taking a message and storing it. */
        assert_int_equal(rig_ask(rig, "pollen8.events.connection.new", payload, sizeof(payload) - 1, &stored),
                         STATUS_OK);
        if (i % 100 != 99)
            continue;
        nats_server_stop(&nats);
        assert_true(nats_server_start(&nats));
        rig_flush(rig);
    }
    wait_sum("broker", 500);
    rig_settle(rig);
    value_wait_ready(&process, 200);
    assert_int_equal(redis_sum(&redis, "broker"), 500);
    assert_int_equal(value_stop(&process, SIGTERM), 0);
}

/* Started before broker and Redis; told what it waits for. */
static void any_order(void **state)
{
    struct value_process process;
    struct nats_server late;
    struct redis_server later;

    (void)state;
    assert_true(nats_server_init(&late));
    redis_init(&later, true);
    redis_stop(&later, SIGTERM);
    value_start(&process, late.url, later.url, quick);
    value_wait_ready(&process, 503);
    assert_true(nats_server_start(&late));
    redis_start(&later);
    value_wait_ready(&process, 200);
    assert_int_equal(value_stop(&process, SIGTERM), 0);
    /* And ends in order while neither is there. */
    value_start(&process, late.url, later.url, quick);
    value_wait_ready(&process, 200);
    redis_stop(&later, SIGKILL);
    nats_server_stop(&late);
    value_wait_ready(&process, 503);
    assert_int_equal(value_stop(&process, SIGTERM), 0);
    redis_done(&later);
    nats_server_done(&late);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(json_counts_and_delivers, value_end),
        cmocka_unit_test_teardown(the_same_event_id_counts_once, value_end),
        cmocka_unit_test_teardown(wrong_content_goes_to_the_dead, value_end),
        cmocka_unit_test_teardown(deaths_in_a_storm, value_end),
        cmocka_unit_test_teardown(redis_away, value_end),
        cmocka_unit_test_teardown(a_deleted_consumer, value_end),
        cmocka_unit_test_teardown(broker_restarts, value_end),
        cmocka_unit_test_teardown(a_deleted_stream, value_end),
        cmocka_unit_test_teardown(any_order, value_end),
    };

    signal(SIGPIPE, SIG_IGN);
    return cmocka_run_group_tests(tests, ring_set_up, ring_tear_down);
}
