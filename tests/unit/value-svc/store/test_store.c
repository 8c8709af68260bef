/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * The scripts and the connection against a real Redis: counting once, windows, pruning, what
 * is forgotten and what is not.
 */
#include "store/store.h"

#include <inttypes.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "event/value.h"
#include "fixture.h"

static const struct store_rules rules = {.window_ms = 1000, .retention_ms = 5000, .ack_floor = UINT32_MAX};

static void expect(struct store_event event, enum store_outcome outcome, int64_t sum, uint64_t version)
{
    assert_int_equal(event.outcome, outcome);
    assert_true(event.sum == sum);
    assert_true(event.version == version);
}

static void counts_and_versions(void **state)
{
    (void)state;
    expect(apply_one(&rules, "a.b*c>}{ é", "k1", 1, 1, 1000), STORE_APPLIED, 1, 1);
    expect(apply_one(&rules, "a.b*c>}{ é", "k2", 1, 2, 1000), STORE_APPLIED, 2, 2);
    expect(apply_one(&rules, "a.b*c>}{ é", "k3", -5, 3, 1000), STORE_APPLIED, -3, 3);
    expect(apply_one(&rules, "a.b*c>}{ é", "k4", 1000000000, 4, 1000), STORE_APPLIED, 999999997, 4);
    assert_true(redis_sum(&redis, "a.b*c>}{ é") == 999999997);
    expect(apply_one(&rules, "other", "k1", 1, 5, 1000), STORE_APPLIED, 1, 1);
}

/* The same event again gives what holds now, never an older version; another one under its key is a duplicate
 * in the window. */
static void once_within_the_window(void **state)
{
    (void)state;
    expect(apply_one(&rules, "once", "k", 1, 10, 5000), STORE_APPLIED, 1, 1);
    expect(apply_one(&rules, "once", "l", 1, 11, 5000), STORE_APPLIED, 2, 2);
    expect(apply_one(&rules, "once", "k", 1, 10, 5000), STORE_REPEATED, 2, 2);
    expect(apply_one(&rules, "once", "k", 1, 12, 5500), STORE_DUPLICATE, 1, 1);
    expect(apply_one(&rules, "once", "k", 1, 12, 6000), STORE_DUPLICATE, 1, 1);
    expect(apply_one(&rules, "once", "k", 1, 13, 6001), STORE_APPLIED, 3, 3);
    /* The one before it, handed out again late, is not counted again. */
    expect(apply_one(&rules, "once", "k", 1, 10, 5000), STORE_REPEATED, 3, 3);
}

static void remembered_only(void **state)
{
    struct store_event event = {
        .user_id = "inv", .key = "k", .counts = false, .sequence = 1, .time_ms = 1000};

    (void)state;
    assert_int_equal(store_apply(store, &rules, &event, 1), STATUS_OK);
    expect(event, STORE_APPLIED, 0, 0);
    assert_int_equal(store_apply(store, &rules, &event, 1), STATUS_OK);
    expect(event, STORE_REPEATED, 0, 0);
    event.sequence = 2;
    assert_int_equal(store_apply(store, &rules, &event, 1), STATUS_OK);
    expect(event, STORE_DUPLICATE, 0, 0);
    assert_true(redis_sum(&redis, "inv") == -1);
}

/* An import's key outlives its record: the user's own mark knows it. "imp" is aW1w in base64url. */
static void once_for_ever(void **state)
{
    struct store_event event = {.user_id = "imp",
                                .key = "k",
                                .counts = true,
                                .once = true,
                                .change = 7,
                                .sequence = 1,
                                .time_ms = 1000};

    (void)state;
    assert_int_equal(store_apply(store, &rules, &event, 1), STATUS_OK);
    expect(event, STORE_APPLIED, 7, 1);
    redis_integer(&redis, "DEL p8:{u.aW1w}:seen p8:{u.aW1w}:seen.order");
    assert_int_equal(store_apply(store, &rules, &event, 1), STATUS_OK);
    expect(event, STORE_REPEATED, 7, 1);
    event.sequence = 2;
    event.time_ms = 99000000;
    assert_int_equal(store_apply(store, &rules, &event, 1), STATUS_OK);
    expect(event, STORE_DUPLICATE, 7, 1);
    event.key = "l";
    assert_int_equal(store_apply(store, &rules, &event, 1), STATUS_OK);
    expect(event, STORE_APPLIED, 14, 2);
    assert_true(redis_sum(&redis, "imp") == 14);
}

