/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * metrics.def as the tables of metrics and of their labels.
 */
#include "base/measures.h"

#include <stddef.h>

#include "common/check.h"

const struct metric_definition measures[METRIC_COUNT] = {
#define METRIC(id, kind, name, label, help) [METRIC_##id] = {METRIC_##kind, name, label, help},
#include "base/metrics.def"
};

static const struct {
    enum gateway_metric metric;
    const char *value;
} labels[LABEL_COUNT] = {
#define LABEL(metric, id, value) [LABEL_##metric##_##id] = {METRIC_##metric, value},
#include "base/metrics.def"
};

struct metric_cell *measure_cell(struct metrics *metrics, enum gateway_label label)
{
    CHECK(label > LABEL_NONE && label < LABEL_COUNT);
    return metrics_cell(metrics, labels[label].metric, labels[label].value);
}
