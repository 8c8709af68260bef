/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * every second: epoch -> replayed? -> lock -> where from and how far -> until that far is acknowledged -> all
 * of it noted as handled? -> temporary consumer -> batches until that far -> note what was found.
 */
#include "replay.h"

#include "batch.h"
#include "common/base64url.h"
#include "common/bus_stream.h"
#include "common/check.h"
#include "common/clock.h"
#include "common/log.h"
#include "common/rng.h"
#include "common/subject.h"
#include "store_handled.h"
#include "stream.h"

#define WATCH_MS      1000
#define WATCH_DUE_MS  100 /* while a replay is due */
#define LOCK_HOLD_MS  6000
#define SETTLE_MS     12000 /* longest wait for acknowledgements */
#define SETTLE_STEP   50
#define FETCH_WAIT_MS 300
#define BATCH_SIZE    256
#define HOLDER_BYTES  12
#define WHOLE_MAXIMUM 10000 /* events of a stream that is replayed from its beginning */

struct watcher {
    struct service *service;
    struct store *store;
    struct batch *batch; /* made for the first replay */
    char holder[BASE64URL_LENGTH(HOLDER_BYTES) + 1];
    /* Of the running replay. */
    int64_t from_ms;         /* it begins at this time */
    uint64_t from_sequence;  /* or, where not 0, with this event */
    uint64_t until_sequence; /* and ends with this one */
    enum store_state state;  /* that it leaves Redis in */
    bool certain;            /* that histories have forgotten nothing, as far as it was looked */
    uint64_t applied;
};

static enum status keep_lock(struct watcher *watcher)
{
    bool held = false;
    enum status status = store_lock(watcher->store, STORE_LOCK_REPLAY, watcher->holder, LOCK_HOLD_MS, &held);

    return status == STATUS_OK && !held ? STATUS_AGAIN : status; /* too slow: another instance has it */
}

/* Whether the message is the last one, or behind it: what comes later goes through the workers anyway. */
static bool last(const struct watcher *watcher, const struct bus_batch *messages, size_t index)
{
    struct bus_delivery delivery;

    return bus_batch_delivery(messages, index, &delivery) == STATUS_OK &&
           delivery.stream_sequence >= watcher->until_sequence;
}

/* One batch. *done is set at the end. */
static enum status step(struct watcher *watcher, struct bus_consumer *consumer, bool *done)
{
    struct bus_consumer_state state;
    struct bus_batch *messages = NULL;
    enum status status = keep_lock(watcher);

    if (status != STATUS_OK)
        return status;
    status = bus_fetch(consumer, BATCH_SIZE, FETCH_WAIT_MS, &messages);
    if (status == STATUS_TIMEOUT) {
        /* The library may end a wait early: only the server knows whether that was all. */
        status = bus_consumer_state(consumer, &state);
        *done = status == STATUS_OK && state.pending == 0 && state.ack_pending == 0;
        return status;
    }
    if (status != STATUS_OK)
        return status;
    status = batch_handle(watcher->batch, messages);
    watcher->applied += batch_applied(watcher->batch);
    *done = status == STATUS_OK && last(watcher, messages, bus_batch_count(messages) - 1);
    bus_batch_free(messages);
    return status;
}

static enum status replay_window(struct watcher *watcher)
{
    struct bus_consumer *consumer = NULL;
    bool done = false;
    enum status status;

    watcher->applied = 0;
    if (store_behind(watcher->store) >= watcher->until_sequence && watcher->state == STORE_WHOLE)
        return STATUS_OK;
    batch_until(watcher->batch, watcher->until_sequence);
    status = stream_replay(watcher->service, watcher->from_ms, watcher->from_sequence, &consumer);
    while (status == STATUS_OK && !done && !service_stopping(watcher->service))
        status = step(watcher, consumer, &done);
    bus_consumer_free(consumer);
    return status == STATUS_OK && !done ? STATUS_AGAIN : status;
}

/* An empty Redis: is all that the stream ever held in the window, or so little that it is replayed at once?
 */
