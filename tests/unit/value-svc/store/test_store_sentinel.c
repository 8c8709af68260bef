/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * A primary with a replica under a sentinel: the primary is found, a batch waits for the replica, and after a
 * failover the new primary is found, under a higher epoch, with every sum.
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

#include "rig.h"

static const struct store_rules rules = {.window_ms = 1000, .retention_ms = 5000};

static bool replica_linked(void *context)
{
    return redis_integer(context, "WAIT 1 50") == 1;
}

static bool replica_known(void *context)
{
    return redis_integer(context, "SENTINEL REPLICAS main") == 1;
}

static enum status apply_one(struct store *store, const char *key, uint64_t sequence, int64_t *ret_sum)
{
    struct store_event event = {
        .user_id = "ada", .key = key, .counts = true, .change = 1, .sequence = sequence, .time_ms = 1000};
    enum status status = store_connect(store);

    if (status == STATUS_OK && !store_world(store)->of_server)
        rig_begin_epoch(store, &store_world(store)->position);
    if (status == STATUS_OK)
        status = store_apply(store, &rules, &event, 1);
    if (status == STATUS_OK)
        *ret_sum = event.sum;
    return status;
}

struct attempt {
    struct store *store;
    uint64_t epoch; /* of the old primary */
    int64_t sum;
};

/* Tried again as a worker would: a replica that has just come may not confirm within the deadline, and the
 * key keeps the event from counting twice. */
static bool applied_on_the_primary(void *context)
{
    struct attempt *attempt = context;

    return apply_one(attempt->store, "k1", 1, &attempt->sum) == STATUS_OK;
}

static bool applied_on_the_new_primary(void *context)
{
    struct attempt *attempt = context;

    return apply_one(attempt->store, "k2", 2, &attempt->sum) == STATUS_OK &&
           store_epoch(attempt->store) > attempt->epoch;
}

static void a_failover(void **state)
{
    struct redis_server primary;
    struct redis_server replica;
    struct redis_server sentinel;
    struct store_url url;
    struct store_options options = {.url = &url, .timeout_ms = 500, .wait_replicas = 1, .any_epoch = true};
    struct attempt attempt = {0};
    char text[128];

    (void)state;
    redis_init(&primary, true);
    redis_init_replica(&replica, &primary);
    redis_init_sentinel(&sentinel, &primary);
    rig_until(replica_linked, &primary, "the replica follows");
    rig_until(replica_known, &sentinel, "the sentinel knows the replica");
    snprintf(text, sizeof(text), "redis+sentinel://127.0.0.1:%d/main", sentinel.port);
    assert_int_equal(store_url_parse(text, &url, text, sizeof(text)), STATUS_OK);
    assert_int_equal(store_create(&options, &attempt.store), STATUS_OK);
    rig_until(applied_on_the_primary, &attempt, "the replica answers in time");
    assert_int_equal(attempt.sum, 1);
    assert_int_equal(redis_sum(&replica, "ada"), 1); /* it waited for the replica */
    attempt.epoch = store_epoch(attempt.store);

    /* One replica was needed and there is none left: an operator would set 0 for two servers. */
    store_free(attempt.store);
    options.wait_replicas = 0;
    assert_int_equal(store_create(&options, &attempt.store), STATUS_OK);
    redis_stop(&primary, SIGKILL);
    rig_until(applied_on_the_new_primary, &attempt, "the sentinel has made the replica primary");
    assert_int_equal(attempt.sum, 2);
    assert_int_equal(redis_sum(&replica, "ada"), 2);
    store_free(attempt.store);
    redis_done(&sentinel);
    redis_done(&replica);
    redis_done(&primary);
}

static void an_unknown_primary(void **state)
{
    struct redis_server primary;
    struct redis_server sentinel;
    struct store_url url;
    const struct store_options options = {.url = &url, .timeout_ms = 500};
    struct store *store;
    char text[128];

    (void)state;
    redis_init(&primary, true);
    redis_init_sentinel(&sentinel, &primary);
    snprintf(text, sizeof(text), "redis+sentinel://127.0.0.1:%d/other", sentinel.port);
    assert_int_equal(store_url_parse(text, &url, text, sizeof(text)), STATUS_OK);
    assert_int_equal(store_create(&options, &store), STATUS_OK);
    assert_int_equal(store_connect(store), STATUS_DISCONNECTED);
    assert_non_null(strstr(store_error(store), "no sentinel knows the primary `other`"));
    store_free(store);
    redis_done(&sentinel);
    redis_done(&primary);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(a_failover), cmocka_unit_test(an_unknown_primary)};

    signal(SIGPIPE, SIG_IGN);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
