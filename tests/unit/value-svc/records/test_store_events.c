/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * The sweep against a real Redis: what it forgets, whom it looks at, and how it finds those it does not know
 * of.
 */
#include "store/store.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "fixture.h"

static const struct store_rules rules = {.window_ms = 1000, .retention_ms = 5000, .ack_floor = UINT32_MAX};

/* Until nothing is due; how many keys were forgotten, and users looked at (NULL: not asked). */
static uint64_t sweep_all(int64_t oldest_ms, uint64_t ack_floor, size_t *ret_looked)
{
    uint64_t total = 0;
    size_t looked = 0;
    size_t users = 0;

    do {
        uint64_t forgotten = 0;

        assert_int_equal(store_sweep(store, oldest_ms, ack_floor, &users, &forgotten), STATUS_OK);
        total += forgotten;
        looked += users;
    } while (users > 0);
    if (ret_looked)
        *ret_looked = looked;
    return total;
}

static void sweeping(void **state)
{
    char user[32];

    (void)state;
    for (int i = 0; i < 300; i++) {
        snprintf(user, sizeof(user), "sweep%d", i);
        apply_one(&rules, user, "k", 1, 1000000 + (uint64_t)i, 900000);
    }
    assert_int_equal(sweep_all(900001, 1000149, NULL), 150);
    assert_int_equal(redis_integer(&redis, "EXISTS p8:{u.c3dlZXAw}:seen"), 0); /* sweep0 */
    assert_int_equal(redis_integer(&redis, "EXISTS p8:{u.c3dlZXAyOTk}:seen"),
                     1); /* sweep299: not acknowledged */
    assert_true(redis_sum(&redis, "sweep0") == 1);
    /* What waits for its acknowledgement does not stand in the way of others, and is looked at again. */
    assert_int_equal(sweep_all(900001, 1000149, NULL), 0);
    assert_int_equal(sweep_all(900001 + 60001, 2000000, NULL), 150);
    assert_int_equal(redis_integer(&redis, "EXISTS p8:{u.c3dlZXAyOTk}:seen p8:{u.c3dlZXAyOTk}:seen.order"),
                     0);
}

/* The work is what is due, whatever else there is. */
static void sweeping_costs_what_expires(void **state)
{
    size_t looked = 0;

    (void)state;
    redis_integer(&redis, "DEL p8:seen.due");
    for (int i = 0; i < 700; i++) {
        char user[32];

        snprintf(user, sizeof(user), "due%d", i);
        apply_one(&rules, user, "k", 1, 3000000 + (uint64_t)i, 5000000 + i);
    }
    assert_int_equal(redis_integer(&redis, "ZCARD p8:seen.due"), 700);
    assert_int_equal(sweep_all(5000000, UINT64_MAX / 2, &looked), 0);
    assert_int_equal(looked, 0);
    assert_int_equal(sweep_all(5000300, UINT64_MAX / 2, &looked), 300);
    assert_int_equal(looked, 300);
    /* A user with a newer key is due when that is; one that is not ours to read holds up nobody. */
    apply_one(&rules, "due400", "k2", 1, 3001000, 5003000);
    redis_integer(&redis, "DEL p8:{u.ZHVlNTAw}:seen.order"); /* due500 */
    redis_integer(&redis, "HSET p8:{u.ZHVlNTAw}:seen.order a b");
    assert_int_equal(sweep_all(5001000, UINT64_MAX / 2, &looked), 399);
    assert_int_equal(looked, 400);
    assert_int_equal(redis_integer(&redis, "ZSCORE p8:seen.due ZHVlNDAw"), 5003000);
    assert_int_equal(redis_integer(&redis, "ZCARD p8:seen.due"), 2);
    redis_integer(&redis, "DEL p8:{u.ZHVlNTAw}:seen.order");
    assert_int_equal(sweep_all(5003001, UINT64_MAX / 2, NULL), 1);
    redis_integer(&redis, "DEL p8:seen.due");
}

/* More keys than one step takes. */
static void sweeping_a_large_user(void **state)
{
    (void)state;
    redis_integer(&redis, "EVAL %s 0",
                  "for i = 1, 1700 do redis.call('RPUSH', 'p8:{u.aHVnZQ}:seen.order', 'k' .. i .. ' 1 600') "
                  "redis.call('HSET', 'p8:{u.aHVnZQ}:seen', 'k' .. i, '1 1 0 0 0 1 600') end return 1");
    redis_integer(&redis, "ZADD p8:seen.due 600 aHVnZQ");
    assert_int_equal(sweep_all(601, 5, NULL), 1700);
    assert_int_equal(redis_integer(&redis, "EXISTS p8:{u.aHVnZQ}:seen p8:{u.aHVnZQ}:seen.order"), 0);
    assert_int_equal(redis_integer(&redis, "ZCARD p8:seen.due"), 0);
}

/* Users that nobody noted: of the version before, and of an instance of it that runs beside this one. */
static void sweeping_finds_older_users(void **state)
{
    uint64_t cursor = 0;

    (void)state;
    for (int i = 0; i < 500; i++) {
        char user[32];

        snprintf(user, sizeof(user), "older%d", i);
        apply_one(&rules, user, "k", 1, 4000000 + (uint64_t)i, 6000000 + i);
    }
    redis_integer(&redis, "DEL p8:seen.due");
    apply_one(&rules, "older0", "k2", 1, 4001000, 6000900);     /* has keys: is not noted */
    redis_integer(&redis, "ZADD p8:seen.due 6000001 b2xkZXIx"); /* older1: stays where it is */
    assert_int_equal(sweep_all(6000500, UINT64_MAX / 2, NULL), 1);
    do
        assert_int_equal(store_sweep_find(store, &cursor), STATUS_OK);
    while (cursor != 0);
    assert_int_equal(sweep_all(6000500, UINT64_MAX / 2, NULL), 499);
    assert_int_equal(redis_integer(&redis, "ZSCORE p8:seen.due b2xkZXIw"), 6000900); /* older0 */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sweeping),
        cmocka_unit_test(sweeping_costs_what_expires),
        cmocka_unit_test(sweeping_a_large_user),
        cmocka_unit_test(sweeping_finds_older_users),
    };

    signal(SIGPIPE, SIG_IGN);
    return cmocka_run_group_tests(tests, store_set_up, store_tear_down);
}
