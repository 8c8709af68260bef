/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * message -> queue -> (pace) -> batch -> one read of Redis -> answers.
 */
#include "history/history.h"

#include <stdlib.h>

#include "common/bus/subject.h"
#include "common/clock.h"
#include "common/log.h"
#include "history/history_batch.h"
#include "query/query_reader.h"
#include "submit/reply.h"

#define PACE_STEP_MS 20

/* One question of a batch, where it goes. */
struct asker {
    struct query_item *item;
    size_t index; /* in the batch */
};

struct history {
    struct service *service;
    struct query_reader reader;
    struct bus_subscription *subscription;
    _Atomic bool ending; /* the rest is answered without a pace */

    /* Reader thread only. */
    int64_t allowance; /* rooms that may be read now, in thousandths; below 0 after a large batch */
    uint64_t paced_ms; /* monotonic: when the allowance was last raised */
    uint64_t epoch;    /* of the batch */
    struct wire_arena arena;
    struct history_batch *batch;
    struct buf answer;
    size_t asker_count;
    struct asker askers[HISTORY_QUERIES];
    struct query_item *items[HISTORY_QUERIES];
};

static void count(struct history *history, const char *result)
{
    metric_add(metrics_cell(history->service->metrics, VALUE_HISTORY_READS, result), 1);
}

static void refuse(struct history *history, struct slice reply, enum status refusal)
{
    count(history, status_code(refusal));
    reply_history_refused(history->service->bus, reply, refusal);
}

/* ---- delivery thread -------------------------------------------------------------------------------- */

static void on_history_read(void *context, const struct bus_message *message)
{
    struct history *history = context;
    if (message->reply.length == 0)
        return;
    struct query_item *item = query_item_copy(QUERY_HISTORY_READ, message);
    if (item && query_queue_put(history->reader.queue, item) == STATUS_OK)
        return;
    free(item);
    log_event_limited(LOG_WARN, "too many history reads waiting for Redis");
    refuse(history, message->reply, STATUS_UNAVAILABLE);
}

/* ---- reader: Redis ---------------------------------------------------------------------------------- */

/* Waits until rooms may be read again. */
static void pace(struct history *history)
{
    int64_t rate = history->service->config.history_rate;
    for (;;) {
        uint64_t now = clock_monotonic_ms();
        int64_t passed = (int64_t)(now - history->paced_ms);
        history->paced_ms = now;
        history->allowance += (passed < 1000 ? passed : 1000) * rate;
        if (history->allowance > rate * 1000)
            history->allowance = rate * 1000;
        if (history->allowance > 0 || atomic_load(&history->ending) ||
            service_wait(history->service, PACE_STEP_MS))
            return;
    }
}

/* ---- reader: a batch -------------------------------------------------------------------------------- */

static void begin(struct history *history)
{
    const struct history_now now = {.epoch = store_epoch(history->reader.store),
                                    .whole_from_ms = store_world(history->reader.store)->whole_from_ms,
                                    .wall_ms = clock_wall_ms(),
                                    .window_ms = history->service->config.history_window_ms,
                                    .length = history->service->config.history_length};
    history_batch_begin(history->batch, &now);
    history->epoch = now.epoch;
    history->asker_count = 0;
}

static void answer(struct history *history, const struct asker *asker)
{
    buf_clear(&history->answer);
    const char *result = "";
    if (history_batch_answer(history->batch, asker->index, &history->answer, &result) != STATUS_OK) {
        refuse(history, asker->item->reply, STATUS_UNAVAILABLE);
        return;
    }
    count(history, result);
    bus_respond(history->service->bus, asker->item->reply, history->answer.data, history->answer.length);
}

static void tell_broken(const struct history_batch *batch, size_t rooms)
{
    for (size_t i = 0; i < rooms; i++) {
        const struct store_room *room = history_batch_room(batch, i);
        if (room->broken)
            service_tell_broken(room->kind == ROOM_USER ? "user" : "industry", room->name);
    }
}

