/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * metrics.def as the table from which the registry is made.
 */
#include "base/measures.h"

#include <stddef.h>

const struct metric_definition measures[MEASURE_COUNT] = {
#define METRIC(id, kind, name, label, help) [id] = {METRIC_##kind, name, label, help},
#include "base/metrics.def"
#undef METRIC
};

void measure_cells_init(struct measure_cells *cells, struct metrics *metrics)
{
    cells->results[STATUS_OK] = metrics_cell(metrics, METRIC_VERIFICATIONS, "ok");
    for (size_t i = STATUS_OK + 1; i < STATUS_COUNT; i++)
        cells->results[i] = cells->results[STATUS_OK]; /* never the result of a verification */
    for (size_t i = STATUS_AUTH_REQUIRED; i <= STATUS_AUTH_UNAVAILABLE; i++)
        cells->results[i] = metrics_cell(metrics, METRIC_VERIFICATIONS, status_code((enum status)i));
    cells->verdict_hit = metrics_cell(metrics, METRIC_VERDICT_CACHE, "hit");
    cells->verdict_miss = metrics_cell(metrics, METRIC_VERDICT_CACHE, "miss");
    cells->user_hit = metrics_cell(metrics, METRIC_USER_CACHE, "hit");
    cells->user_miss = metrics_cell(metrics, METRIC_USER_CACHE, "miss");
    cells->user_wait = metrics_cell(metrics, METRIC_USER_CACHE, "wait");
    cells->late = metrics_cell(metrics, METRIC_REQUESTS_DROPPED, "late");
    cells->malformed = metrics_cell(metrics, METRIC_REQUESTS_DROPPED, "malformed");
}
