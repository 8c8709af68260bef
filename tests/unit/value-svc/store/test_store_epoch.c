/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * What a Redis says of itself, against a real one: epochs and who may begin one, positions, locks.
 */
#include "store/store.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "fixture.h"

/* A connection that begins no epochs. */
static struct store *user_of(void)
{
    static struct store_options options;
    struct store *user;

    options = (struct store_options){.url = &url, .timeout_ms = 2000};
    assert_int_equal(store_create(&options, &user), STATUS_OK);
    return user;
}

static void epochs_rise(void **state)
{
    const struct store_position position = {.sequence = 9, .time_ms = 90, .stream_created_ms = 5};
    struct store *user = user_of();
    uint64_t first = store_epoch(store);
    uint64_t second;
    bool once = false;

    (void)state;
    assert_true(first > 0 && !store_world(store)->replayed && store_world(store)->of_server);
    assert_int_equal(store_replay_done(store, first, &once), STATUS_OK);
    assert_true(once && store_world(store)->replayed);
    assert_int_equal(store_replay_done(store, first, &once), STATUS_OK);
    assert_false(once);
    assert_int_equal(store_connect(user), STATUS_OK);
    assert_true(store_epoch(user) == first);

    /* A new server process, same data: nobody uses it before an epoch was begun on it. */
    redis_stop(&redis, SIGKILL);
    assert_int_equal(store_epoch_refresh(store), STATUS_DISCONNECTED);
    assert_false(store_connected(store));
    assert_true(strlen(store_error(store)) > 0);
    assert_int_equal(store_connect(store), STATUS_DISCONNECTED);
    redis_start(&redis);
    store_close(user);
    assert_int_equal(store_connect(user), STATUS_DISCONNECTED);
    assert_int_equal(store_connect(store), STATUS_OK);
    assert_true(store_epoch(store) == first && !store_world(store)->of_server);
    rig_begin_epoch(store, &position);
    second = store_epoch(store);
    assert_true(second > first && !store_world(store)->replayed);
    assert_int_equal(store_world(store)->position.sequence, 9);
    assert_int_equal(store_connect(user), STATUS_OK);
    assert_true(store_epoch(user) == second);

    /* What was replayed under an older epoch says nothing about this one. */
    assert_int_equal(store_replay_done(store, first, &once), STATUS_OK);
    assert_true(!once && !store_world(store)->replayed);

    /* Emptied under a living connection. */
    redis_integer(&redis, "FLUSHALL");
    assert_int_equal(store_epoch_refresh(user), STATUS_DISCONNECTED);
    assert_int_equal(store_epoch_refresh(store), STATUS_OK);
    assert_true(store_epoch(store) == 0 && store_world(store)->state == STORE_NEW);
    rig_begin_epoch(store, &(struct store_position){0});
    store_free(user);
}

/* Decided on what Redis was a moment ago: another was faster. */
static void an_epoch_that_another_began(void **state)
{
    struct store *other = user_of();
    struct store_world next = *store_world(store);

    (void)state;
    assert_int_equal(store_connect(other), STATUS_OK);
    rig_begin_epoch(store, &next.position);
    next.epoch += 100000;
    assert_int_equal(store_raise(other, &next, ""), STATUS_AGAIN);
    assert_true(store_epoch(other) == store_epoch(store)); /* and it knows now */
    store_free(other);
}

/* A server that was a replica in between has other data, though it is the same process. */
static void a_primary_that_was_a_replica(void **state)
{
    struct store *user = user_of();
    struct redis_server replica;

    (void)state;
    assert_int_equal(store_connect(user), STATUS_OK);
    redis_init(&replica, true);
    redis_integer(&redis, "REPLICAOF 127.0.0.1 %d", replica.port);
    assert_int_equal(store_epoch_refresh(user), STATUS_DISCONNECTED);
    assert_non_null(strstr(store_error(user), "replica"));
    redis_integer(&redis, "REPLICAOF NO ONE");
    assert_int_equal(store_connect(user), STATUS_DISCONNECTED);
    if (!store_connected(store) || store_epoch_refresh(store) != STATUS_OK)
        assert_int_equal(store_connect(store), STATUS_OK);
    assert_false(store_world(store)->of_server);
    rig_begin_epoch(store, &store_world(store)->position);
    assert_int_equal(store_connect(user), STATUS_OK);
    store_free(user);
    redis_done(&replica);
}

static void locks(void **state)
{
    bool held = false;

    (void)state;
    assert_int_equal(store_lock(store, STORE_LOCK_RAISE, "me", 60000, &held), STATUS_OK);
    assert_true(held);
    assert_int_equal(store_lock(store, STORE_LOCK_RAISE, "me", 60000, &held), STATUS_OK);
    assert_true(held);
    assert_int_equal(store_lock(store, STORE_LOCK_RAISE, "you", 60000, &held), STATUS_OK);
    assert_false(held);
    assert_int_equal(store_lock(store, STORE_LOCK_RAISE, "you", 0, &held), STATUS_OK);
    assert_int_equal(redis_integer(&redis, "EXISTS p8:raise"), 1);
    assert_int_equal(store_lock(store, STORE_LOCK_RAISE, "me", 0, &held), STATUS_OK);
    assert_int_equal(store_lock(store, STORE_LOCK_RAISE, "you", 60000, &held), STATUS_OK);
    assert_true(held);
    assert_true(redis_integer(&redis, "PTTL p8:raise") > 0);
}

static void note(uint64_t sequence, int64_t time_ms, int64_t stream_ms, bool expected)
{
    const struct store_position position = {
        .sequence = sequence, .time_ms = time_ms, .stream_created_ms = stream_ms};
    bool noted = !expected;

    assert_int_equal(store_position_put(store, &position, 1000, &noted), STATUS_OK);
    assert_int_equal(noted, expected);
    assert_int_equal(store_epoch_refresh(store), STATUS_OK);
}

static void expect_position(uint64_t sequence, int64_t time_ms, uint64_t anchor, int64_t anchor_ms)
{
    const struct store_world *world = store_world(store);

    assert_int_equal(world->position.sequence, sequence);
    assert_int_equal(world->position.time_ms, time_ms);
    assert_int_equal(world->anchor.sequence, anchor);
    assert_int_equal(world->anchor.time_ms, anchor_ms);
}

/* By the stream's order: a time that is ahead makes nothing final. The anchor trails by its time at least. */
static void positions(void **state)
{
    (void)state;
    rig_begin_epoch(store, &(struct store_position){.sequence = 5, .time_ms = 50, .stream_created_ms = 7});
    expect_position(5, 50, 0, 0);
    note(12, 90000000, 7, true);
    expect_position(12, 90000000, 12, 90000000);
    note(13, 60, 7, true); /* the broker's clock was ahead, and is right again */
    expect_position(13, 60, 12, 90000000);
    note(11, 99999999, 7, true); /* another instance is further */
    expect_position(13, 60, 12, 90000000);
    note(20, 99999999, 8, false); /* another stream */
    expect_position(13, 60, 12, 90000000);
    note(14, 90001000, 7, true);
    note(15, 90002500, 7, true);
    expect_position(15, 90002500, 14, 90001000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(epochs_rise),
        cmocka_unit_test(an_epoch_that_another_began),
        cmocka_unit_test(a_primary_that_was_a_replica),
        cmocka_unit_test(locks),
        cmocka_unit_test(positions),
    };

    signal(SIGPIPE, SIG_IGN);
    return cmocka_run_group_tests(tests, store_set_up, store_tear_down);
}