static void judge_new(struct watcher *watcher, const struct bus_stream_state *stream)
{
    bool complete = stream->first_sequence == 1 && stream->messages == stream->last_sequence;
    bool recent = stream->first_time_ms >= watcher->from_ms;

    watcher->state = STORE_LOST;
    if (complete && (stream->messages == 0 || recent || stream->messages <= WHOLE_MAXIMUM))
        watcher->state = STORE_WHOLE;
    if (watcher->state == STORE_WHOLE && stream->messages > 0 && !recent)
        watcher->from_sequence = 1;
}

/* An older Redis: what it forgot is its newest writes. It has all that was written before the position it
 * remembers, so that the replay begins there, however long ago that was; what was never handed out the
 * workers have yet to be given. */
static void judge_older(struct watcher *watcher, const struct bus_stream_state *stream)
{
    uint64_t next = store_behind(watcher->store) + 1;

    if (next == 1) /* it never noted one */
        return;
    if (next > watcher->until_sequence)
        watcher->from_ms = clock_wall_ms();
    else if (next < stream->first_sequence)
        watcher->state = STORE_LOST;
    else
        watcher->from_sequence = next;
}

/* Where to begin and to end, and what Redis will be worth then. */
static enum status judge(struct watcher *watcher)
{
    struct bus_consumer_state durable;
    struct bus_stream_state stream;
    struct bus *bus = watcher->service->bus;
    enum status status = bus_stream_state(bus, STREAM_EVENTS, &stream);

    if (status == STATUS_OK)
        status = bus_durable_state(bus, STREAM_EVENTS, STREAM_DURABLE, &durable);
    if (status != STATUS_OK)
        return status;
    watcher->from_ms = clock_wall_ms() - watcher->service->config.dedupe_window_ms;
    watcher->from_sequence = 0;
    watcher->until_sequence = stream.last_sequence;
    watcher->state = store_state(watcher->store);
    if (watcher->state == STORE_NEW)
        judge_new(watcher, &stream);
    if (watcher->state != STORE_WHOLE || store_state(watcher->store) == STORE_NEW)
        return STATUS_OK;
    watcher->until_sequence = durable.delivered_stream_sequence;
    judge_older(watcher, &stream);
    return STATUS_OK;
}

/* Until all that had been handed out is acknowledged: what Redis lacks of it then, it has forgotten. */
static enum status settle(struct watcher *watcher, bool *ret_settled)
{
    struct bus_consumer_state durable;
    uint64_t end = clock_monotonic_ms() + SETTLE_MS;
    enum status status = STATUS_OK;

    *ret_settled = false;
    while (status == STATUS_OK && clock_monotonic_ms() < end) {
        status = bus_durable_state(watcher->service->bus, STREAM_EVENTS, STREAM_DURABLE, &durable);
        *ret_settled = status == STATUS_OK && durable.ack_floor_stream_sequence >= watcher->until_sequence;
        if (*ret_settled)
            break;
        if (status == STATUS_OK)
            status = keep_lock(watcher);
        if (service_wait(watcher->service, SETTLE_STEP))
            return STATUS_AGAIN;
    }
    return status;
}

/* The position is of the stream that there is, not of one that was deleted. */
static enum status same_stream(struct watcher *watcher, bool *ret_same)
{
    struct bus_stream_state stream;
    struct store_position position = {0};
    enum status status = store_position_get(watcher->store, &position);

    if (status == STATUS_OK)
        status = bus_stream_state(watcher->service->bus, STREAM_EVENTS, &stream);
    *ret_same = status == STATUS_OK && stream.created_ms <= position.time_ms;
    return status;
}

/* Is all that was acknowledged noted as handled? What is not acknowledged is handed out, put into histories
 * and published again. */
static enum status look(struct watcher *watcher)
{
    uint64_t behind = store_behind(watcher->store);
    bool settled = false;
    bool same = false;
    bool all = false;
    enum status status;