static void exact_to_the_end(void **state)
{
    (void)state;
    expect(apply_one(&rules, "big", "k1", VALUE_CONNECTIONS_MAXIMUM - 1, 1, 1000), STORE_APPLIED,
           VALUE_CONNECTIONS_MAXIMUM - 1, 1);
    expect(apply_one(&rules, "big", "k2", 1, 2, 1000), STORE_APPLIED, VALUE_CONNECTIONS_MAXIMUM, 2);
    assert_int_equal(apply_one(&rules, "big", "k3", 1, 3, 1000).outcome, STORE_OUT_OF_RANGE);
    expect(apply_one(&rules, "big", "k4", -1, 4, 1000), STORE_APPLIED, VALUE_CONNECTIONS_MAXIMUM - 1, 3);
    assert_true(redis_sum(&redis, "big") == VALUE_CONNECTIONS_MAXIMUM - 1);
}

static int64_t seen(const char *token)
{
    return redis_integer(&redis, "HLEN p8:{u.%s}:seen", token);
}

/* Keys leave only when old and acknowledged, a few with each new event. "prune" is cHJ1bmU in base64url. */
static void pruning(void **state)
{
    struct store_rules floor = rules;
    char key[16];

    (void)state;
    for (int i = 0; i < 20; i++) {
        snprintf(key, sizeof(key), "k%d", i);
        apply_one(&rules, "prune", key, 1, 100 + (uint64_t)i, 10000);
    }
    assert_int_equal(seen("cHJ1bmU"), 20);
    floor.ack_floor = 99;
    apply_one(&floor, "prune", "late1", 1, 200, 20000);
    assert_int_equal(seen("cHJ1bmU"), 21); /* none is acknowledged */
    floor.ack_floor = 102;
    apply_one(&floor, "prune", "late2", 1, 201, 20000);
    assert_int_equal(seen("cHJ1bmU"), 19); /* 100, 101 and 102 are */
    floor.ack_floor = 300;
    apply_one(&floor, "prune", "late3", 1, 202, 15000);
    assert_int_equal(seen("cHJ1bmU"), 20); /* none is old enough: exactly the retention */
    apply_one(&floor, "prune", "late4", 1, 203, 15001);
    assert_int_equal(seen("cHJ1bmU"), 17); /* four left, one came */
    assert_int_equal(redis_integer(&redis, "LLEN p8:{u.cHJ1bmU}:seen.order"), 17);
    assert_true(redis_sum(&redis, "prune") == 24);
}

/* An event that is brought late counts as if it had come in its place: who has its key by now came after it.
 */
static void brought_late(void **state)
{
    (void)state;
    expect(apply_one(&rules, "late", "k", 1, 20, 3000), STORE_APPLIED, 1, 1);
    expect(apply_one(&rules, "late", "k", 1, 10, 1000), STORE_APPLIED, 2, 2); /* two windows before */
    expect(apply_one(&rules, "late", "k", 1, 10, 1000), STORE_REPEATED, 2, 2);
    expect(apply_one(&rules, "late", "k", 1, 20, 3000), STORE_REPEATED, 2, 2);
    assert_int_equal(apply_one(&rules, "late", "k", 1, 11, 1500).outcome, STORE_DUPLICATE); /* of 10 */
    assert_int_equal(apply_one(&rules, "late", "k", 1, 19, 2500).outcome, STORE_DUPLICATE); /* as 20 */
    expect(apply_one(&rules, "late", "k", 1, 30, 5000), STORE_APPLIED, 3, 3);
    expect(apply_one(&rules, "late", "k", 1, 20, 3000), STORE_REPEATED, 3, 3);
    expect(apply_one(&rules, "late", "k", 1, 10, 1000), STORE_REPEATED, 3, 3);
    assert_int_equal(seen("bGF0ZQ"), 4); /* three records, and which they are */
    apply_one(&rules, "late", "x", 1, 40, 20000);
    assert_int_equal(seen("bGF0ZQ"), 1);
}

