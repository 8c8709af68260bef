/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * The keeper's thread on a real broker and a real Redis: what makes the service ready, what it notes, and what
 * takes its readiness away.
 */
#include "upkeep/keeper.h"

#include <signal.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "common/bus/bus_stream.h"
#include "common/bus/subject.h"
#include "service/stream.h"
#include "service_fixture.h"

static pthread_t thread;

static int set_up(void **state)
{
    service_set_up(state);
    return pthread_create(&thread, NULL, keeper_run, &service);
}

static int tear_down(void **state)
{
    service_stop(&service);
    pthread_join(thread, NULL);
    return service_tear_down(state);
}

static bool is_ready(void *context)
{
    (void)context;
    return atomic_load(&service.redis_ready) && atomic_load(&service.stream_ready);
}

static bool redis_is_not_ready(void *context)
{
    (void)context;
    return !atomic_load(&service.redis_ready);
}

static void ready_with_redis_and_streams(void **state)
{
    (void)state;
    rig_until(is_ready, NULL, "the service is ready");
    assert_int_equal(service_metric("pollen8_redis_connected"), 1);
    assert_int_equal(service_metric("pollen8_value_blocked"), 0);
}

static bool position_is(void *context)
{
    return redis_integer(&redis, "HGET p8:epoch at") == *(const int64_t *)context;
}

static bool fetched(void *context)
{
    struct bus_consumer **consumer = context;
    struct bus_batch *batch = NULL;

    if (bus_fetch(*consumer, 1, 1000, &batch) != STATUS_OK)
        return false;
    assert_int_equal(bus_batch_ack(batch, 0), STATUS_OK);
    bus_batch_free(batch);
    return true;
}

/* Redis hears how far the stream is acknowledged, and event keys up to there may be forgotten. */
static void the_position_follows_the_acknowledgements(void **state)
{
    struct bus_consumer *consumer = NULL;
    int64_t position = 1;

    (void)state;
    rig_until(is_ready, NULL, "the service is ready");
    assert_int_equal(
        bus_store(service.bus, "pollen8.events.connection.new", NULL, SLICE_LITERAL("{}"), NULL, NULL, 0),
        STATUS_OK);
    assert_int_equal(stream_consume(&service, store, &consumer), STATUS_OK);
    assert_int_equal(service_ack_floor(&service, store_epoch(store)), 0);
    rig_until(fetched, &consumer, "the event is handed out");
    rig_until(position_is, &position, "the position is noted");
    bus_consumer_free(consumer);
}

/* Counts are in these keys. */
static void a_redis_that_evicted_is_not_ready(void **state)
{
    (void)state;
    rig_until(is_ready, NULL, "the service is ready");
    redis_integer(&redis, "EVAL %s 0",
                  "for i = 1, 4000 do redis.call('SET', 'fill' .. i, string.rep('x', 1000)) end return 1");
    redis_integer(&redis, "CONFIG SET maxmemory-policy allkeys-random");
    redis_integer(&redis, "CONFIG SET maxmemory 3000000");
    redis_integer(&redis, "SET one more");
    redis_integer(&redis, "CONFIG SET maxmemory 0");
    rig_until(redis_is_not_ready, NULL, "evictions are noticed");
    assert_true(service_metric("pollen8_value_redis_evicted_keys") > 0);
    assert_int_equal(service_metric("pollen8_value_redis_evicts"), 1);
    redis_integer(&redis, "CONFIG SET maxmemory-policy noeviction");
    redis_integer(&redis, "CONFIG RESETSTAT");
    rig_until(is_ready, NULL, "the service is ready again");
}

static void without_redis_it_is_not_ready(void **state)
{
    (void)state;
    rig_until(is_ready, NULL, "the service is ready");
    redis_stop(&redis, SIGKILL);
    rig_until(redis_is_not_ready, NULL, "Redis is missed");
    redis_start(&redis);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ready_with_redis_and_streams),
        cmocka_unit_test(the_position_follows_the_acknowledgements),
        cmocka_unit_test(a_redis_that_evicted_is_not_ready),
        cmocka_unit_test(without_redis_it_is_not_ready),
    };

    return cmocka_run_group_tests(tests, set_up, tear_down);
}
