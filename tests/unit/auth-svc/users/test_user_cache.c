/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * The user cache: freshness, bounds, and one query for many askers, with threads.
 */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "users/user_cache.h"

#define ADA SLICE_LITERAL("ada")

static struct user_cache *make(size_t entries, size_t flights, int64_t ttl_ms)
{
    struct user_cache_options options = {.entries = entries, .flights = flights, .ttl_ms = ttl_ms};
    struct user_cache *cache = NULL;

    assert_int_equal(user_cache_create(&options, &cache), STATUS_OK);
    return cache;
}

/* Asks as a leader would and lands with the result. */
static void put(struct user_cache *cache, struct slice id, enum status status, uint64_t now_ms)
{
    struct user_result result = {.status = status};
    struct user_flight *flight = NULL;
    struct user_waiter waiter;

    assert_int_equal(user_cache_join(cache, id, now_ms, &waiter, &result, &flight), USER_LEADING);
    result = (struct user_result){.status = status, .user = status == STATUS_OK ? user_create() : NULL};
    assert_null(user_cache_finish(cache, flight, &result, now_ms));
    user_unref(result.user);
}

static bool cached(struct user_cache *cache, struct slice id, uint64_t now_ms)
{
    struct user_result result = {0};
    bool found = user_cache_get(cache, id, now_ms, &result);

    user_unref(result.user);
    return found;
}

static void test_freshness(void **state)
{
    struct user_cache *cache = make(10, 4, 10000);

    (void)state;
    put(cache, ADA, STATUS_OK, 1000);
    assert_true(cached(cache, ADA, 1000));
    assert_true(cached(cache, ADA, 10999));
    assert_false(cached(cache, ADA, 11000));
    put(cache, ADA, STATUS_OK, 11000); /* takes the stale one's place */
    assert_true(cached(cache, ADA, 20999));
    put(cache, SLICE_LITERAL("nobody"), STATUS_NOT_FOUND, 1000);
    assert_true(cached(cache, SLICE_LITERAL("nobody"), 2999));
    assert_false(cached(cache, SLICE_LITERAL("nobody"), 3000));
    put(cache, SLICE_LITERAL("away"), STATUS_DISCONNECTED, 1000);
    assert_false(cached(cache, SLICE_LITERAL("away"), 1000));
    user_cache_clear(cache);
    assert_false(cached(cache, ADA, 11001));
    user_cache_free(cache);
    user_cache_free(NULL);
}

static void test_no_ttl(void **state)
{
    struct user_cache *cache = make(10, 4, 0);

    (void)state;
    put(cache, ADA, STATUS_OK, 1000);
    assert_false(cached(cache, ADA, 1000));
    user_cache_free(cache);
}

static void test_bound(void **state)
{
    struct user_cache *cache = make(3, 4, 10000);

    (void)state;
    put(cache, SLICE_LITERAL("a"), STATUS_OK, 0);
    put(cache, SLICE_LITERAL("b"), STATUS_OK, 0);
    put(cache, SLICE_LITERAL("c"), STATUS_OK, 0);
    assert_true(cached(cache, SLICE_LITERAL("a"), 1)); /* used again: b is the oldest now */
    put(cache, SLICE_LITERAL("d"), STATUS_OK, 1);
    assert_false(cached(cache, SLICE_LITERAL("b"), 1));
    assert_true(cached(cache, SLICE_LITERAL("a"), 1));
    assert_true(cached(cache, SLICE_LITERAL("c"), 1));
    assert_true(cached(cache, SLICE_LITERAL("d"), 1));
    user_cache_free(cache);
}

static void test_joining(void **state)
{
    struct user_cache *cache = make(10, 4, 10000);
    struct user_flight *flight = NULL, *other = NULL;
    struct user_waiter waiters[3];
    struct user_result result = {0};

    (void)state;
    assert_int_equal(user_cache_join(cache, ADA, 0, &waiters[0], &result, &flight), USER_LEADING);
    assert_int_equal(user_cache_join(cache, ADA, 0, &waiters[1], &result, &other), USER_JOINED);
    assert_int_equal(user_cache_join(cache, ADA, 0, &waiters[2], &result, &other), USER_JOINED);
    result = (struct user_result){.status = STATUS_NOT_FOUND};
    assert_ptr_equal(user_cache_finish(cache, flight, &result, 0), &waiters[1]);
    assert_ptr_equal(waiters[1].next, &waiters[2]);
    assert_null(waiters[2].next);
    assert_int_equal(user_cache_join(cache, ADA, 0, &waiters[0], &result, &flight), USER_CACHED);
    assert_int_equal(result.status, STATUS_NOT_FOUND);
    user_cache_free(cache);
}