/* A stream that was made again counts from 1: what an older one numbered is acknowledged, whatever its number. */
static void keys_of_an_older_stream(void **state)
{
    struct store_rules low = rules;
    uint64_t forgotten = 0;
    size_t users = 0;

    (void)state;
    low.ack_floor = 5;
    apply_one(&rules, "anew", "k", 1, 900, 10000);
    apply_one(&rules, "anew", "k2", 1, 901, 10001);
    apply_one(&rules, "idle", "k", 1, 902, 10002);
    apply_one(&low, "anew", "x", 1, 1, 60000);
    assert_int_equal(seen("YW5ldw"), 3);
    rig_begin_epoch(store, &(struct store_position){.stream_created_ms = 50000});
    apply_one(&low, "anew", "y", 1, 2, 60001);
    assert_int_equal(seen("YW5ldw"), 2);
    assert_int_equal(store_sweep(store, 55000, 5, &users, &forgotten), STATUS_OK);
    assert_int_equal(seen("aWRsZQ"), 0);
    rig_begin_epoch(store, &(struct store_position){0});
}

/* A key that came again after the window stays as long as its later record. */
static void pruning_spares_the_later_record(void **state)
{
    (void)state;
    apply_one(&rules, "again", "k", 1, 1, 1000);
    expect(apply_one(&rules, "again", "k", 1, 2, 5000), STORE_APPLIED, 2, 2);
    apply_one(&rules, "again", "x", 1, 3, 7000); /* prunes the entry of sequence 1 */
    expect(apply_one(&rules, "again", "k", 1, 2, 5000), STORE_REPEATED, 3, 3);
}

static void a_pipeline_and_values(void **state)
{
    static struct store_event events[1000];
    static char keys[1000][16];
    struct store_value values[3] = {{.user_id = "pipe"}, {.user_id = "nobody"}, {.user_id = "pipe"}};

    (void)state;
    for (size_t i = 0; i < 1000; i++) {
        snprintf(keys[i], sizeof(keys[i]), "k%zu", i % 900); /* a hundred come twice */
        events[i] = (struct store_event){.user_id = "pipe",
                                         .key = keys[i],
                                         .counts = true,
                                         .change = 1,
                                         .sequence = i % 900 + 1,
                                         .time_ms = 1000};
    }
    assert_int_equal(store_apply(store, &rules, events, 1000), STATUS_OK);
    expect(events[899], STORE_APPLIED, 900, 900);
    expect(events[900], STORE_REPEATED, 900, 900);
    assert_int_equal(store_values(store, values, 3), STATUS_OK);
    assert_true(values[0].sum == 900 && values[0].version == 900);
    assert_true(values[1].sum == 0 && values[1].version == 0);
    assert_true(values[2].sum == 900);
}

static void forgotten_scripts(void **state)
{
    (void)state;
    redis_integer(&redis, "SCRIPT FLUSH");
    expect(apply_one(&rules, "noscript", "k", 1, 1, 1000), STORE_APPLIED, 1, 1);
}

static void broken_keys_stop_only_their_user(void **state)
{
    struct store_event events[2] = {
        {.user_id = "broken", .key = "k", .counts = true, .change = 1, .sequence = 1, .time_ms = 1},
        {.user_id = "whole", .key = "k", .counts = true, .change = 1, .sequence = 2, .time_ms = 1}};

    (void)state;
    redis_integer(&redis, "SET p8:{u.YnJva2Vu}:net text");
    assert_int_equal(store_apply(store, &rules, events, 2), STATUS_OK);
    assert_int_equal(events[0].outcome, STORE_FAILED);
    assert_non_null(strstr(store_error(store), "WRONGTYPE"));
    expect(events[1], STORE_APPLIED, 1, 1);
}

static void replicas_that_are_not_there(void **state)
{
    struct store_options options = {.url = &url, .timeout_ms = 200, .wait_replicas = 1};
    struct store_event event = {
        .user_id = "wait", .key = "k", .counts = true, .change = 1, .sequence = 1, .time_ms = 1};
    struct store *careful;

    (void)state;
    assert_int_equal(store_create(&options, &careful), STATUS_OK);
    assert_int_equal(store_connect(careful), STATUS_OK);
    assert_int_equal(store_apply(careful, &rules, &event, 1), STATUS_DISCONNECTED);
    assert_non_null(strstr(store_error(careful), "REDIS_WAIT_REPLICAS"));
    store_free(careful);
    expect(apply_one(&rules, "wait", "k", 1, 1, 1), STORE_REPEATED, 1, 1);
}

