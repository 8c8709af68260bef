/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * The registry of metrics and their updates. A series is a cell of atomics that never moves, so that an
 * update is one or two relaxed additions; only finding a labelled series takes a lock.
 */
#include "common/ops/metrics.h"

#include <stdlib.h>
#include <string.h>

#include "common/check.h"
#include "common/ops/metrics_internal.h"

#define OTHER "other"

const struct metric_bucket metric_buckets[METRIC_BUCKETS] = {
    {100000u, "0.0001"},  {250000u, "0.00025"}, {500000u, "0.0005"},  {1000000u, "0.001"},
    {2500000u, "0.0025"}, {5000000u, "0.005"},  {10000000u, "0.01"},  {25000000u, "0.025"},
    {50000000u, "0.05"},  {100000000u, "0.1"},  {250000000u, "0.25"}, {500000000u, "0.5"},
    {1000000000u, "1"},   {2500000000u, "2.5"}, {5000000000u, "5"},   {10000000000u, "10"},
};

/* ---- making and freeing ---- */

static void cell_free(struct metric_cell *cell)
{
    if (!cell)
        return;
    free(cell->label_value);
    free(cell->buckets);
    free(cell);
}

static struct metric_cell *cell_create(enum metric_kind kind, const char *label_value)
{
    struct metric_cell *cell = calloc(1, sizeof(*cell));

    if (!cell)
        return NULL;
    if (label_value && !(cell->label_value = strdup(label_value)))
        goto fail;
    if (kind == METRIC_HISTOGRAM && !(cell->buckets = calloc(METRIC_BUCKETS + 1, sizeof(*cell->buckets))))
        goto fail;
    return cell;
fail:
    cell_free(cell);
    return NULL;
}

/* [a-zA-Z_][a-zA-Z0-9_]*, for metrics a colon too. */
static bool name_valid(const char *name, bool colon)
{
    for (const char *c = name; *c; c++) {
        bool letter =
            (*c >= 'a' && *c <= 'z') || (*c >= 'A' && *c <= 'Z') || *c == '_' || (colon && *c == ':');
        if (!letter && (c == name || *c < '0' || *c > '9'))
            return false;
    }
    return *name != '\0';
}

static bool definition_valid(const struct metric_definition *definitions, size_t index)
{
    const struct metric_definition *definition = &definitions[index];
    if (!name_valid(definition->name, true) || !definition->help || !*definition->help)
        return false;
    if (definition->label && (!name_valid(definition->label, false) || strcmp(definition->label, "le") == 0))
        return false;
    for (size_t i = 0; i < index; i++) {
        if (strcmp(definitions[i].name, definition->name) == 0)
            return false;
    }
    return true;
}

static enum status family_init(struct metric_family *family, const struct metric_definition *definition)
{
    family->definition = definition;
    CHECK(pthread_mutex_init(&family->lock, NULL) == 0);
    struct metric_cell *cell = cell_create(definition->kind, definition->label ? OTHER : NULL);
    if (!cell)
        return STATUS_NO_MEMORY;
    if (definition->label)
        family->other = cell;
    else
        family->cells[family->count++] = cell;
    return STATUS_OK;
}

static void samples_free(struct metric_sample *samples, size_t count)
{
    for (size_t i = 0; samples && i < count; i++)
        free((char *)(uintptr_t)samples[i].label_value);
    free(samples);
}

static void family_done(struct metric_family *family)
{
    bool other_listed = false;
    for (size_t i = 0; i < family->count; i++) {
        other_listed = other_listed || family->cells[i] == family->other;
        cell_free(family->cells[i]);
    }
    if (!other_listed)
        cell_free(family->other);
    samples_free(family->samples, family->sample_count);
    pthread_mutex_destroy(&family->lock);
}