/* What was asked before a clear is not what is asked after it. */
static void test_clear_in_flight(void **state)
{
    struct user_cache *cache = make(10, 4, 10000);
    struct user_flight *before = NULL, *after = NULL;
    struct user_waiter waiters[3];
    struct user_result old = {.status = STATUS_NOT_FOUND}, result = {0};

    (void)state;
    assert_int_equal(user_cache_join(cache, ADA, 0, &waiters[0], &result, &before), USER_LEADING);
    assert_int_equal(user_cache_join(cache, ADA, 0, &waiters[1], &result, &before), USER_JOINED);
    user_cache_clear(cache);
    assert_int_equal(user_cache_join(cache, ADA, 0, &waiters[2], &result, &after), USER_LEADING);
    assert_ptr_equal(user_cache_finish(cache, before, &old, 0), &waiters[1]);
    assert_false(cached(cache, ADA, 0));
    assert_null(user_cache_finish(cache, after, &old, 0));
    assert_true(cached(cache, ADA, 0));
    user_cache_free(cache);
}

/* ---- threads ---------------------------------------------------------------------------------------- */

#define THREADS 8
#define ROUNDS  2000

struct crowd {
    struct user_cache *cache;
    pthread_barrier_t barrier;
    _Atomic unsigned queries;
    _Atomic unsigned served;
};

struct asker {
    struct user_waiter waiter; /* first */
    _Atomic bool served;
};

static void serve(struct crowd *crowd, struct user_waiter *waiter)
{
    while (waiter) {
        struct user_waiter *next = waiter->next;
        atomic_store(&((struct asker *)waiter)->served, true);
        atomic_fetch_add(&crowd->served, 1);
        waiter = next;
    }
}

static void *ask_often(void *argument)
{
    struct crowd *crowd = argument;
    struct asker *askers = calloc(ROUNDS, sizeof(*askers));

    for (uint64_t round = 0; round < ROUNDS; round++) {
        struct user_flight *flight = NULL;
        struct user_result result = {0};
        enum user_cache_outcome outcome;

        pthread_barrier_wait(&crowd->barrier);
        outcome = user_cache_join(crowd->cache, ADA, round, &askers[round].waiter, &result, &flight);
        if (outcome == USER_LEADING) {
            atomic_fetch_add(&crowd->queries, 1);
            result = (struct user_result){.status = STATUS_OK, .user = user_create()};
            serve(crowd, user_cache_finish(crowd->cache, flight, &result, round));
        }
        if (outcome != USER_JOINED) {
            atomic_fetch_add(&crowd->served, 1);
            user_unref(result.user);
        }
        pthread_barrier_wait(&crowd->barrier);
    }
    return askers;
}

/* Each round's records are stale in the next (a ttl of 1 ms, a clock that goes by rounds): one query a round,
 * whatever the timing, and everybody served. */
static void test_single_flight(void **state)
{
    struct crowd crowd = {.cache = make(10, THREADS, 1)};
    pthread_t threads[THREADS];
    void *askers;

    (void)state;
    assert_int_equal(pthread_barrier_init(&crowd.barrier, NULL, THREADS), 0);
    for (size_t i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, ask_often, &crowd), 0);
    for (size_t i = 0; i < THREADS; i++) {
        assert_int_equal(pthread_join(threads[i], &askers), 0);
        free(askers);
    }
    assert_int_equal(atomic_load(&crowd.queries), ROUNDS);
    assert_int_equal(atomic_load(&crowd.served), ROUNDS * THREADS);
    pthread_barrier_destroy(&crowd.barrier);
    user_cache_free(crowd.cache);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_freshness),       cmocka_unit_test(test_no_ttl),
        cmocka_unit_test(test_bound),           cmocka_unit_test(test_joining),
        cmocka_unit_test(test_clear_in_flight), cmocka_unit_test(test_single_flight),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
