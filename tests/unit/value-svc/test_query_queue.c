/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * The bounded queue: order, the bound, closing, and a taker on another thread.
 */
#include "query_queue.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

static struct query_item *item(int number)
{
    char text[16];
    struct bus_message message = {.reply = SLICE_LITERAL("_INBOX.1")};

    message.data = slice_make(text, (size_t)snprintf(text, sizeof text, "%d", number));
    return query_item_copy(QUERY_VALUE_GET, &message);
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

        snprintf(expected, sizeof expected, "%d", i < 4 ? i : 99);
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
    size_t *total = calloc(1, sizeof *total);
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

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(order_and_bound),
                                       cmocka_unit_test(closing_empties_first)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
