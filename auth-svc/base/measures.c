/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * metrics.def as the table from which the registry is made.
 */
#include "base/measures.h"

#include <stddef.h>

const struct metric_definition measures[MEASURE_COUNT] = {
#define METRIC(id, kind, name, label, help) [id] = {METRIC_##kind, name, label, help},
#include "base/metrics.def"
};

static const struct {
    enum measure metric;
    const char *value;
} labels[MEASURE_LABELS] = {
#define LABEL(metric, id, value) [id] = {metric, value},
#include "base/metrics.def"
};

struct metric_cell *measure_cell(struct metrics *metrics, enum measure_label label)
{
    return metrics_cell(metrics, labels[label].metric, labels[label].value);
}

void measure_cells_init(struct measure_cells *cells, struct metrics *metrics)
{
    cells->results[STATUS_OK] = metrics_cell(metrics, METRIC_VERIFICATIONS, "ok");
    for (size_t i = STATUS_OK + 1; i < STATUS_COUNT; i++)
        cells->results[i] = cells->results[STATUS_OK]; /* never the result of a verification */
    for (size_t i = STATUS_AUTH_REQUIRED; i <= STATUS_AUTH_UNAVAILABLE; i++)
        cells->results[i] = metrics_cell(metrics, METRIC_VERIFICATIONS, status_code((enum status)i));
    cells->verdict_hit = measure_cell(metrics, LABEL_VERDICT_HIT);
    cells->verdict_miss = measure_cell(metrics, LABEL_VERDICT_MISS);
    cells->user_hit = measure_cell(metrics, LABEL_USER_HIT);
    cells->user_miss = measure_cell(metrics, LABEL_USER_MISS);
    cells->user_wait = measure_cell(metrics, LABEL_USER_WAIT);
    cells->late = measure_cell(metrics, LABEL_LATE);
    cells->malformed = measure_cell(metrics, LABEL_MALFORMED);
}
