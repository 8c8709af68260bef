/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * A batch and Redis: one pipeline of scripts, one of appends to industries' histories. Both are repeated
 * while Redis is unreachable and the stamped events can still be published in time.
 */
#include "common/clock.h"
#include "common/log.h"
#include "consume/batch_internal.h"
#include "service/tries.h"

#define RETRY_AT_MOST_MS 3000 /* after the stamp */

/* ---- frames ----------------------------------------------------------------------------------------- */

/* Packs a payload's frame at the end of batch->frames. */
enum status batch_pack(struct batch *batch, const struct entry *entry, enum event_effect effect,
                       struct packed *packed)
{
    packed->at = batch->frames.length;
    enum status status = delivery_pack(batch->delivery, &entry->event, entry->key, effect, &batch->frames);
    packed->length = batch->frames.length - packed->at;
    return status;
}

struct slice batch_packed(const struct batch *batch, const struct packed *packed)
{
    return slice_make(batch->frames.data + packed->at, packed->length);
}

/* ---- apply ------------------------------------------------------------------------------------------ */

/* While Redis is unreachable the messages stay here: no other worker could do more with them. */
void batch_hold(struct batch *batch, struct bus_batch *messages, const struct entry *entries, size_t count)
{
    uint64_t now = clock_monotonic_ms();
    if (now - batch->held_ms < (uint64_t)batch->service->config.ack_wait_ms / 3)
        return;
    batch->held_ms = now;
    for (size_t i = 0; i < count; i++)
        bus_batch_in_progress(messages, entries[i].index);
}

/* Fills in what is known only now: the epoch, the time, and where the payloads' frames lie. */
static void prepare(struct batch *batch)
{
    uint64_t epoch = store_epoch(batch->store);
    if (batch->stamped_ms == 0) {
        batch->stamped_ms = clock_monotonic_ms();
        batch->stamp_us = delivery_stamp(batch->delivery);
    }
    for (size_t i = 0; i < batch->count; i++) {
        struct entry *entry = &batch->entries[i];
        struct store_event *apply = &batch->applies[entry->applied_as];
        if (entry->verdict != VERDICT_APPLY)
            continue;
        entry->sent.epoch = epoch;
        entry->sent.stamp_us = batch->stamp_us;
        apply->stamp_us = batch->stamp_us;
        apply->update.event_id = delivery_event_id(entry->key, EFFECT_UPDATE, epoch);
        if (entry->payload.length > 0)
            apply->frame = batch_packed(batch, &entry->payload);
    }
}

/* For an event that is only counted again, the value is published on every delivery until it is acknowledged:
 * this process, or the one that counted it, may have died before it published. */
bool batch_delivers(const struct store_event *apply)
{
    if (apply->outcome == STORE_REPEATED)
        return !apply->replay || apply->mine || apply->replayed;
    return apply->outcome == STORE_APPLIED;
}

static enum status pack_industry(struct batch *batch, struct entry *entry)
{
    enum status status = batch_pack(batch, entry, EFFECT_INDUSTRY, &entry->industry);
    if (status == STATUS_OK)
        status = delivery_pack_sent(&entry->sent, EFFECT_INDUSTRY, &batch->frames);
    entry->industry.length = batch->frames.length - entry->industry.at;
    return status;
}

/* Takes the script's result. */
static enum status settle(struct batch *batch, struct entry *entry)
{
    const struct store_event *apply = &batch->applies[entry->applied_as];
    entry->industry.length = 0;
    if (!batch_delivers(apply))
        return STATUS_OK;
    entry->sent.user_sequence = apply->user_sequence;
    if (apply->outcome == STORE_REPEATED && !apply->mine) {
        entry->sent.first_lane = apply->first_lane;
        entry->sent.first_user = apply->first_user;
        entry->sent.first_industry = apply->first_industry;
    }
    return entry->sent.effects & EFFECT_INDUSTRY ? pack_industry(batch, entry) : STATUS_OK;
}

/* An event whose history is broken is still counted and delivered. */
static void tell_broken(const struct batch *batch, size_t appended)
{
    for (size_t i = 0; i < batch->apply_count; i++) {
        if (batch->applies[i].history_broken)
            service_tell_broken("user", batch->applies[i].user_id);
    }
    for (size_t i = 0; i < appended; i++) {
        if (batch->appends[i].broken)
            service_tell_broken("industry", batch->appends[i].industry);
    }
}