enum status metrics_create(const struct metric_definition *definitions, size_t count,
                           struct metrics **ret_metrics)
{
    struct metrics *metrics = calloc(1, sizeof(*metrics));
    enum status status = STATUS_NO_MEMORY;
    if (!metrics)
        return STATUS_NO_MEMORY;
    metrics->families = calloc(count ? count : 1, sizeof(*metrics->families));
    if (!metrics->families)
        goto fail;
    for (size_t i = 0; i < count; i++) {
        status = STATUS_MALFORMED;
        if (!definition_valid(definitions, i))
            goto fail;
        metrics->count = i + 1; /* from here on metrics_free ends this family too */
        status = family_init(&metrics->families[i], &definitions[i]);
        if (status != STATUS_OK)
            goto fail;
    }
    *ret_metrics = metrics;
    return STATUS_OK;
fail:
    metrics_free(metrics);
    return status;
}

void metrics_free(struct metrics *metrics)
{
    if (!metrics)
        return;
    for (size_t i = 0; i < metrics->count; i++)
        family_done(&metrics->families[i]);
    free(metrics->families);
    free(metrics);
}

/* ---- finding a series ---- */

static struct metric_cell *find_locked(const struct metric_family *family, const char *label_value)
{
    for (size_t i = 0; i < family->count; i++) {
        if (strcmp(family->cells[i]->label_value, label_value) == 0)
            return family->cells[i];
    }
    return NULL;
}

/* The series `other`, shown from now on. Its place in `cells` is always free: the array has one more than
 * the bound. */
static struct metric_cell *other_locked(struct metric_family *family)
{
    if (!find_locked(family, OTHER))
        family->cells[family->count++] = family->other;
    return family->other;
}

static struct metric_cell *find_or_add_locked(struct metric_family *family, const char *label_value)
{
    struct metric_cell *cell = find_locked(family, label_value);
    size_t others = find_locked(family, OTHER) ? 1 : 0;
    if (cell)
        return cell;
    if (strcmp(label_value, OTHER) == 0 || family->count - others >= METRIC_LABELS_MAXIMUM)
        return other_locked(family);
    cell = cell_create(family->definition->kind, label_value);
    if (!cell)
        return other_locked(family);
    family->cells[family->count++] = cell;
    return cell;
}

struct metric_cell *metrics_cell(struct metrics *metrics, size_t id, const char *label_value)
{
    CHECK(id < metrics->count);
    struct metric_family *family = &metrics->families[id];
    if (!family->definition->label)
        return family->cells[0];
    if (!label_value || !*label_value)
        label_value = OTHER;
    pthread_mutex_lock(&family->lock);
    struct metric_cell *cell = find_or_add_locked(family, label_value);
    pthread_mutex_unlock(&family->lock);
    return cell;
}

/* ---- updates ---- */

void metric_add(struct metric_cell *cell, uint64_t amount)
{
    atomic_fetch_add_explicit(&cell->value, amount, memory_order_relaxed);
}

void metric_subtract(struct metric_cell *cell, uint64_t amount)
{
    atomic_fetch_sub_explicit(&cell->value, amount, memory_order_relaxed);
}

void metric_set(struct metric_cell *cell, int64_t value)
{
    atomic_store_explicit(&cell->value, (uint64_t)value, memory_order_relaxed);
}

int64_t metric_exchange(struct metric_cell *cell, int64_t value)
{
    return (int64_t)atomic_exchange_explicit(&cell->value, (uint64_t)value, memory_order_relaxed);
}

void metric_observe_ns(struct metric_cell *cell, uint64_t nanoseconds)
{
    CHECK(cell->buckets);
    size_t bucket = 0;
    while (bucket < METRIC_BUCKETS && nanoseconds > metric_buckets[bucket].bound_ns)
        bucket++;
    atomic_fetch_add_explicit(&cell->buckets[bucket], 1, memory_order_relaxed);
    atomic_fetch_add_explicit(&cell->value, nanoseconds, memory_order_relaxed);
}

void metrics_add(struct metrics *metrics, size_t id, uint64_t amount)
{
    metric_add(metrics_cell(metrics, id, NULL), amount);
}

void metrics_set(struct metrics *metrics, size_t id, int64_t value)
{
    metric_set(metrics_cell(metrics, id, NULL), value);
}

