/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * What a real Redis says of its memory, and what it has evicted.
 */
#include "store/store_memory.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "fixture.h"

static void policies(void **state)
{
    static const char *const policies[] = {"allkeys-lru", "volatile-ttl", "noeviction"};
    struct store_memory memory;

    (void)state;
    for (size_t i = 0; i < 3; i++) {
        redis_integer(&redis, "CONFIG SET maxmemory-policy %s", policies[i]);
        assert_int_equal(store_memory_look(store, &memory), STATUS_OK);
        assert_string_equal(memory.policy, policies[i]);
        assert_int_equal(memory.evicts, i < 2);
        assert_int_equal(memory.evicted, 0);
    }
}

static void evictions_are_counted(void **state)
{
    struct store_memory memory;

    (void)state;
    redis_integer(&redis, "EVAL %s 0",
                  "for i = 1, 4000 do redis.call('SET', 'fill' .. i, string.rep('x', 1000)) end return 1");
    redis_integer(&redis, "CONFIG SET maxmemory-policy allkeys-random");
    redis_integer(&redis, "CONFIG SET maxmemory 3000000");
    redis_integer(&redis, "SET one more");
    assert_int_equal(store_memory_look(store, &memory), STATUS_OK);
    assert_true(memory.evicts && memory.evicted > 0);
    redis_integer(&redis, "CONFIG SET maxmemory 0");
    redis_integer(&redis, "CONFIG RESETSTAT");
    assert_int_equal(store_memory_look(store, &memory), STATUS_OK);
    assert_int_equal(memory.evicted, 0);
}

/* A managed Redis may refuse INFO: that is not a Redis that cannot be used. */
static void a_refusal_is_no_failure(void **state)
{
    struct store_memory memory;

    (void)state;
    redis_integer(&redis, "ACL SETUSER default -info");
    assert_int_equal(store_memory_look(store, &memory), STATUS_OK);
    redis_integer(&redis, "ACL SETUSER default +info");
    assert_string_equal(memory.policy, "");
    assert_false(memory.evicts);
    assert_true(store_connected(store));
}

static void a_lost_connection_is(void **state)
{
    struct store_memory memory = {.evicted = 5};

    (void)state;
    redis_stop(&redis, SIGKILL);
    assert_int_equal(store_memory_look(store, &memory), STATUS_DISCONNECTED);
    assert_int_equal(memory.evicted, 5); /* untouched */
    redis_start(&redis);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(policies),
        cmocka_unit_test(evictions_are_counted),
        cmocka_unit_test(a_refusal_is_no_failure),
        cmocka_unit_test(a_lost_connection_is),
    };

    return cmocka_run_group_tests(tests, store_set_up, store_tear_down);
}
