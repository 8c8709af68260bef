/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * Every count from 0 to 1,000,000 against integer arithmetic, and the ends of the range.
 */
#include "event/value.h"

#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static void every_count(void **state)
{
    char found[VALUE_TEXT_SIZE];
    char expected[64];

    (void)state;
    for (int64_t count = 0; count <= 1000000; count++) {
        int64_t hundredths = count * 314;
        size_t length = (size_t)snprintf(expected, sizeof(expected), "%" PRId64 ".%02" PRId64,
                                         hundredths / 100, hundredths % 100);

        /* The shortest form: no zeros at the end, no dot at the end. */
        while (expected[length - 1] == '0')
            expected[--length] = '\0';
        if (expected[length - 1] == '.')
            expected[--length] = '\0';
        if (value_format(count, found) != length || strcmp(found, expected) != 0)
            fail_msg("%" PRId64 " gave %s, expected %s", count, found, expected);
    }
}

static void known_values(void **state)
{
    static const struct {
        int64_t sum;
        const char *text;
    } rows[] = {
        {0, "0"},
        {1, "3.14"},
        {2, "6.28"},
        {3, "9.42"},
        {5, "15.7"},
        {50, "157"},
        {100, "314"},
        {-1, "0"},
        {-1000000, "0"},
        {INT64_MIN, "0"},
        {VALUE_CONNECTIONS_MAXIMUM, "28282605659886711.74"},
        {INT64_MAX, "28282605659886711.74"},
    };
    char found[VALUE_TEXT_SIZE];

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        assert_int_equal(value_format(rows[i].sum, found), strlen(rows[i].text));
        assert_string_equal(found, rows[i].text);
    }
}

static void shown_connections(void **state)
{
    (void)state;
    assert_true(value_connections(-7) == 0);
    assert_true(value_connections(7) == 7);
    assert_true(value_connections(INT64_MAX) == VALUE_CONNECTIONS_MAXIMUM);
    assert_true(value_hundredths(-7) == 0);
    assert_true(value_hundredths(3) == 942);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(every_count), cmocka_unit_test(known_values),
                                       cmocka_unit_test(shown_connections)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
