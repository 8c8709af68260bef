/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * A waiter for a number is called once, in order, with all waiters for lower numbers; and may wait again.
 */
#include "gateway_test.h"

#include "broker/link/link_waiters.h"

static struct calls {
    size_t count;
    uintptr_t who[2000];
    enum status status;
} calls;

static struct link_waiters waiters;

static void on_number(void *context, enum status status)
{
    assert_true(calls.count < COUNT(calls.who));
    calls.who[calls.count++] = (uintptr_t)context;
    calls.status = status;
}

static int clean(void **state)
{
    (void)state;
    calls = (struct calls){0};
    waiters = (struct link_waiters){0};
    return 0;
}

static int done(void **state)
{
    (void)state;
    link_waiters_done(&waiters);
    assert_false(link_waiters_any(&waiters));
    return 0;
}

static void wait_for(uint64_t number, uintptr_t who)
{
    assert_int_equal(link_waiters_add(&waiters, number, on_number, (void *)who), STATUS_OK);
}

static void up_to_the_number_in_order(void **state)
{
    (void)state;
    assert_false(link_waiters_any(&waiters));
    wait_for(1, 10);
    wait_for(1, 11);
    wait_for(2, 12);
    wait_for(4, 13);
    link_waiters_call(&waiters, 0, STATUS_OK);
    assert_int_equal(calls.count, 0);
    link_waiters_call(&waiters, 3, STATUS_OK);
    assert_int_equal(calls.count, 3);
    for (size_t i = 0; i < 3; i++)
        assert_int_equal(calls.who[i], 10 + i);
    assert_int_equal(calls.status, STATUS_OK);
    assert_true(link_waiters_any(&waiters));
    link_waiters_call(&waiters, UINT64_MAX, STATUS_DISCONNECTED);
    assert_int_equal(calls.count, 4);
    assert_int_equal(calls.status, STATUS_DISCONNECTED);
    link_waiters_call(&waiters, UINT64_MAX, STATUS_OK);
    assert_int_equal(calls.count, 4);
    assert_false(link_waiters_any(&waiters));
}

/* The list grows at the end and shrinks at the front: the order is the same wherever it has been moved to. */
static void order_is_kept_while_the_list_moves(void **state)
{
    uint64_t asked = 0;
    uint64_t answered = 0;

    (void)state;
    for (unsigned round = 1; answered < 1500; round++) {
        for (unsigned i = 0; i < 7 + round % 40 && asked < 1500; i++, asked++)
            wait_for(asked, asked);
        answered += 3 + round % 23;
        if (answered > asked)
            answered = asked;
        link_waiters_call(&waiters, answered - 1, STATUS_OK);
        assert_int_equal(calls.count, answered);
    }
    for (size_t i = 0; i < calls.count; i++)
        assert_int_equal(calls.who[i], i);
}

static void on_number_again(void *context, enum status status)
{
    on_number(context, status);
    for (uintptr_t i = 1; i <= 200; i++) /* more than the list has room for */
        wait_for(5, (uintptr_t)context * 1000 + i);
}

static void who_is_called_may_wait_again(void **state)
{
    (void)state;
    assert_int_equal(link_waiters_add(&waiters, 5, on_number_again, (void *)1), STATUS_OK);
    wait_for(5, 2);
    link_waiters_call(&waiters, 5, STATUS_OK);
    assert_int_equal(calls.count, 2); /* not those added during the call */
    assert_int_equal(calls.who[1], 2);
    link_waiters_call(&waiters, 5, STATUS_OK);
    assert_int_equal(calls.count, 202);
    assert_int_equal(calls.who[2], 1001);
    assert_int_equal(calls.who[201], 1200);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(up_to_the_number_in_order, clean, done),
        cmocka_unit_test_setup_teardown(order_is_kept_while_the_list_moves, clean, done),
        cmocka_unit_test_setup_teardown(who_is_called_may_wait_again, clean, done),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
