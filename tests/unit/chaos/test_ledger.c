/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * That the chaos test's ledger sees what is lost, doubled, foreign or misdirected, and excuses only what it
 * should.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "common/clock.h"
#include "ledger.h"

#define CLIENTS 30

static struct report report;
static struct ledger ledger;
static uint32_t excused[CLIENTS];

static int begin(void **state)
{
    (void)state;
    report = (struct report){.started_ms = clock_monotonic_ms()};
    memset(excused, 0, sizeof(excused));
    return ledger_create(&ledger, CLIENTS, &report) ? 0 : -1;
}

static int end(void **state)
{
    (void)state;
    ledger_free(&ledger);
    return 0;
}

static uint32_t submit(uint32_t user, uint32_t industry)
{
    return ledger_submit(&ledger, user, industry, report.started_ms + 10);
}

static int64_t deliver_as(uint32_t client, uint32_t event, uint32_t user, uint32_t industry)
{
    char name[LEDGER_INDUSTRY_SIZE];
    char data[160];

    ledger_write_industry(name, event, industry);
    snprintf(data, sizeof(data), "{\"userId\":\"" LEDGER_USER "\",\"industries\":[\"%s\"]}", user, name);
    return ledger_deliver(&ledger, client, excused[client], slice_from_string(data), report.started_ms + 15);
}

static int64_t deliver(uint32_t client, uint32_t event)
{
    return deliver_as(client, event, ledger.events[event].user, ledger.events[event].industry);
}

static void once_each_is_well(void **state)
{
    (void)state;
    for (uint32_t i = 0; i < 1000; i++) {
        uint32_t event = submit(i % CLIENTS, i % 3);
        ledger_ack(&ledger, event);
        for (uint32_t member = 0; member < LEDGER_MEMBERS; member++)
            assert_int_equal(deliver(i % 3 * LEDGER_MEMBERS + member, event), 5);
    }
    assert_int_equal(ledger_missing(&ledger, excused, true), 0);
    assert_int_equal(ledger.deliveries, 10000);
    assert_int_equal(report.violations, 0);
}

static void what_never_came_is_lost(void **state)
{
    uint32_t acked = submit(1, 1);

    (void)state;
    submit(1, 1); /* not acknowledged: nobody need have it */
    ledger_ack(&ledger, acked);
    for (uint32_t client = 10; client < 19; client++)
        deliver(client, acked);
    assert_int_equal(ledger_missing(&ledger, excused, true), 1);
    assert_int_equal(report.violations, 1);
    excused[19] = acked; /* told before it was submitted */
    assert_int_equal(ledger_missing(&ledger, excused, false), 1);
    excused[19] = acked + 1;
    assert_int_equal(ledger_missing(&ledger, excused, false), 0);
    assert_int_equal(ledger.missed_told, 1);
}

static void what_came_twice_is_doubled(void **state)
{
    uint32_t event = submit(1, 0);

    (void)state;
    assert_int_equal(deliver(3, event), 5);
    assert_true(deliver(3, event) < 0);
    assert_int_equal(ledger.doubled, 1);
    assert_int_equal(report.violations, 1);
    excused[3] = event + 1;
    assert_true(deliver(3, event) < 0);
    assert_int_equal(ledger.repeats_told, 1);
    assert_int_equal(report.violations, 1);
}

static void what_is_wrong_is_seen(void **state)
{
    uint32_t event = submit(1, 0);

    (void)state;
    deliver(10, event); /* of another industry */
    assert_int_equal(report.violations, 1);
    deliver_as(3, event + 1, 1, 0); /* nobody submitted it */
    assert_int_equal(report.violations, 2);
    deliver_as(3, event, 2, 0); /* about another user */
    assert_int_equal(report.violations, 3);
    ledger_deliver(&ledger, 3, 0, SLICE_LITERAL("{\"userId\":\"user.0001\",\"industries\":[\"steel\"]}"), 0);
    assert_int_equal(report.violations, 4);
    assert_int_equal(ledger.deliveries, 0);
}

static void what_a_recovery_left_out_is_seen(void **state)
{
    uint32_t whole[CLIENTS] = {0};
    uint32_t first = submit(3, 0);
    uint32_t second = submit(3, 0);

    (void)state;
    ledger_ack(&ledger, first);
    ledger_ack(&ledger, second);
    for (uint32_t client = 0; client < LEDGER_MEMBERS; client++)
        if (client != 4)
            deliver(client, first);
    for (uint32_t client = 0; client < LEDGER_MEMBERS; client++)
        deliver(client, second);
    assert_int_equal(ledger_falsely_whole(&ledger, excused, whole), 0);
    whole[4] = second;
    assert_int_equal(ledger_falsely_whole(&ledger, excused, whole), 1);
    excused[4] = second;
    assert_int_equal(ledger_falsely_whole(&ledger, excused, whole), 0);
}

static void sums_are_by_user(void **state)
{
    uint32_t acked[CLIENTS];
    uint32_t submitted[CLIENTS];

    (void)state;
    ledger_ack(&ledger, submit(4, 0));
    ledger_ack(&ledger, submit(4, 1));
    submit(4, 1);
    ledger_ack(&ledger, 0); /* again */
    ledger_sum(&ledger, acked, submitted);
    assert_int_equal(acked[4], 2);
    assert_int_equal(submitted[4], 3);
    assert_int_equal(acked[5] + submitted[5], 0);
    assert_int_equal(ledger.acked, 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(once_each_is_well, begin, end),
        cmocka_unit_test_setup_teardown(what_never_came_is_lost, begin, end),
        cmocka_unit_test_setup_teardown(what_came_twice_is_doubled, begin, end),
        cmocka_unit_test_setup_teardown(what_is_wrong_is_seen, begin, end),
        cmocka_unit_test_setup_teardown(what_a_recovery_left_out_is_seen, begin, end),
        cmocka_unit_test_setup_teardown(sums_are_by_user, begin, end),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
