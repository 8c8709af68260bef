/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * Every refusal is counted under its own code, and nothing else under that of another.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/measures.h"

static void refusals_have_their_own_series(void **state)
{
    struct metrics *metrics = NULL;
    struct measure_cells cells;

    (void)state;
    assert_int_equal(metrics_create(measures, MEASURE_COUNT, &metrics), STATUS_OK);
    measure_cells_init(&cells, metrics);
    for (int i = STATUS_OK; i < STATUS_COUNT; i++) {
        const bool refusal = i >= STATUS_AUTH_REQUIRED && i <= STATUS_AUTH_UNAVAILABLE;
        const char *label = refusal ? status_code((enum status)i) : "ok";

        assert_ptr_equal(cells.results[i], metrics_cell(metrics, METRIC_VERIFICATIONS, label));
    }
    for (int i = STATUS_AUTH_REQUIRED; i <= STATUS_AUTH_UNAVAILABLE; i++)
        for (int j = STATUS_OK; j < i; j++)
            assert_ptr_not_equal(cells.results[i], cells.results[j]);
    assert_ptr_equal(cells.verdict_hit, metrics_cell(metrics, METRIC_VERDICT_CACHE, "hit"));
    assert_ptr_equal(cells.verdict_miss, metrics_cell(metrics, METRIC_VERDICT_CACHE, "miss"));
    assert_ptr_equal(cells.user_hit, metrics_cell(metrics, METRIC_USER_CACHE, "hit"));
    assert_ptr_equal(cells.user_miss, metrics_cell(metrics, METRIC_USER_CACHE, "miss"));
    assert_ptr_equal(cells.user_wait, metrics_cell(metrics, METRIC_USER_CACHE, "wait"));
    assert_ptr_equal(cells.late, metrics_cell(metrics, METRIC_REQUESTS_DROPPED, "late"));
    assert_ptr_equal(cells.malformed, metrics_cell(metrics, METRIC_REQUESTS_DROPPED, "malformed"));
    metrics_free(metrics);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(refusals_have_their_own_series)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