static void sum_sessions(void *context, struct slice industry, uint64_t sessions)
{
    uint64_t *sums = context;

    sums[slice_equal_string(industry, "technology") ? 0 : 1] += sessions;
}

static void presence(void **state)
{
    const struct store_count industries[] = {{SLICE_LITERAL("technology"), 7}, {SLICE_LITERAL("a b:c"), 2}};
    const struct store_count users[] = {{SLICE_LITERAL("ada"), 3}};
    struct store_heartbeat beat = {.gateway = SLICE_LITERAL("gw-1"),
                                   .sessions = 8,
                                   .industries = industries,
                                   .industry_count = 2,
                                   .users = users,
                                   .user_count = 1,
                                   .expires_ms = 60000};
    struct store_totals totals;
    uint64_t sums[2] = {0};

    (void)state;
    assert_int_equal(store_heartbeat(store, &beat), STATUS_OK);
    beat.sessions = 9; /* replaces, never adds */
    assert_int_equal(store_heartbeat(store, &beat), STATUS_OK);
    beat.gateway = SLICE_LITERAL("gw-2");
    beat.industry_count = 1;
    assert_int_equal(store_heartbeat(store, &beat), STATUS_OK);
    beat.part = 1;
    beat.sessions = 1;
    assert_int_equal(store_heartbeat(store, &beat), STATUS_OK);
    assert_int_equal(redis_integer(&redis, "HGET p8:gw:gw-1:users ada"), 3);
    assert_true(redis_integer(&redis, "PTTL p8:gw:gw-1") > 0);
    assert_true(redis_integer(&redis, "PTTL p8:gw:gw-1:users") > 0);
    assert_int_equal(store_presence_totals(store, &totals, sum_sessions, sums), STATUS_OK);
    assert_int_equal(totals.gateways, 2);
    assert_int_equal(totals.sessions, 9 + 9 + 1);
    assert_int_equal(sums[0], 7 * 3);
    assert_int_equal(sums[1], 2);
}

static void passwords_and_databases(void **state)
{
    struct store_url secured = url;
    struct store_options options = {.url = &secured, .timeout_ms = 2000};
    struct store *other;

    (void)state;
    redis_integer(&redis, "ACL SETUSER value on >p%%ss ~* &* +@all");
    snprintf(secured.user, sizeof(secured.user), "%s", "value");
    snprintf(secured.password, sizeof(secured.password), "%s", "wrong secret");
    secured.database = 3;
    options.any_epoch = true; /* that database has none */
    assert_int_equal(store_create(&options, &other), STATUS_OK);
    assert_int_equal(store_connect(other), STATUS_DISCONNECTED);
    assert_null(strstr(store_error(other), "wrong secret"));
    snprintf(secured.password, sizeof(secured.password), "%s", "p%ss");
    if (store_connect(other) != STATUS_OK)
        fail_msg("%s", store_error(other));
    assert_true(store_epoch(other) == 0);
    assert_true(store_retry_ms(other) > 0);
    store_free(other);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(counts_and_versions),
        cmocka_unit_test(once_within_the_window),
        cmocka_unit_test(remembered_only),
        cmocka_unit_test(once_for_ever),
        cmocka_unit_test(exact_to_the_end),
        cmocka_unit_test(pruning),
        cmocka_unit_test(pruning_spares_the_later_record),
        cmocka_unit_test(brought_late),
        cmocka_unit_test(keys_of_an_older_stream),
        cmocka_unit_test(a_pipeline_and_values),
        cmocka_unit_test(forgotten_scripts),
        cmocka_unit_test(broken_keys_stop_only_their_user),
        cmocka_unit_test(replicas_that_are_not_there),
        cmocka_unit_test(presence),
        cmocka_unit_test(passwords_and_databases),
    };

    signal(SIGPIPE, SIG_IGN);
    return cmocka_run_group_tests(tests, store_set_up, store_tear_down);
}
