/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * Clocks: direction, units, freezing, and the text form.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "common/clock.h"

static void readings_agree_in_their_units(void **state)
{
    uint64_t ms = clock_monotonic_ms();
    uint64_t us = clock_monotonic_us();
    uint64_t ns = clock_monotonic_ns();
    int64_t wall_us = clock_wall_us();
    int64_t wall_ms = clock_wall_ms();

    (void)state;
    assert_true(us >= ms * 1000);
    assert_true(ns >= us * 1000);
    assert_true(wall_ms >= wall_us / 1000);
    assert_true(wall_ms > 1577836800000); /* 2020 */
}

static void monotonic_never_goes_back(void **state)
{
    uint64_t last = clock_monotonic_ns();

    (void)state;
    for (int i = 0; i < 10000; i++) {
        uint64_t now = clock_monotonic_ns();

        assert_true(now >= last);
        last = now;
    }
}

static void a_test_can_freeze_both(void **state)
{
    (void)state;
    clock_set_for_test(1234567, 1700000000123456);
    assert_int_equal(clock_monotonic_ns(), 1234567000);
    assert_int_equal(clock_monotonic_us(), 1234567);
    assert_int_equal(clock_monotonic_ms(), 1234);
    assert_int_equal(clock_wall_us(), 1700000000123456);
    assert_int_equal(clock_wall_ms(), 1700000000123);
    clock_set_for_test(0, 0);
    assert_int_equal(clock_monotonic_ns(), 0);
    clock_set_for_test(-1, -1);
    assert_true(clock_wall_ms() > 1700000000123);
}

static void formats_as_rfc3339(void **state)
{
    static const struct {
        int64_t ms;
        const char *text;
    } rows[] = {
        {0, "1970-01-01T00:00:00.000Z"},
        {1, "1970-01-01T00:00:00.001Z"},
        {951827696789, "2000-02-29T12:34:56.789Z"},
        {1769860800123, "2026-01-31T12:00:00.123Z"},
        {4102444799999, "2099-12-31T23:59:59.999Z"},
        {253402300799999, "9999-12-31T23:59:59.999Z"},
        {253402300800000, "9999-12-31T23:59:59.999Z"}, /* four digits of year: held at the end */
        {INT64_MAX, "9999-12-31T23:59:59.999Z"},
        {-1, "1970-01-01T00:00:00.000Z"},
        {INT64_MIN, "1970-01-01T00:00:00.000Z"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        char text[25];

        clock_format_rfc3339(rows[i].ms, text);
        assert_string_equal(text, rows[i].text);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(readings_agree_in_their_units),
        cmocka_unit_test(monotonic_never_goes_back),
        cmocka_unit_test(a_test_can_freeze_both),
        cmocka_unit_test(formats_as_rfc3339),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
