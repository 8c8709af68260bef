/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * The registry's inside, shared by metrics.c (updates), metrics_render.c (text), metrics_process.c (the
 * process's own numbers) and metrics_text.c (what those two write alike).
 */
#ifndef POLLEN8_COMMON_OPS_METRICS_INTERNAL_H
#define POLLEN8_COMMON_OPS_METRICS_INTERNAL_H

#include <pthread.h>
#include <stdatomic.h>

#include "common/ops/metrics.h"

/* Upper bounds in nanoseconds: 100 us to 10 s in steps of 2 to 2.5, three a decade, so that both a Redis
 * round trip (hundreds of us) and a slow drain can be read with an error below a factor of 2.5. Beyond the
 * last only `+Inf` counts. The text is the bound in seconds, as `le` shows it. */
struct metric_bucket {
    uint64_t bound_ns;
    const char *text;
};
#define METRIC_BUCKETS 16
extern const struct metric_bucket metric_buckets[METRIC_BUCKETS];

struct metric_cell {
    char *label_value;         /* owned; NULL if the metric has no label */
    _Atomic uint64_t value;    /* counter; gauge as two's complement; histogram: sum in nanoseconds */
    _Atomic uint64_t *buckets; /* owned, METRIC_BUCKETS + 1, each alone (not cumulative); histograms only */
};

/* One metric. The array of cells only grows, under the lock; cells themselves never move. */
struct metric_family {
    const struct metric_definition *definition;
    pthread_mutex_t lock; /* guards cells, count, samples, sample_count */
    struct metric_cell *cells[METRIC_LABELS_MAXIMUM + 1];
    size_t count;
    struct metric_cell *other;     /* labelled only: the series past the bound; in cells once it is used */
    struct metric_sample *samples; /* owned, as their texts; metrics_replace */
    size_t sample_count;
    bool replaced; /* metrics_replace was called: samples are shown instead of cells */
};

struct metrics {
    size_t count;
    struct metric_family *families; /* owned */
};

/* Appends the process_* metrics and pollen8_build_info. */
enum status metrics_render_process(const char *service, struct buf *buf);

/* Appends `# HELP` and `# TYPE`. */
enum status metrics_text_head(struct buf *buf, const char *name, const char *type, const char *help);

/* Appends a label's value, escaped, without its quotes. */
enum status metrics_text_label_value(struct buf *buf, const char *value);

#endif