/* Industries' histories. */
static enum status append(struct batch *batch, const struct store_rules *rules)
{
    enum status status = STATUS_OK;
    for (size_t i = 0; i < batch->count && status == STATUS_OK; i++) {
        if (batch->entries[i].verdict == VERDICT_APPLY)
            status = settle(batch, &batch->entries[i]);
    }
    size_t count = 0;
    for (size_t i = 0; i < batch->count && status == STATUS_OK; i++) {
        const struct entry *entry = &batch->entries[i];
        if (entry->verdict != VERDICT_APPLY || entry->industry.length == 0)
            continue;
        for (size_t room = 0; room < entry->event.room_count; room++)
            batch->appends[count++] = (struct store_append){.industry = entry->event.rooms[room],
                                                            .frame = batch_packed(batch, &entry->industry)};
    }
    if (status == STATUS_OK && count > 0)
        status = store_append(batch->store, rules, batch->appends, count);
    if (status == STATUS_OK)
        tell_broken(batch, count);
    return status;
}

/* ---- what fails alone ------------------------------------------------------------------------------- */

static bool any_done(const struct batch *batch)
{
    for (size_t i = 0; i < batch->apply_count; i++) {
        if (batch->applies[i].outcome != STORE_FAILED)
            return true;
    }
    return false;
}

/* Counts a try of an event that failed in a batch that Redis answered. Returns whether it is tried
 * again at once. */
static bool note_try(struct batch *batch, struct entry *entry)
{
    const struct tries_event event = {.sequence = entry->delivery.stream_sequence,
                                      .time_ms = entry->delivery.timestamp_ms};
    unsigned tries = tries_note(batch->service->tries, event);
    entry->tries = tries > 0 ? tries : entry->tries + 1;
    return tries == 0 && entry->tries < TRIES_MAXIMUM;
}

/* The same for all of them: tries.h says which count. */
static bool note_tries(struct batch *batch)
{
    bool done = any_done(batch);
    bool again = false;
    for (size_t i = 0; i < batch->count; i++) {
        struct entry *entry = &batch->entries[i];
        const struct store_event *apply = &batch->applies[entry->applied_as];
        if (entry->verdict == VERDICT_APPLY && apply->outcome == STORE_FAILED && (done || apply->broken))
            again = note_try(batch, entry) || again;
    }
    return again;
}

static enum status apply(struct batch *batch, const struct store_rules *rules)
{
    enum status status;
    do
        status = store_apply(batch->store, rules, batch->applies, batch->apply_count);
    while (status == STATUS_OK && note_tries(batch));
    return status;
}

/* Both pipelines, on one connection to one server. If the second fails both are repeated, because another
 * server may not have the first. */
static enum status apply_and_append(struct batch *batch)
{
    size_t packed = batch->frames.length;
    enum status status = service_store_writable(batch->service, batch->store);
    /* In another epoch the stream is handed out again, and these events with it. */
    if (status == STATUS_OK && store_epoch(batch->store) != batch->epoch)
        status = STATUS_AGAIN;
    struct store_rules rules = {0};
    if (status == STATUS_OK) {
        rules = service_rules(batch->service, store_epoch(batch->store));
        prepare(batch);
        status = apply(batch, &rules);
    }
    if (status == STATUS_OK)
        status = append(batch, &rules);
    if (status != STATUS_OK)
        batch->frames.length = packed;
    return status;
}

bool batch_stamped_over(const struct batch *batch, uint64_t limit_ms)
{
    return batch->stamped_ms != 0 && clock_monotonic_ms() - batch->stamped_ms > limit_ms;
}

enum status batch_apply(struct batch *batch, struct bus_batch *messages)
{
    for (;;) {
        enum status status = apply_and_append(batch);
        if (status != STATUS_AGAIN)
            service_note_applied(batch->service, batch->store, status == STATUS_OK);
        if (status == STATUS_OK || status == STATUS_AGAIN)
            return status;
        log_event_limited(LOG_WARN, "batch waiting for Redis", LOG_S("error", store_error(batch->store)),
                          LOG_U("events", batch->count));
        if (service_stopping(batch->service) || batch_stamped_over(batch, RETRY_AT_MOST_MS))
            return status;
        batch_hold(batch, messages, batch->entries, batch->count);
    }
}
