/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * The registry as Prometheus text (exposition format 0.0.4). Readings are relaxed: each number is true for
 * some moment of the rendering. A histogram's count is the sum of the buckets read, so that a scrape never
 * contradicts itself.
 */
#include <inttypes.h>

#include "common/ops/metrics_internal.h"

/* name[suffix][{label="value"[,le="bound"]}] and a space. */
static enum status append_series(struct buf *buf, const struct metric_definition *definition,
                                 const char *suffix, const char *label_value, const char *bound)
{
    enum status status = buf_append_format(buf, "%s%s", definition->name, suffix);
    bool braces = label_value || bound;
    if (status == STATUS_OK && braces)
        status = buf_append_char(buf, '{');
    if (status == STATUS_OK && label_value)
        status = buf_append_format(buf, "%s=\"", definition->label);
    if (status == STATUS_OK && label_value)
        status = metrics_text_label_value(buf, label_value);
    if (status == STATUS_OK && label_value)
        status = buf_append_string(buf, bound ? "\"," : "\"");
    if (status == STATUS_OK && bound)
        status = buf_append_format(buf, "le=\"%s\"", bound);
    return status == STATUS_OK ? buf_append_string(buf, braces ? "} " : " ") : status;
}

static enum status append_number(struct buf *buf, const struct metric_definition *definition,
                                 const char *label, uint64_t value)
{
    enum status status = append_series(buf, definition, "", label, NULL);
    if (status != STATUS_OK)
        return status;
    if (definition->kind == METRIC_GAUGE)
        return buf_append_format(buf, "%" PRId64 "\n", (int64_t)value);
    return buf_append_format(buf, "%" PRIu64 "\n", value);
}

static enum status append_histogram(struct buf *buf, const struct metric_definition *definition,
                                    const struct metric_cell *cell)
{
    uint64_t sum = atomic_load_explicit(&cell->value, memory_order_relaxed);
    uint64_t count = 0;
    enum status status = STATUS_OK;
    for (size_t i = 0; i <= METRIC_BUCKETS && status == STATUS_OK; i++) {
        const char *bound = i < METRIC_BUCKETS ? metric_buckets[i].text : "+Inf";
        count += atomic_load_explicit(&cell->buckets[i], memory_order_relaxed);
        status = append_series(buf, definition, "_bucket", cell->label_value, bound);
        if (status == STATUS_OK)
            status = buf_append_format(buf, "%" PRIu64 "\n", count);
    }
    if (status == STATUS_OK)
        status = append_series(buf, definition, "_sum", cell->label_value, NULL);
    if (status == STATUS_OK)
        status = buf_append_format(buf, "%" PRIu64 ".%09" PRIu64 "\n", sum / 1000000000u, sum % 1000000000u);
    if (status == STATUS_OK)
        status = append_series(buf, definition, "_count", cell->label_value, NULL);
    return status == STATUS_OK ? buf_append_format(buf, "%" PRIu64 "\n", count) : status;
}

static enum status append_cell(struct buf *buf, const struct metric_definition *definition,
                               const struct metric_cell *cell)
{
    if (definition->kind == METRIC_HISTOGRAM)
        return append_histogram(buf, definition, cell);
    return append_number(buf, definition, cell->label_value,
                         atomic_load_explicit(&cell->value, memory_order_relaxed));
}

static enum status append_family_locked(struct buf *buf, const struct metric_family *family)
{
    enum status status = STATUS_OK;
    if (family->replaced) {
        for (size_t i = 0; i < family->sample_count && status == STATUS_OK; i++)
            status = append_number(buf, family->definition, family->samples[i].label_value,
                                   (uint64_t)family->samples[i].value);
        return status;
    }
    for (size_t i = 0; i < family->count && status == STATUS_OK; i++)
        status = append_cell(buf, family->definition, family->cells[i]);
    return status;
}

static enum status append_family(struct buf *buf, struct metric_family *family)
{
    static const char *const types[] = {
        [METRIC_COUNTER] = "counter", [METRIC_GAUGE] = "gauge", [METRIC_HISTOGRAM] = "histogram"};
    const struct metric_definition *definition = family->definition;
    enum status status = metrics_text_head(buf, definition->name, types[definition->kind], definition->help);
    if (status != STATUS_OK)
        return status;
    pthread_mutex_lock(&family->lock);
    status = append_family_locked(buf, family);
    pthread_mutex_unlock(&family->lock);
    return status;
}

enum status metrics_render(struct metrics *metrics, const char *service, struct buf *buf)
{
    enum status status = STATUS_OK;
    for (size_t i = 0; i < metrics->count && status == STATUS_OK; i++)
        status = append_family(buf, &metrics->families[i]);
    return status == STATUS_OK ? metrics_render_process(service, buf) : status;
}
