/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * A broken invariant ends the process with one line and a SIGABRT; a true one costs nothing.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <jansson.h>
#include <signal.h>

#include "capture.h"
#include "common/check.h"
#include "common/log.h"

static struct captured captured;

static void break_it(void *context)
{
    int value = *(const int *)context;

    log_init("gateway", LOG_ERROR, LOG_JSON);
    CHECK(value == 1);
}

static void a_true_condition_goes_on(void **state)
{
    int value = 1;

    (void)state;
    capture(break_it, &value, &captured);
    assert_int_equal(captured.exit_status, 0);
    assert_string_equal(captured.err, "");
}

static void a_false_one_says_where_and_aborts(void **state)
{
    int value = 424242;
    json_t *line;

    (void)state;
    capture(break_it, &value, &captured);
    assert_int_equal(captured.signal, SIGABRT);
    line = json_loadb(captured.err, strcspn(captured.err, "\n"), 0, NULL);
    assert_non_null(line);
    assert_string_equal(json_string_value(json_object_get(line, "level")), "error");
    assert_string_equal(json_string_value(json_object_get(line, "condition")), "value == 1");
    assert_string_equal(json_string_value(json_object_get(line, "function")), "break_it");
    assert_non_null(strstr(json_string_value(json_object_get(line, "file")), "test_check.c"));
    assert_true(json_integer_value(json_object_get(line, "line")) > 0);
    assert_null(strstr(captured.err, "424242")); /* never the value */
    json_decref(line);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_true_condition_goes_on),
        cmocka_unit_test(a_false_one_says_where_and_aborts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
