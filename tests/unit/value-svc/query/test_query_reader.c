/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * A reader beside a real Redis: it answers what is in its queue, and waits for no Redis.
 */
#include "query/query_reader.h"

#include <signal.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "common/clock.h"
#include "service_fixture.h"

static struct query_reader reader;
static atomic_uint taken;

static void *count_items(void *context)
{
    struct query_item *item;

    (void)context;
    while (query_queue_take(reader.queue, &item, 1) > 0) {
        atomic_fetch_add(&taken, 1);
        free(item);
    }
    return NULL;
}

static void finishes_when_its_queue_is_empty(void **state)
{
    const struct bus_message message = {.data = SLICE_LITERAL("x")};

    (void)state;
    assert_int_equal(query_reader_init(&reader, &service, 100, "unusable"), STATUS_OK);
    for (int i = 0; i < 100; i++)
        assert_int_equal(query_queue_put(reader.queue, query_item_copy(QUERY_VALUE_GET, &message)),
                         STATUS_OK);
    query_reader_start(&reader, count_items, NULL);
    query_reader_finish(&reader);
    assert_int_equal(atomic_load(&taken), 100);
    query_reader_done(&reader);
}

/* Between attempts askers are refused at once: nothing is sent to a Redis that did not answer just now. */
static void tries_again_after_a_while(void **state)
{
    int64_t first_ms;
    int64_t now;

    (void)state;
    assert_int_equal(query_reader_init(&reader, &service, 1, "unusable"), STATUS_OK);
    assert_true(query_reader_ready(&reader));
    now = (int64_t)clock_monotonic_ms();
    redis_stop(&redis, SIGKILL);
    store_close(reader.store);
    clock_set_for_test(now * 1000, -1);
    assert_false(query_reader_ready(&reader));
    assert_true(reader.retry_at_ms > now);
    first_ms = reader.retry_at_ms;
    redis_start(&redis);
    assert_false(query_reader_ready(&reader)); /* not yet */
    assert_false(store_connected(reader.store));
    clock_set_for_test(reader.retry_at_ms * 1000, -1);
    assert_false(query_reader_ready(&reader)); /* it has tried: another process, another epoch */
    assert_true(reader.retry_at_ms > first_ms);
    clock_set_for_test(-1, -1);
    query_reader_done(&reader);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(finishes_when_its_queue_is_empty),
        cmocka_unit_test(tries_again_after_a_while),
    };

    return cmocka_run_group_tests(tests, service_set_up, service_tear_down);
}
