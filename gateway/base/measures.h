/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * The gateway's metrics and the values of their labels, as metrics.def lists them: code names both by
 * enumerators, so that a label which no row lists does not compile. Any thread.
 */
#ifndef POLLEN8_GATEWAY_BASE_MEASURES_H
#define POLLEN8_GATEWAY_BASE_MEASURES_H

#include "common/ops/metrics.h"

enum gateway_metric {
#define METRIC(id, kind, name, label, help) METRIC_##id,
#include "base/metrics.def"
    METRIC_COUNT
};

enum gateway_label {
    LABEL_NONE, /* zeroed: it is not counted */
#define LABEL(metric, id, value) LABEL_##metric##_##id,
#include "base/metrics.def"
    LABEL_COUNT
};

extern const struct metric_definition measures[METRIC_COUNT];

/* The series of a label; not for LABEL_NONE. */
struct metric_cell *measure_cell(struct metrics *metrics, enum gateway_label label);

#endif
