/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * The room of what every part borrows: the ids of the metrics (metrics.def), the settings (config.def), the
 * queue with its worker threads (work_queue.h) and the table of the caches (lru.h). Nothing here knows what a
 * token or a user is.
 *
 * This header: the metrics' ids, their table for the registry, and the labelled series that every request
 * touches, looked up once.
 */
#ifndef POLLEN8_AUTH_SVC_BASE_MEASURES_H
#define POLLEN8_AUTH_SVC_BASE_MEASURES_H

#include "common/ops/metrics.h"
#include "common/status.h"

enum measure {
#define METRIC(id, kind, name, label, help) id,
#include "base/metrics.def"
    MEASURE_COUNT
};

enum measure_label {
#define LABEL(metric, id, value) id,
#include "base/metrics.def"
    MEASURE_LABELS
};

extern const struct metric_definition measures[MEASURE_COUNT];

struct measure_cells {
    struct metric_cell *results[STATUS_COUNT]; /* of METRIC_VERIFICATIONS */
    struct metric_cell *verdict_hit, *verdict_miss;
    struct metric_cell *user_hit, *user_miss, *user_wait;
    struct metric_cell *late, *malformed;
};

/* The series of a label's value. */
struct metric_cell *measure_cell(struct metrics *metrics, enum measure_label label);

/* The cells live as long as the registry. */
void measure_cells_init(struct measure_cells *cells, struct metrics *metrics);

#endif
