/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * Every row of the error table, and what is not in it.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "common/status.h"

static void every_status_has_code_and_message(void **state)
{
    (void)state;
    for (int i = 0; i < STATUS_COUNT; i++) {
        assert_non_null(status_code((enum status)i));
        assert_true(strlen(status_code((enum status)i)) > 0);
        assert_true(strlen(status_message((enum status)i)) > 0);
        for (int j = 0; j < i; j++)
            assert_string_not_equal(status_code((enum status)i), status_code((enum status)j));
    }
}

static void codes_come_back_from_the_wire(void **state)
{
    (void)state;
    for (int i = STATUS_AUTH_REQUIRED; i < STATUS_COUNT; i++) {
        const char *code = status_code((enum status)i);

        assert_int_equal(status_from_code(code, strlen(code)), i);
        /* neither a beginning nor more than the code is the code */
        assert_int_equal(status_from_code(code, strlen(code) - 1), STATUS_INTERNAL);
    }
    assert_int_equal(status_from_code("AUTH_INVALIDX", 13), STATUS_INTERNAL);
    assert_int_equal(status_from_code("auth_invalid", 12), STATUS_INTERNAL);
    assert_int_equal(status_from_code("timeout", 7), STATUS_INTERNAL);
    assert_int_equal(status_from_code("", 0), STATUS_INTERNAL);
}

static void close_codes_and_finality(void **state)
{
    (void)state;
    assert_int_equal(status_close_code(STATUS_AUTH_EXPIRED), 4001);
    assert_int_equal(status_close_code(STATUS_AUTH_USER_DISABLED), 4003);
    assert_int_equal(status_close_code(STATUS_RATE_LIMITED), 4029);
    assert_int_equal(status_close_code(STATUS_PAYLOAD_TOO_LARGE), 1009);
    assert_int_equal(status_close_code(STATUS_UNKNOWN_EVENT), 0);
    assert_int_equal(status_close_code(STATUS_TIMEOUT), 0);
    /* what a client may be told for good, and what can pass */
    assert_true(status_final(STATUS_AUTH_REQUIRED));
    assert_true(status_final(STATUS_AUTH_INVALID));
    assert_true(status_final(STATUS_AUTH_EXPIRED));
    assert_true(status_final(STATUS_AUTH_USER_UNKNOWN));
    assert_true(status_final(STATUS_AUTH_USER_DISABLED));
    assert_true(status_final(STATUS_FORBIDDEN));
    assert_false(status_final(STATUS_AUTH_UNAVAILABLE));
    assert_false(status_final(STATUS_UNAVAILABLE));
    assert_false(status_final(STATUS_RATE_LIMITED));
    assert_false(status_final(STATUS_NO_MEMORY));
}

static void a_number_outside_reads_as_internal(void **state)
{
    (void)state;
    assert_string_equal(status_code((enum status)STATUS_COUNT), "INTERNAL");
    assert_string_equal(status_code((enum status) - 1), "INTERNAL");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_status_has_code_and_message),
        cmocka_unit_test(codes_come_back_from_the_wire),
        cmocka_unit_test(close_codes_and_finality),
        cmocka_unit_test(a_number_outside_reads_as_internal),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