void metrics_observe_ns(struct metrics *metrics, size_t id, uint64_t nanoseconds)
{
    metric_observe_ns(metrics_cell(metrics, id, NULL), nanoseconds);
}

uint64_t metric_value(const struct metric_cell *cell)
{
    if (!cell->buckets)
        return atomic_load_explicit(&cell->value, memory_order_relaxed);
    uint64_t observations = 0;
    for (size_t i = 0; i <= METRIC_BUCKETS; i++)
        observations += atomic_load_explicit(&cell->buckets[i], memory_order_relaxed);
    return observations;
}

/* ---- replacing all series of a gauge ---- */

static int by_label(const void *a, const void *b)
{
    const struct metric_sample *left = a;
    const struct metric_sample *right = b;
    return strcmp(left->label_value, right->label_value);
}

static int by_value(const void *a, const void *b)
{
    const struct metric_sample *left = a;
    const struct metric_sample *right = b;
    if (left->value != right->value)
        return left->value < right->value ? 1 : -1;
    return by_label(a, b);
}

/* Sums samples of the same label; returns how many are left. They are sorted by label. */
static size_t merge(struct metric_sample *samples, size_t count)
{
    size_t kept = 0;
    for (size_t i = 0; i < count; i++) {
        if (kept > 0 && strcmp(samples[kept - 1].label_value, samples[i].label_value) == 0)
            samples[kept - 1].value += samples[i].value;
        else
            samples[kept++] = samples[i];
    }
    return kept;
}

/* Keeps the `largest` largest at the front, and what else there is as one sample `other` after them.
 * Returns how many are left. A sample that is called so already goes into it. */
static size_t keep_largest(struct metric_sample *samples, size_t count, size_t largest)
{
    int64_t rest = 0;
    bool any = false;
    size_t kept = 0;
    for (size_t i = 0; i < count; i++) {
        if (kept < largest && strcmp(samples[i].label_value, OTHER) != 0) {
            samples[kept++] = samples[i];
        } else {
            rest += samples[i].value;
            any = true;
        }
    }
    if (any)
        samples[kept++] = (struct metric_sample){.label_value = OTHER, .value = rest};
    return kept;
}

/* Gives each sample its own copy of its label. */
static enum status own_labels(struct metric_sample *samples, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        samples[i].label_value = strdup(samples[i].label_value);
        if (samples[i].label_value)
            continue;
        while (i-- > 0)
            free((char *)(uintptr_t)samples[i].label_value);
        return STATUS_NO_MEMORY;
    }
    return STATUS_OK;
}

static void swap_samples(struct metric_family *family, struct metric_sample *samples, size_t count)
{
    pthread_mutex_lock(&family->lock);
    struct metric_sample *former = family->samples;
    size_t former_count = family->sample_count;
    family->samples = samples;
    family->sample_count = count;
    family->replaced = true;
    pthread_mutex_unlock(&family->lock);
    samples_free(former, former_count);
}

enum status metrics_replace(struct metrics *metrics, size_t id, const struct metric_sample *samples,
                            size_t count, size_t largest)
{
    CHECK(id < metrics->count);
    CHECK(metrics->families[id].definition->label && metrics->families[id].definition->kind == METRIC_GAUGE);
    struct metric_sample *copy = calloc(count + 1, sizeof(*copy));
    if (!copy)
        return STATUS_NO_MEMORY;
    if (count > 0)
        memcpy(copy, samples, count * sizeof(*copy));
    qsort(copy, count, sizeof(*copy), by_label);
    count = merge(copy, count);
    qsort(copy, count, sizeof(*copy), by_value);
    count = keep_largest(copy, count, largest < METRIC_LABELS_MAXIMUM ? largest : METRIC_LABELS_MAXIMUM);
    if (own_labels(copy, count) != STATUS_OK) {
        free(copy);
        return STATUS_NO_MEMORY;
    }
    swap_samples(&metrics->families[id], copy, count);
    return STATUS_OK;
}