    watcher->certain = false;
    if (watcher->state != STORE_WHOLE || store_state(watcher->store) != STORE_WHOLE || behind == 0)
        return STATUS_OK;
    status = settle(watcher, &settled);
    if (status == STATUS_OK)
        status = same_stream(watcher, &same);
    if (status == STATUS_OK && settled && same)
        status = store_handled(watcher->store, behind, watcher->until_sequence, &all);
    watcher->certain = all;
    return status;
}

static void tell(struct watcher *watcher, enum status status, uint64_t epoch)
{
    if (status == STATUS_OK) {
        metrics_add(watcher->service->metrics, VALUE_REPLAYS, 1);
        log_event(LOG_INFO, "replay done", LOG_U("epoch", epoch), LOG_U("applied_again", watcher->applied),
                  LOG_U("histories_whole", watcher->certain));
    } else if (!service_stopping(watcher->service)) {
        log_event(LOG_WARN, "replay interrupted, it will be done again",
                  LOG_S("reason", status_message(status)));
    }
}

static void replay(struct watcher *watcher)
{
    uint64_t epoch = store_epoch(watcher->store);
    bool held = false;
    enum status status = store_lock(watcher->store, STORE_LOCK_REPLAY, watcher->holder, LOCK_HOLD_MS, &held);

    if (status != STATUS_OK || !held)
        return;
    status = judge(watcher);
    log_event(LOG_INFO, "Redis may have forgotten something: replaying the stream", LOG_U("epoch", epoch),
              LOG_I("from_ms_ago", clock_wall_ms() - watcher->from_ms),
              LOG_U("from_sequence", watcher->from_sequence));
    if (status == STATUS_OK)
        status = look(watcher);
    if (status == STATUS_OK)
        status = replay_window(watcher);
    watcher->certain = watcher->certain && watcher->applied == 0;
    metrics_add(watcher->service->metrics, VALUE_REPLAYED, watcher->applied);
    if (status == STATUS_OK && store_epoch(watcher->store) == epoch)
        status = store_replay_done(watcher->store, epoch, watcher->state, !watcher->certain);
    store_lock(watcher->store, STORE_LOCK_REPLAY, watcher->holder, 0, &held);
    tell(watcher, status, epoch);
}

/* What no replay makes good needs somebody. */
static void warn(struct watcher *watcher)
{
    enum store_state state = store_state(watcher->store);
    bool lost = state == STORE_LOST || state == STORE_REBUILD;

    atomic_store(&watcher->service->lost_epoch, lost ? store_epoch(watcher->store) : 0);
    metrics_set(watcher->service->metrics, VALUE_REBUILD_NEEDED, lost);
    if (state == STORE_LOST)
        log_event_limited(
            LOG_ERROR, "Redis lost more than a replay of the stream brings back: counts are withheld until "
                       "they are restored with value-svc --rebuild");
}

static void watch(struct watcher *watcher)
{
    struct service *service = watcher->service;

    if (service_store_ready(service, watcher->store) != STATUS_OK ||
        store_epoch_refresh(watcher->store) != STATUS_OK ||
        service_store_ready(service, watcher->store) != STATUS_OK)
        return;
    metrics_set(service->metrics, VALUE_EPOCH, (int64_t)store_epoch(watcher->store));
    if (!store_replayed(watcher->store) && store_state(watcher->store) != STORE_REBUILD &&
        atomic_load(&service->stream_ready))
        replay(watcher);
    warn(watcher);
}

void *replay_run(void *context)
{
    struct service *service = context;
    struct watcher watcher = {.service = service, .store = service_store(service)};

    CHECK(watcher.store != NULL);
    CHECK(batch_create(service, watcher.store, BATCH_REPLAY, BATCH_SIZE, &watcher.batch) == STATUS_OK);
    rng_id(watcher.holder, HOLDER_BYTES);
    do
        watch(&watcher);
    while (!service_wait(service, store_replayed(watcher.store) ? WATCH_MS : WATCH_DUE_MS));
    batch_free(watcher.batch);
    store_free(watcher.store);
    return NULL;
}
