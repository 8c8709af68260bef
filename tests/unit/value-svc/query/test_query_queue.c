/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * The bounded queue: order, the bound, closing, and a taker on another thread.
 */
#include "query/query_queue.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "common/clock.h"

static struct query_item *item_of(enum query_kind kind, int number)
{
    char text[16];
    struct bus_message message = {.reply = SLICE_LITERAL("_INBOX.1")};

    message.data = slice_make(text, (size_t)snprintf(text, sizeof(text), "%d", number));
    return query_item_copy(kind, &message);
}

static struct query_item *item(int number)
{
    return item_of(QUERY_VALUE_GET, number);
}

static void order_and_bound(void **state)
{
    struct query_queue *queue;
    struct query_item *taken[8];
    struct query_item *extra = item(99);

    (void)state;
    assert_int_equal(query_queue_create(4, &queue), STATUS_OK);
    for (int i = 0; i < 4; i++)
        assert_int_equal(query_queue_put(queue, item(i)), STATUS_OK);
    assert_int_equal(query_queue_put(queue, extra), STATUS_FULL);
    assert_int_equal(query_queue_length(queue), 4);
    assert_int_equal(query_queue_take(queue, taken, 3), 3);
    assert_int_equal(query_queue_put(queue, extra), STATUS_OK);
    assert_int_equal(query_queue_take(queue, taken + 3, 5), 2);
    for (int i = 0; i < 5; i++) {
        char expected[16];

        snprintf(expected, sizeof(expected), "%d", i < 4 ? i : 99);
        assert_true(slice_equal_string(taken[i]->data, expected));
        assert_true(slice_equal_string(taken[i]->reply, "_INBOX.1"));
        free(taken[i]);
    }
    assert_int_equal(query_queue_put(queue, item(5)), STATUS_OK); /* freed with the queue */
    query_queue_free(queue);
}

static void *take_all(void *context)
{
    struct query_queue *queue = context;
    struct query_item *taken[16];
    size_t *total = calloc(1, sizeof(*total));
    size_t count;

    while ((count = query_queue_take(queue, taken, 16)) > 0) {
        for (size_t i = 0; i < count; i++)
            free(taken[i]);
        *total += count;
    }
    return total;
}

static void closing_empties_first(void **state)
{
    struct query_queue *queue;
    pthread_t taker;
    void *total;

    (void)state;
    assert_int_equal(query_queue_create(1024, &queue), STATUS_OK);
    assert_int_equal(pthread_create(&taker, NULL, take_all, queue), 0);
    for (int i = 0; i < 1000; i++)
        assert_int_equal(query_queue_put(queue, item(i)), STATUS_OK);
    query_queue_close(queue);
    pthread_join(taker, &total);
    assert_int_equal(*(size_t *)total, 1000);
    free(total);
    query_queue_free(queue);
}

static void *take_some(void *context)
{
    struct query_item *taken[16];
    size_t *count = malloc(sizeof(*count));

    *count = query_queue_take(context, taken, 16);
    for (size_t i = 0; i < *count; i++)
        free(taken[i]);
    return count;
}

/* By the clock that says when they came the time of gathering is an hour away: what ends it is something
 * else. */
static void what_gathers_goes_with_what_hurries(void **state)
{
    enum { VALUE, FULL, CLOSED, ENDS };
    struct query_queue *queue;
    pthread_t taker;
    void *count;

    (void)state;
    for (int end = VALUE; end < ENDS; end++) {
        assert_int_equal(query_queue_create(3, &queue), STATUS_OK);
        clock_set_for_test((int64_t)clock_monotonic_us() + 3600000000, -1);
        assert_int_equal(query_queue_put(queue, item_of(QUERY_SESSION_OPEN, 0)), STATUS_OK);
        assert_int_equal(pthread_create(&taker, NULL, take_some, queue), 0);
        assert_int_equal(query_queue_put(queue, item_of(QUERY_HEARTBEAT, 1)), STATUS_OK);
        if (end == CLOSED)
            query_queue_close(queue);
        else
            assert_int_equal(query_queue_put(queue, end == FULL ? item_of(QUERY_LEFT, 2) : item(2)),
                             STATUS_OK);
        pthread_join(taker, &count);
        assert_int_equal(*(size_t *)count, end == CLOSED ? 2 : 3);
        free(count);
        query_queue_free(queue);
        clock_set_for_test(-1, -1);
    }
}

/* Nothing more comes: it is given out all the same. */
static void one_alone_is_given_out(void **state)
{
    struct query_queue *queue;
    struct query_item *taken[4];

    (void)state;
    assert_int_equal(query_queue_create(4, &queue), STATUS_OK);
    assert_int_equal(query_queue_put(queue, item_of(QUERY_SESSION_OPEN, 0)), STATUS_OK);
    assert_int_equal(query_queue_take(queue, taken, 4), 1);
    free(taken[0]);
    query_queue_free(queue);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(order_and_bound), cmocka_unit_test(closing_empties_first),
        cmocka_unit_test(what_gathers_goes_with_what_hurries), cmocka_unit_test(one_alone_is_given_out)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
