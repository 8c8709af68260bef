/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * See batch.h for the way of a batch. Entries and the pipeline's arguments are reused from batch to batch.
 */
#include "batch.h"

#include <stdio.h>
#include <stdlib.h>

#include "common/clock.h"
#include "common/log.h"
#include "common/subject.h"
#include "dead.h"

#define FLUSH_TIMEOUT_MS 2000

enum verdict {
    VERDICT_APPLY,
    VERDICT_DEAD,
    VERDICT_LATER /* not acknowledged: comes again */
};

struct entry {
    enum verdict verdict;
    struct bus_message message;
    struct bus_delivery delivery;
    struct slice name; /* of the event, within message.subject */
    size_t applied_as; /* index in batch->applies */
    char key[EVENT_KEY_SIZE];
    char reason[EVENT_REASON_SIZE];
    struct event event;
};

struct batch {
    struct service *service;
    struct store *store;
    enum batch_mode mode;
    struct delivery *delivery;
    struct wire_arena arena;
    size_t capacity;
    size_t count; /* of the running batch */
    size_t apply_count;
    size_t dead_count;
    size_t applied;
    struct entry *entries; /* capacity of each */
    struct store_event *applies;
    struct dead_letter *letters;
};

enum status batch_create(struct service *service, struct store *store, enum batch_mode mode, size_t capacity,
                         struct batch **ret_batch)
{
    struct batch *batch = calloc(1, sizeof *batch);
    struct metric_cell *published = metrics_cell(service->metrics, VALUE_PUBLISHES, NULL);
    struct metric_cell *calculated = metrics_cell(service->metrics, VALUE_VALUE_CALCULATIONS, NULL);

    if (!batch)
        return STATUS_NO_MEMORY;
    batch->service = service;
    batch->store = store;
    batch->mode = mode;
    batch->capacity = capacity;
    batch->entries = calloc(capacity, sizeof *batch->entries);
    batch->applies = calloc(capacity, sizeof *batch->applies);
    batch->letters = calloc(capacity, sizeof *batch->letters);
    if (!batch->entries || !batch->applies || !batch->letters ||
        delivery_create(service->bus, published, calculated, &batch->delivery) != STATUS_OK) {
        batch_free(batch);
        return STATUS_NO_MEMORY;
    }
    *ret_batch = batch;
    return STATUS_OK;
}

void batch_free(struct batch *batch)
{
    if (!batch)
        return;
    delivery_free(batch->delivery);
    wire_arena_done(&batch->arena);
    free(batch->entries);
    free(batch->applies);
    free(batch->letters);
    free(batch);
}

size_t batch_applied(const struct batch *batch)
{
    return batch->applied;
}

/* ---- Decode ----------------------------------------------------------------------------------------- */

static void add_apply(struct batch *batch, struct entry *entry)
{
    struct store_event *apply = &batch->applies[batch->apply_count];

    event_key(&entry->event, entry->delivery.stream_sequence, entry->delivery.timestamp_ms, entry->key);
    *apply = (struct store_event){.user_id = entry->event.user_id,
                                  .key = entry->key,
                                  .counts = entry->event.definition->sign != 0,
                                  .change = event_change(&entry->event),
                                  .once = event_once(&entry->event),
                                  .sequence = entry->delivery.stream_sequence,
                                  .time_ms = entry->delivery.timestamp_ms};
    entry->applied_as = batch->apply_count++;
}

static void decode_entry(struct batch *batch, struct entry *entry)
{
    enum status status;

    entry->name = slice_make(NULL, 0);
    if (entry->delivery.delivered > 1)
        metrics_add(batch->service->metrics, VALUE_REDELIVERIES, 1);
    subject_tail(entry->message.subject, SUBJECT_EVENTS, &entry->name);
    status = event_from_stream(entry->name, entry->message.data, &batch->arena, &entry->event, entry->reason);
    if (status == STATUS_OK) {
        entry->verdict = VERDICT_APPLY;
        add_apply(batch, entry);
    } else {
        entry->verdict = status == STATUS_NO_MEMORY ? VERDICT_LATER : VERDICT_DEAD;
    }
}

static void decode(struct batch *batch, struct bus_batch *messages)
{
    struct store_position last = {0};

    batch->count = bus_batch_count(messages);
    if (batch->count > batch->capacity)
        batch->count = batch->capacity; /* the rest comes again */
    batch->apply_count = 0;
    batch->dead_count = 0;
    batch->applied = 0;
    for (size_t i = 0; i < batch->count; i++) {
        struct entry *entry = &batch->entries[i];

        bus_batch_message(messages, i, &entry->message);
        if (bus_batch_delivery(messages, i, &entry->delivery) != STATUS_OK) {
            entry->verdict = VERDICT_LATER;
            continue;
        }
        if (entry->delivery.stream_sequence > last.sequence)
            last = (struct store_position){.sequence = entry->delivery.stream_sequence,
                                           .time_ms = entry->delivery.timestamp_ms};
        decode_entry(batch, entry);
    }
    if (batch->mode == BATCH_LIVE)
        service_note_progress(batch->service, &last);
}

/* ---- Apply ------------------------------------------------------------------------------------------ */

/* While Redis is away the messages stay ours: no other worker gains anything by being handed them. */
static void hold(struct batch *batch, struct bus_batch *messages, uint64_t *held_ms)
{
    uint64_t now = clock_monotonic_ms();

    if (now - *held_ms < (uint64_t)batch->service->config.ack_wait_ms / 3)
        return;
    *held_ms = now;
    for (size_t i = 0; i < batch->count; i++)
        bus_batch_in_progress(messages, i);
}

