/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * See batch.h for the steps of a batch. Entries and arguments are reused from batch to batch.
 */
#include "consume/batch_internal.h"

#include <stdio.h>
#include <stdlib.h>

#include "common/bus/subject.h"
#include "common/clock.h"
#include "common/log.h"
#include "consume/dead.h"
#include "service/tries.h"

#define FLUSH_TIMEOUT_MS   2000
#define PUBLISH_AT_MOST_MS (HISTORY_LOOKBACK_MS - FLUSH_TIMEOUT_MS) /* after the stamp */
#define CRASHES            3          /* while an event was being worked on: then it is tried alone */
#define FRAME_BYTES        32768      /* bounds what the packed frames of a batch take */
#define FRAMES_KEPT_BYTES  (1U << 20) /* memory kept from batch to batch */

enum status batch_create(struct service *service, struct store *store, size_t capacity,
                         struct batch **ret_batch)
{
    struct batch *batch = calloc(1, sizeof(*batch));
    struct metric_cell *published = metrics_cell(service->metrics, VALUE_PUBLISHES, NULL);
    struct metric_cell *calculated = metrics_cell(service->metrics, VALUE_VALUE_CALCULATIONS, NULL);
    if (!batch)
        return STATUS_NO_MEMORY;
    batch->service = service;
    batch->store = store;
    batch->capacity = capacity;
    batch->all = calloc(capacity, sizeof(*batch->all));
    batch->applies = calloc(capacity, sizeof(*batch->applies));
    batch->letters = calloc(capacity, sizeof(*batch->letters));
    batch->appends = calloc(capacity * INDUSTRIES_MAXIMUM, sizeof(*batch->appends));
    buf_init(&batch->frames, capacity * FRAME_BYTES);
    if (!batch->all || !batch->applies || !batch->letters || !batch->appends ||
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
    free(batch->all);
    free(batch->applies);
    free(batch->letters);
    free(batch->appends);
    buf_done(&batch->frames);
    free(batch);
}

/* ---- decode ----------------------------------------------------------------------------------------- */

/* Whether an earlier epoch's durable delivers the event. */
static bool is_quiet(const struct batch *batch, const struct entry *entry)
{
    return !batch->drain && entry->delivery.stream_sequence <= store_world(batch->store)->quiet;
}

static void add_apply(struct batch *batch, struct entry *entry)
{
    struct store_event *apply = &batch->applies[batch->apply_count];
    const struct event_definition *definition = entry->event.definition;
    bool again = is_quiet(batch, entry);
    /* An event that is only counted again is delivered elsewhere, or was already: only its user
     * gets an update. */
    unsigned withheld = service_withholds(batch->service, batch->store) ? (unsigned)EFFECT_UPDATE : 0;
    unsigned effects = (again ? (unsigned)EFFECT_UPDATE : ~0U) & ~withheld;

    event_key(&entry->event, entry->delivery.stream_sequence, entry->delivery.timestamp_ms, entry->key);
    entry->payload.length = 0;
    if ((definition->effects & EFFECT_USER) &&
        batch_pack(batch, entry, EFFECT_USER, &entry->payload) != STATUS_OK) {
        entry->verdict = VERDICT_LATER;
        return;
    }
    delivery_number_user(batch->delivery, &entry->event, effects, &entry->sent);
    *apply = (struct store_event){.user_id = entry->event.user_id,
                                  .key = entry->key,
                                  .counts = definition->sign != 0,
                                  .change = event_change(&entry->event),
                                  .once = event_once(&entry->event),
                                  .sequence = entry->delivery.stream_sequence,
                                  .time_ms = entry->delivery.timestamp_ms,
                                  .anew = entry->event.origin_sequence != 0,
                                  .replay = again,
                                  .why = entry->reason,
                                  .lane = entry->sent.lane,
                                  .user_number = entry->sent.user,
                                  .update = {.number = delivery_number_of(&entry->sent, EFFECT_UPDATE)},
                                  .payload = {.number = delivery_number_of(&entry->sent, EFFECT_USER),
                                              .event_id = delivery_event_id(entry->key, EFFECT_USER, 0)},
                                  .keep = definition->policy == POLICY_KEEP ? entry->event.invite_id : NULL};
    apply->keep_id = apply->payload.event_id;
    entry->applied_as = batch->apply_count++;
}

static void decode_entry(struct batch *batch, struct entry *entry)
{
    entry->name = slice_make(NULL, 0);
    if (entry->delivery.delivered > 1)
        metrics_add(batch->service->metrics, VALUE_REDELIVERIES, 1);
    subject_tail(entry->message.subject, SUBJECT_EVENTS, &entry->name);
    enum status status =
        event_from_stream(entry->name, entry->message.data, &batch->arena, &entry->event, entry->reason);
    if (status == STATUS_OK) {
        entry->verdict = VERDICT_APPLY;
        add_apply(batch, entry);
    } else {
        entry->verdict = status == STATUS_NO_MEMORY ? VERDICT_LATER : VERDICT_DEAD;
    }
}

/* After all frames to users: delivery.h says why. */
static void number_industries(struct batch *batch)
{
    for (size_t i = 0; i < batch->count; i++) {
        struct entry *entry = &batch->entries[i];
        if (entry->verdict != VERDICT_APPLY)
            continue;
        delivery_number_industry(batch->delivery, &entry->sent);
        batch->applies[entry->applied_as].industry_number = entry->sent.industry;
    }
}

static void decode(struct batch *batch)
{
    batch->apply_count = 0;
    batch->dead_count = 0;
    batch->stamped_ms = 0;
    if (batch->frames.capacity > FRAMES_KEPT_BYTES)
        buf_done(&batch->frames);
    buf_clear(&batch->frames);
    for (size_t i = 0; i < batch->count; i++)
        decode_entry(batch, &batch->entries[i]);
    number_industries(batch);
}

/* ---- deliver ---------------------------------------------------------------------------------------- */

static enum status publish_to_user(struct batch *batch, struct entry *entry)
{
    const struct store_event *apply = &batch->applies[entry->applied_as];
    const struct delivery_sent *sent = &entry->sent;
    const char *user_id = entry->event.user_id;
    enum status status = STATUS_OK;
    if (sent->effects & EFFECT_UPDATE)
        status =
            delivery_publish_update(batch->delivery, user_id, entry->key, sent, apply->sum, apply->version);
    if (status == STATUS_OK && (sent->effects & EFFECT_USER))
        status = delivery_publish_user(batch->delivery, user_id, sent, batch_packed(batch, &entry->payload));
    return status;
}

static void judge_failed(struct entry *entry, const struct store_event *apply)
{
    entry->verdict = entry->tries < TRIES_MAXIMUM ? VERDICT_LATER : VERDICT_TRIED;
    log_event_limited(
        LOG_ERROR, apply->broken ? "a user's keys in Redis are broken" : "Redis refuses one event of a batch",
        LOG_S("error", entry->reason), LOG_U("sequence", entry->delivery.stream_sequence),
        LOG_U("tries", entry->tries));
    char why[STORE_WHY_SIZE];
    snprintf(why, sizeof(why), "%.*s", STORE_WHY_SIZE - 1, entry->reason);
    if (entry->verdict == VERDICT_TRIED)
        snprintf(entry->reason, sizeof(entry->reason), "failed %d times: %s", TRIES_MAXIMUM, why);
}

/* Counts the event's outcome, and judges it again if it could not be applied. */
static void note_outcome(struct batch *batch, struct entry *entry)
{
    const struct store_event *apply = &batch->applies[entry->applied_as];
    struct metrics *metrics = batch->service->metrics;
    switch (apply->outcome) {
    case STORE_REPEATED:
        if (!apply->mine) {
            metrics_add(metrics, VALUE_EVENTS_REPEATED, 1);
            break;
        }
        __attribute__((fallthrough));
    case STORE_APPLIED:
        if (apply->replay)
            metrics_add(metrics, VALUE_REPLAYED, 1);
        metric_add(batch->service->applied[entry->event.definition->index], 1);
        break;
    case STORE_DUPLICATE: metrics_add(metrics, VALUE_EVENTS_DUPLICATE, 1); break;
    case STORE_OUT_OF_RANGE:
        entry->verdict = VERDICT_DEAD;
        snprintf(entry->reason, sizeof(entry->reason),
                 "the user's sum would leave the range of exact numbers");
        break;
    case STORE_FAILED:
    default: judge_failed(entry, apply);
    }
}

static enum status deliver_to_users(struct batch *batch)
{
    enum status status = STATUS_OK;
    for (size_t i = 0; i < batch->count && status == STATUS_OK; i++) {
        struct entry *entry = &batch->entries[i];
        if (entry->verdict != VERDICT_APPLY)
            continue;
        note_outcome(batch, entry);
        if (batch_delivers(&batch->applies[entry->applied_as]))
            status = publish_to_user(batch, entry);
    }
    return status;
}

static enum status deliver_to_industries(struct batch *batch)
{
    enum status status = STATUS_OK;
    for (size_t i = 0; i < batch->count && status == STATUS_OK; i++) {
        const struct entry *entry = &batch->entries[i];
        if (entry->verdict == VERDICT_APPLY && entry->industry.length > 0)
            status = delivery_publish_industry(batch->delivery, &entry->sent,
                                               batch_packed(batch, &entry->industry));
    }
    return status;
}

/* In the order of the numbers. */
static enum status deliver(struct batch *batch)
{
    if (batch_stamped_over(batch, PUBLISH_AT_MOST_MS))
        return STATUS_TIMEOUT; /* delayed too long */
    enum status status = deliver_to_users(batch);
    return status == STATUS_OK ? deliver_to_industries(batch) : status;
}

/* ---- bury ------------------------------------------------------------------------------------------- */

static void count_dead(struct batch *batch, const struct entry *entry)
{
    const struct event_definition *definition = event_find(entry->name);
    const char *name = definition ? definition->name : "unknown";
    metric_add(metrics_cell(batch->service->metrics, VALUE_EVENTS_DEAD, name), 1);
    log_event_limited(LOG_WARN, "event moved to dead letters", LOG_S("event", name),
                      LOG_S("reason", entry->reason), LOG_U("sequence", entry->delivery.stream_sequence));
}

/* An event of wrong content is not buried again if it is only counted again. */
static bool is_buried(const struct batch *batch, const struct entry *entry)
{
    return entry->verdict == VERDICT_TRIED || (entry->verdict == VERDICT_DEAD && !is_quiet(batch, entry));
}

static void add_letter(struct batch *batch, const struct entry *entry)
{
    batch->letters[batch->dead_count++] = (struct dead_letter){
        .name = entry->name,
        .body = entry->message.data,
        .reason = entry->reason,
        .stream_sequence = entry->delivery.stream_sequence,
        .timestamp_ms = entry->delivery.timestamp_ms,
        .tried = entry->verdict == VERDICT_TRIED,
    };
}

static enum status bury(struct batch *batch)
{
    const struct dead_letter *letter = batch->letters;
    for (size_t i = 0; i < batch->count; i++) {
        if (is_buried(batch, &batch->entries[i]))
            add_letter(batch, &batch->entries[i]);
    }
    if (batch->dead_count == 0)
        return STATUS_OK;
    enum status status = dead_bury(batch->service->bus, batch->letters, batch->dead_count);
    for (size_t i = 0; i < batch->count && status == STATUS_OK; i++) {
        if (is_buried(batch, &batch->entries[i]) && !(letter++)->repeated)
            count_dead(batch, &batch->entries[i]);
    }
    return status;
}

/* ---- acknowledge ------------------------------------------------------------------------------------ */

/* Requests redelivery of an event that is to be tried again soon. Any other that is not acknowledged is
 * redelivered after ACK_WAIT. */
static enum status acknowledge_one(struct batch *batch, struct bus_batch *messages, const struct entry *entry)
{
    const struct tries_event event = {.sequence = entry->delivery.stream_sequence,
                                      .time_ms = entry->delivery.timestamp_ms};
    if (entry->verdict == VERDICT_LATER)
        return entry->tries > 0 ? bus_batch_retry(messages, entry->index, tries_delay_ms(entry->tries))
                                : STATUS_OK;
    if (entry->tries > 0 || entry->delivery.delivered > 1)
        tries_forget(batch->service->tries, event);
    return bus_batch_ack(messages, entry->index);
}

static enum status acknowledge(struct batch *batch, struct bus_batch *messages, uint64_t began_ns)
{
    uint64_t took_ns = clock_monotonic_ns() - began_ns;
    enum status status = STATUS_OK;
    for (size_t i = 0; i < batch->count && status == STATUS_OK; i++) {
        const struct entry *entry = &batch->entries[i];
        status = acknowledge_one(batch, messages, entry);
        if (entry->verdict == VERDICT_APPLY)
            metric_observe_ns(batch->service->processing[entry->event.definition->index], took_ns);
    }
    return status;
}

/* ---- a batch ---------------------------------------------------------------------------------------- */

static enum status handle_some(struct batch *batch, struct bus_batch *messages, struct entry *entries,
                               size_t count)
{
    uint64_t began_ns = clock_monotonic_ns();
    batch->entries = entries;
    batch->count = count;
    decode(batch);
    enum status status = batch->apply_count > 0 ? batch_apply(batch, messages) : STATUS_OK;
    if (status == STATUS_OK)
        status = deliver(batch);
    if (status == STATUS_OK)
        status = bury(batch);
    /* The broker has the deliveries before it may forget the events. */
    if (status == STATUS_OK)
        status = bus_flush(batch->service->bus, FLUSH_TIMEOUT_MS);
    if (status != STATUS_OK) {
        delivery_abandon(batch->delivery);
        return status;
    }
    return acknowledge(batch, messages, began_ns);
}

/* Whether the event may have ended each process that it was handed to. If this process asked for it again, it
 * is not a suspect. */
static bool is_suspect(const struct batch *batch, const struct bus_delivery *delivery)
{
    const struct tries_event event = {.sequence = delivery->stream_sequence,
                                      .time_ms = delivery->timestamp_ms};
    return delivery->delivered > CRASHES && tries_known(batch->service->tries, event) == 0;
}

/* Fills batch->all: from the front with events handled together, from the back with those tried alone. */
static void take(struct batch *batch, struct bus_batch *messages, size_t *ret_together, size_t *ret_alone)
{
    size_t total = bus_batch_count(messages);
    if (total > batch->capacity)
        total = batch->capacity; /* the rest is redelivered */
    struct store_position last = {0};
    size_t together = 0;
    size_t alone = 0;
    for (size_t i = 0; i < total; i++) {
        struct bus_delivery delivery;
        if (bus_batch_delivery(messages, i, &delivery) != STATUS_OK)
            continue; /* it is redelivered */
        if (batch->drain && (delivery.stream_sequence <= batch->drain->above ||
                             delivery.stream_sequence > batch->drain->to)) {
            bus_batch_ack(messages, i);
            continue;
        }
        struct entry *entry =
            is_suspect(batch, &delivery) ? &batch->all[batch->capacity - ++alone] : &batch->all[together++];
        entry->index = i;
        entry->tries = 0;
        entry->delivery = delivery;
        bus_batch_message(messages, i, &entry->message);
        if (delivery.stream_sequence > last.sequence)
            last = (struct store_position){.sequence = delivery.stream_sequence,
                                           .time_ms = delivery.timestamp_ms};
    }
    if (!batch->drain)
        service_note_progress(batch->service, batch->epoch, &last);
    *ret_together = together;
    *ret_alone = alone;
}

/* Handles the first of `left`. Everything before it is acknowledged at the broker first, because this event
 * may end the process. */
static enum status handle_alone(struct batch *batch, struct bus_batch *messages, struct entry *entry,
                                size_t left)
{
    enum status status = bus_flush(batch->service->bus, FLUSH_TIMEOUT_MS);
    if (status != STATUS_OK)
        return status;
    log_event(LOG_WARN, "an event was being worked on when instances ended: it is tried alone",
              LOG_U("sequence", entry->delivery.stream_sequence),
              LOG_U("handed_out", entry->delivery.delivered));
    batch_hold(batch, messages, entry, left);
    return handle_some(batch, messages, entry, 1);
}

enum status batch_drain(struct batch *batch, uint64_t epoch, const struct service_drain *drain,
                        struct bus_batch *messages)
{
    batch->epoch = epoch;
    batch->drain = drain;
    batch->held_ms = clock_monotonic_ms();
    size_t together;
    size_t alone;
    take(batch, messages, &together, &alone);
    enum status status = STATUS_OK;
    if (together > 0)
        status = handle_some(batch, messages, batch->all, together);
    for (; alone > 0 && status == STATUS_OK; alone--)
        status = handle_alone(batch, messages, &batch->all[batch->capacity - alone], alone);
    return status;
}

enum status batch_handle(struct batch *batch, uint64_t epoch, struct bus_batch *messages)
{
    return batch_drain(batch, epoch, NULL, messages);
}

void batch_idle(struct batch *batch)
{
    delivery_mark(batch->delivery, store_epoch(batch->store));
}
