/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * Counters, gauges and histograms with the Prometheus text exposition format 0.0.4. A service declares its
 * metrics in metrics.def; each row needs an operator's description:
 *
 *   METRIC(id, KIND, "pollen8_name", "label name" or NULL, "help")      KIND = COUNTER | GAUGE | HISTOGRAM
 *   LABEL(metric's id, id, "value")           a value of its label, for code to name by an enumerator instead
 *                                             of a string; not for values that are data (codes, industries)
 *
 * Updates are atomic and wait-free for metrics without a label, and for a held `struct metric_cell`. A
 * labelled metric keeps at most METRIC_LABELS_MAXIMUM values; further ones are counted under `other`.
 * Histograms count seconds, in buckets from 100 us to 10 s (0.0001 0.00025 0.0005 ... 2.5 5 10). Any thread.
 */
#ifndef POLLEN8_COMMON_OPS_METRICS_H
#define POLLEN8_COMMON_OPS_METRICS_H

#include <stdbool.h>
#include <stdint.h>

#include "common/buf.h"

#define METRIC_LABELS_MAXIMUM 128

enum metric_kind { METRIC_COUNTER, METRIC_GAUGE, METRIC_HISTOGRAM };

struct metric_definition {
    enum metric_kind kind;
    const char *name;
    const char *label; /* NULL: no label */
    const char *help;
};

struct metrics;     /* opaque: the registry of one process */
struct metric_cell; /* opaque: one time series */

/* `definitions` is borrowed for ever; metric ids are indexes into it. STATUS_MALFORMED for a name or label
 * that Prometheus would refuse, a name used twice, the label `le` or a missing help. */
enum status metrics_create(const struct metric_definition *definitions, size_t count,
                           struct metrics **ret_metrics);
void metrics_free(struct metrics *metrics);

/* The series of metric `id` with a label value (NULL or empty for a metric without one). Never NULL: past the
 * bound, or when out of memory, it is the series `other`. Lives as long as the registry. Takes a lock for
 * labelled ones. */
struct metric_cell *metrics_cell(struct metrics *metrics, size_t id, const char *label_value);

void metric_add(struct metric_cell *cell, uint64_t amount);             /* counter or gauge */
void metric_subtract(struct metric_cell *cell, uint64_t amount);        /* gauge */
void metric_set(struct metric_cell *cell, int64_t value);               /* gauge */
int64_t metric_exchange(struct metric_cell *cell, int64_t value);       /* gauge; returns what it was */
void metric_observe_ns(struct metric_cell *cell, uint64_t nanoseconds); /* histogram */

/* Shorthands for unlabelled metrics. */
void metrics_add(struct metrics *metrics, size_t id, uint64_t amount);
void metrics_set(struct metrics *metrics, size_t id, int64_t value);
void metrics_observe_ns(struct metrics *metrics, size_t id, uint64_t nanoseconds);

uint64_t metric_value(const struct metric_cell *cell); /* counter, gauge; observations of a histogram */

/* Replaces all label values of a gauge at once (series not named vanish): the 100 largest, the rest summed
 * as `other`. Names are copied; samples of one name are summed. A metric is either replaced or updated by
 * its cells: once replaced, its cells are no longer shown. */
struct metric_sample {
    const char *label_value;
    int64_t value;
};
enum status metrics_replace(struct metrics *metrics, size_t id, const struct metric_sample *samples,
                            size_t count, size_t largest);

/* Appends everything, and process_* basics (resident memory, open descriptors, CPU seconds, start time) and
 * pollen8_build_info{service,version}. */
enum status metrics_render(struct metrics *metrics, const char *service, struct buf *buf);

#endif
