/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * every second: epoch -> replayed? -> lock -> where from -> temporary consumer -> batches until the present,
 * noting how far it is -> note that it is done.
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
#include "stream.h"

#define WATCH_MS      1000
#define LOCK_HOLD_MS  5000 /* as long as another waits where the instance that replays has died */
#define NOTE_BATCHES  4
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
    uint64_t epoch;
    int64_t from_ms;        /* it begins at this time */
    uint64_t from_sequence; /* or, where not 0, with this event */
    enum store_state state; /* that it leaves Redis in */
    uint64_t applied;
    unsigned unnoted; /* batches since it was noted how far it is */
};

/* Whether the message is from before the replay began: what comes later goes through the workers anyway. */
static bool before(const struct bus_batch *messages, size_t index, int64_t began_ms)
{
    struct bus_delivery delivery;

    return bus_batch_delivery(messages, index, &delivery) == STATUS_OK && delivery.timestamp_ms <= began_ms;
}

/* What this replay has acknowledged without a hole: where it is cut off the next one begins behind it. Else a
 * Redis that is restarted again and again would be replayed from ever further back. */
static enum status note(struct watcher *watcher, struct bus_consumer *consumer)
{
    struct bus_consumer_state state;

    if (++watcher->unnoted < NOTE_BATCHES)
        return STATUS_OK;
    watcher->unnoted = 0;
    enum status status = bus_consumer_state(consumer, &state);
    if (status == STATUS_OK && state.ack_floor_stream_sequence > 0)
        status = store_replay_progress(watcher->store, watcher->epoch, state.ack_floor_stream_sequence);
    return status;
}

/* One batch. *done is set at the present. */
static enum status step(struct watcher *watcher, struct bus_consumer *consumer, int64_t began_ms, bool *done)
{
    struct bus_consumer_state state;
    struct bus_batch *messages = NULL;
    bool held = false;
    enum status status = store_lock(watcher->store, STORE_LOCK_REPLAY, watcher->holder, LOCK_HOLD_MS, &held);

    if (status != STATUS_OK)
        return status;
    if (!held)
        return STATUS_AGAIN; /* too slow: another instance has it */
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
    *done = status == STATUS_OK && !before(messages, bus_batch_count(messages) - 1, began_ms);
    bus_batch_free(messages);
    return status == STATUS_OK && !*done ? note(watcher, consumer) : status;
}

static enum status replay_window(struct watcher *watcher)
{
    int64_t began_ms = clock_wall_ms();
    struct bus_consumer *consumer = NULL;
    bool done = false;
    enum status status = stream_replay(watcher->service, watcher->from_ms, watcher->from_sequence, &consumer);

    watcher->applied = 0;
    watcher->unnoted = 0;
    while (status == STATUS_OK && !done && !service_stopping(watcher->service))
        status = step(watcher, consumer, began_ms, &done);
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
 * remembers, so that the replay begins there, however long ago that was. Workers may have acknowledged events
 * beyond one that is still open: the floor does not tell. */
static void judge_older(struct watcher *watcher, const struct bus_stream_state *stream)
{
    uint64_t next = store_behind(watcher->store) + 1;

    if (next == 1) /* it never noted one */
        return;
    if (next > stream->last_sequence)
        watcher->from_ms = clock_wall_ms();
    else if (next < stream->first_sequence)
        watcher->state = STORE_LOST;
    else
        watcher->from_sequence = next;
}

/* Where to begin, and what Redis will be worth then. */
static enum status judge(struct watcher *watcher)
{
    struct bus_stream_state stream;
    enum status status = bus_stream_state(watcher->service->bus, STREAM_EVENTS, &stream);

    watcher->from_ms = clock_wall_ms() - watcher->service->config.dedupe_window_ms;
    watcher->from_sequence = 0;
    watcher->state = store_state(watcher->store);
    if (status == STATUS_OK && watcher->state == STORE_NEW)
        judge_new(watcher, &stream);
    else if (status == STATUS_OK && watcher->state == STORE_WHOLE)
        judge_older(watcher, &stream);
    return status;
}

static void tell(struct watcher *watcher, enum status status)
{
    if (status == STATUS_OK) {
        metrics_add(watcher->service->metrics, VALUE_REPLAYS, 1);
        log_event(LOG_INFO, "replay done", LOG_U("epoch", watcher->epoch),
                  LOG_U("applied_again", watcher->applied));
    } else if (!service_stopping(watcher->service)) {
        log_event(LOG_WARN, "replay interrupted, it will be done again",
                  LOG_S("reason", status_message(status)));
    }
}

static void replay_from_there(struct watcher *watcher)
{
    log_event(LOG_INFO, "Redis may have forgotten something: replaying the stream",
              LOG_U("epoch", watcher->epoch), LOG_I("from_ms_ago", clock_wall_ms() - watcher->from_ms),
              LOG_U("from_sequence", watcher->from_sequence));
    enum status status = replay_window(watcher);
    metrics_add(watcher->service->metrics, VALUE_REPLAYED, watcher->applied);
    if (status == STATUS_OK && store_epoch(watcher->store) == watcher->epoch)
        status = store_replay_done(watcher->store, watcher->epoch, watcher->state);
    tell(watcher, status);
}

static void replay(struct watcher *watcher)
{
    bool held = false;
    enum status status = store_lock(watcher->store, STORE_LOCK_REPLAY, watcher->holder, LOCK_HOLD_MS, &held);

    if (status != STATUS_OK || !held)
        return;
    watcher->epoch = store_epoch(watcher->store);
    if (judge(watcher) == STATUS_OK) /* else the broker is away */
        replay_from_there(watcher);
    store_lock(watcher->store, STORE_LOCK_REPLAY, watcher->holder, 0, &held);
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
    while (!service_wait(service, WATCH_MS));
    batch_free(watcher.batch);
    store_free(watcher.store);
    return NULL;
}