static enum status apply(struct batch *batch, struct bus_batch *messages)
{
    uint64_t held_ms = clock_monotonic_ms();
    struct store_rules rules = service_rules(batch->service);
    enum status status;

    for (;;) {
        status = service_store_ready(batch->service, batch->store);
        if (status == STATUS_OK)
            status = store_apply(batch->store, &rules, batch->applies, batch->apply_count);
        if (status == STATUS_OK)
            return STATUS_OK;
        log_event_limited(LOG_WARN, "a batch waits for Redis", LOG_S("error", store_error(batch->store)),
                          LOG_U("events", batch->count));
        if (service_stopping(batch->service))
            return status;
        hold(batch, messages, &held_ms);
    }
}

/* ---- Deliver ---------------------------------------------------------------------------------------- */

static enum status deliver_entry(struct batch *batch, struct entry *entry)
{
    const struct store_event *apply = &batch->applies[entry->applied_as];
    struct metrics *metrics = batch->service->metrics;
    const struct delivery_value value = {
        .sum = apply->sum, .epoch = store_epoch(batch->store), .version = apply->version};
    unsigned effects = batch->mode == BATCH_LIVE ? ~0U : (unsigned)EFFECT_UPDATE;

    switch (apply->outcome) {
    case STORE_APPLIED:
        batch->applied++;
        metric_add(batch->service->applied[entry->event.definition->index], 1);
        break;
    case STORE_REPEATED:
        if (batch->mode == BATCH_REPLAY)
            return STATUS_OK;
        metrics_add(metrics, VALUE_EVENTS_REPEATED, 1);
        break;
    case STORE_DUPLICATE:
        if (batch->mode == BATCH_LIVE)
            metrics_add(metrics, VALUE_EVENTS_DUPLICATE, 1);
        return STATUS_OK;
    case STORE_OUT_OF_RANGE:
        entry->verdict = VERDICT_DEAD;
        snprintf(entry->reason, sizeof entry->reason,
                 "the user's sum would leave the range of exact numbers");
        return STATUS_OK;
    case STORE_FAILED:
    default:
        entry->verdict = VERDICT_LATER;
        log_event_limited(LOG_ERROR, "a user's keys in Redis are broken",
                          LOG_S("error", store_error(batch->store)),
                          LOG_U("sequence", entry->delivery.stream_sequence));
        return STATUS_OK;
    }
    return delivery_publish(batch->delivery, &entry->event, entry->key, &value, effects);
}

static enum status deliver(struct batch *batch)
{
    enum status status = STATUS_OK;

    for (size_t i = 0; i < batch->count && status == STATUS_OK; i++) {
        if (batch->entries[i].verdict == VERDICT_APPLY)
            status = deliver_entry(batch, &batch->entries[i]);
    }
    return status;
}

/* ---- Bury ------------------------------------------------------------------------------------------- */

static void count_dead(struct batch *batch, const struct entry *entry)
{
    const struct event_definition *definition = event_find(entry->name);
    const char *name = definition ? definition->name : "unknown";

    metric_add(metrics_cell(batch->service->metrics, VALUE_EVENTS_DEAD, name), 1);
    log_event_limited(LOG_WARN, "an event can never be processed", LOG_S("event", name),
                      LOG_S("reason", entry->reason), LOG_U("sequence", entry->delivery.stream_sequence));
}

static enum status bury(struct batch *batch)
{
    enum status status;

    if (batch->mode == BATCH_REPLAY)
        return STATUS_OK;
    for (size_t i = 0; i < batch->count; i++) {
        const struct entry *entry = &batch->entries[i];

        if (entry->verdict == VERDICT_DEAD)
            batch->letters[batch->dead_count++] = (struct dead_letter){
                .name = entry->name,
                .body = entry->message.data,
                .reason = entry->reason,
                .stream_sequence = entry->delivery.stream_sequence,
                .timestamp_ms = entry->delivery.timestamp_ms,
            };
    }
    if (batch->dead_count == 0)
        return STATUS_OK;
    status = dead_bury(batch->service->bus, batch->letters, batch->dead_count);
    for (size_t i = 0; i < batch->count && status == STATUS_OK; i++) {
        if (batch->entries[i].verdict == VERDICT_DEAD)
            count_dead(batch, &batch->entries[i]);
    }
    return status;
}

/* ---- Acknowledge ------------------------------------------------------------------------------------ */

static enum status acknowledge(struct batch *batch, struct bus_batch *messages, uint64_t began_ns)
{
    uint64_t took_ns = clock_monotonic_ns() - began_ns;
    enum status status = STATUS_OK;

    for (size_t i = 0; i < batch->count && status == STATUS_OK; i++) {
        const struct entry *entry = &batch->entries[i];

        if (entry->verdict == VERDICT_LATER)
            continue;
        status = bus_batch_ack(messages, i);
        if (entry->verdict == VERDICT_APPLY && batch->mode == BATCH_LIVE)
            metric_observe_ns(batch->service->processing[entry->event.definition->index], took_ns);
    }
    return status;
}

enum status batch_handle(struct batch *batch, struct bus_batch *messages)
{
    uint64_t began_ns = clock_monotonic_ns();
    enum status status;

    decode(batch, messages);
    status = batch->apply_count > 0 ? apply(batch, messages) : STATUS_OK;
    if (status == STATUS_OK)
        status = deliver(batch);
    if (status == STATUS_OK)
        status = bury(batch);
    /* The broker has the deliveries before it may forget the events. */
    if (status == STATUS_OK)
        status = bus_flush(batch->service->bus, FLUSH_TIMEOUT_MS);
    if (status == STATUS_OK)
        status = acknowledge(batch, messages, began_ns);
    return status;
}
