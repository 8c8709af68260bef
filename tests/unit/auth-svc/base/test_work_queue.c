/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * The queue with workers that a gate holds: order, bound, and an end that works off what was taken.
 */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/work_queue.h"

enum { ITEMS = 200 };

struct item {
    struct work_item item; /* first */
    int number;
};

static struct item items[ITEMS];

static struct {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    bool open;        /* lock */
    int at_work;      /* lock: workers at the gate */
    int done;         /* lock */
    int order[ITEMS]; /* lock */
} gate;

static int setup(void **state)
{
    (void)state;
    pthread_mutex_init(&gate.lock, NULL);
    pthread_cond_init(&gate.changed, NULL);
    gate.open = false;
    gate.at_work = gate.done = 0;
    for (int i = 0; i < ITEMS; i++)
        items[i] = (struct item){.number = i};
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    pthread_cond_destroy(&gate.changed);
    pthread_mutex_destroy(&gate.lock);
    return 0;
}

static void work(void *context, struct work_item *item)
{
    (void)context;
    pthread_mutex_lock(&gate.lock);
    gate.at_work++;
    pthread_cond_broadcast(&gate.changed);
    while (!gate.open)
        pthread_cond_wait(&gate.changed, &gate.lock);
    gate.at_work--;
    gate.order[gate.done++] = ((struct item *)(void *)item)->number;
    pthread_mutex_unlock(&gate.lock);
}

static void open_gate(void)
{
    pthread_mutex_lock(&gate.lock);
    gate.open = true;
    pthread_cond_broadcast(&gate.changed);
    pthread_mutex_unlock(&gate.lock);
}

static void wait_at_work(int workers)
{
    pthread_mutex_lock(&gate.lock);
    while (gate.at_work < workers)
        pthread_cond_wait(&gate.changed, &gate.lock);
    pthread_mutex_unlock(&gate.lock);
}

static struct work_queue *create(size_t limit, size_t workers)
{
    struct work_queue *queue = NULL;

    assert_int_equal(work_queue_create(limit, workers, work, NULL, &queue), STATUS_OK);
    return queue;
}

static void first_in_first_out(void **state)
{
    struct work_queue *queue = create(ITEMS, 1);

    (void)state;
    for (int i = 0; i < ITEMS; i++)
        assert_int_equal(work_queue_push(queue, &items[i].item), STATUS_OK);
    open_gate();
    work_queue_stop(queue);
    assert_int_equal(gate.done, ITEMS); /* all that was taken */
    for (int i = 0; i < ITEMS; i++)
        assert_int_equal(gate.order[i], i);
    work_queue_free(queue);
}

/* Those at work are out of the queue already. */
static void what_waits_is_bounded(void **state)
{
    struct work_queue *queue = create(5, 2);

    (void)state;
    for (int i = 0; i < 2; i++) {
        assert_int_equal(work_queue_push(queue, &items[i].item), STATUS_OK);
        wait_at_work(i + 1);
    }
    for (int i = 2; i < 7; i++)
        assert_int_equal(work_queue_push(queue, &items[i].item), STATUS_OK);
    assert_int_equal(work_queue_push(queue, &items[7].item), STATUS_FULL);
    open_gate();
    work_queue_free(queue);
    assert_int_equal(gate.done, 7);
}

static void all_workers_work_at_once(void **state)
{
    struct work_queue *queue = create(10, 4);

    (void)state;
    for (int i = 0; i < 4; i++)
        assert_int_equal(work_queue_push(queue, &items[i].item), STATUS_OK);
    wait_at_work(4);
    open_gate();
    work_queue_free(queue);
    assert_int_equal(gate.done, 4);
}

static void nothing_is_taken_once_it_is_stopped(void **state)
{
    struct work_queue *queue = create(10, 2);

    (void)state;
    open_gate();
    work_queue_stop(queue);
    assert_int_equal(work_queue_push(queue, &items[0].item), STATUS_FULL);
    work_queue_stop(queue); /* once more changes nothing */
    work_queue_free(queue);
    work_queue_free(NULL);
    assert_int_equal(gate.done, 0);
}

int main(void)
{
#define QUEUE_TEST(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
    const struct CMUnitTest tests[] = {
        QUEUE_TEST(first_in_first_out),
        QUEUE_TEST(what_waits_is_bounded),
        QUEUE_TEST(all_workers_work_at_once),
        QUEUE_TEST(nothing_is_taken_once_it_is_stopped),
    };
#undef QUEUE_TEST

    return cmocka_run_group_tests(tests, NULL, NULL);
}