/* Reads and answers what was added. */
static void settle(struct history *history)
{
    size_t rooms = history_batch_rooms(history->batch);
    enum status status = history_batch_read(history->batch, history->reader.store);
    /* A connection that Redis closed fails at its next use, so try twice. */
    if (status != STATUS_OK && query_reader_ready(&history->reader))
        status = history_batch_read(history->batch, history->reader.store);
    history->allowance -= (int64_t)rooms * 1000;
    metrics_add(history->service->metrics, VALUE_HISTORY_ROOMS, rooms);
    if (status != STATUS_OK)
        log_event_limited(LOG_WARN, "histories could not be read",
                          LOG_S("error", store_error(history->reader.store)));
    else
        tell_broken(history->batch, rooms);
    for (size_t i = 0; i < history->asker_count; i++) {
        if (status == STATUS_OK)
            answer(history, &history->askers[i]);
        else
            refuse(history, history->askers[i].item->reply, STATUS_UNAVAILABLE);
    }
}

/* If the position is of a later epoch than this connection knows, another instance may have found it first.
 * The position may also be forged, so only Redis is trusted. STATUS_FULL: the batch is of
 * an earlier epoch. */
static enum status catch_up(struct history *history, const Pollen8__Position *after)
{
    if (after && after->epoch > store_epoch(history->reader.store) &&
        store_epoch_refresh(history->reader.store) != STATUS_OK)
        return STATUS_UNAVAILABLE;
    return store_epoch(history->reader.store) != history->epoch ? STATUS_FULL : STATUS_OK;
}

static enum status add(struct history *history, struct query_item *item)
{
    const ProtobufCMessage *message = NULL;
    enum status status =
        wire_unpack(&history->arena, &pollen8__history_read__descriptor, item->data, &message);
    if (status != STATUS_OK)
        return STATUS_INVALID_PAYLOAD;
    const Pollen8__HistoryRead *read = (const Pollen8__HistoryRead *)message;
    if (read->deadline_ms != 0 && clock_monotonic_ms() - item->received_ms > read->deadline_ms)
        return STATUS_TIMEOUT;
    status = catch_up(history, read->after);
    if (status == STATUS_OK)
        status = history_batch_add(history->batch, read, &history->askers[history->asker_count].index);
    if (status == STATUS_OK)
        history->askers[history->asker_count++].item = item;
    return status;
}

static void take(struct history *history, struct query_item *item)
{
    enum status status = query_reader_ready(&history->reader) ? add(history, item) : STATUS_UNAVAILABLE;
    if (status == STATUS_FULL) {
        if (history->asker_count > 0)
            settle(history);
        pace(history);
        begin(history);
        status = add(history, item);
    }
    if (status == STATUS_TIMEOUT)
        count(history, "late"); /* nobody waits for it */
    else if (status != STATUS_OK)
        refuse(history, item->reply, status);
}

static void handle(struct history *history, size_t item_count)
{
    query_reader_ready(&history->reader); /* the epoch comes with the connection */
    begin(history);
    for (size_t i = 0; i < item_count; i++)
        take(history, history->items[i]);
    if (history->asker_count > 0)
        settle(history);
}

static void *run_history(void *context)
{
    struct history *history = context;
    size_t taken;
    while ((taken = query_queue_take(history->reader.queue, history->items, HISTORY_QUERIES)) > 0) {
        metrics_set(history->service->metrics, VALUE_HISTORY_QUEUE,
                    (int64_t)query_queue_length(history->reader.queue));
        handle(history, taken);
        for (size_t i = 0; i < taken; i++)
            free(history->items[i]);
        pace(history);
    }
    return NULL;
}

/* ---- life ------------------------------------------------------------------------------------------- */

enum status history_create(struct service *service, struct history **ret_history)
{
    struct history *history = calloc(1, sizeof(*history));
    if (!history)
        return STATUS_NO_MEMORY;
    history->service = service;
    history->allowance = service->config.history_rate * 1000;
    history->paced_ms = clock_monotonic_ms();
    buf_init(&history->answer, HISTORY_REPLY_BYTES);
    if (history_batch_create(&history->batch) != STATUS_OK ||
        query_reader_init(&history->reader, service, service->config.history_queue,
                          "Redis cannot be used for histories") != STATUS_OK) {
        history_free(history);
        return STATUS_NO_MEMORY;
    }
    query_reader_start(&history->reader, run_history, history);
    *ret_history = history;
    return bus_subscribe(service->bus, SUBJECT_HISTORY_READ, QUEUE_VALUE, on_history_read, history,
                         &history->subscription);
}

void history_finish(struct history *history)
{
    atomic_store(&history->ending, true);
    query_reader_finish(&history->reader);
}

void history_free(struct history *history)
{
    if (!history)
        return;
    query_reader_done(&history->reader);
    history_batch_free(history->batch);
    wire_arena_done(&history->arena);
    buf_done(&history->answer);
    free(history);
}
