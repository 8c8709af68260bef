/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * every second: epoch -> replayed? -> lock -> temporary consumer -> batches until the present -> note it.
 */
#include "replay.h"

#include "batch.h"
#include "common/base64url.h"
#include "common/check.h"
#include "common/clock.h"
#include "common/log.h"
#include "common/rng.h"
#include "stream.h"

#define WATCH_MS      1000
#define LOCK_HOLD_MS  15000
#define FETCH_WAIT_MS 300
#define BATCH_SIZE    256
#define HOLDER_BYTES  12

struct watcher {
    struct service *service;
    struct store *store;
    struct batch *batch; /* made for the first replay */
    char holder[BASE64URL_LENGTH(HOLDER_BYTES) + 1];
    uint64_t applied; /* by the running replay */
};

/* Whether the message is from before the replay began: what comes later goes through the workers anyway. */
static bool before(const struct bus_batch *messages, size_t index, int64_t began_ms)
{
    struct bus_delivery delivery;

    return bus_batch_delivery(messages, index, &delivery) == STATUS_OK && delivery.timestamp_ms <= began_ms;
}

/* One batch. *done is set at the present. */
static enum status step(struct watcher *watcher, struct bus_consumer *consumer, int64_t began_ms, bool *done)
{
    struct bus_consumer_state state;
    struct bus_batch *messages = NULL;
    bool held = false;
    enum status status = store_replay_lock(watcher->store, watcher->holder, LOCK_HOLD_MS, &held);

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
    return status;
}

static enum status replay_window(struct watcher *watcher)
{
    int64_t began_ms = clock_wall_ms();
    struct bus_consumer *consumer = NULL;
    bool done = false;
    enum status status =
        stream_replay(watcher->service, began_ms - watcher->service->config.dedupe_window_ms, &consumer);

    watcher->applied = 0;
    while (status == STATUS_OK && !done && !service_stopping(watcher->service))
        status = step(watcher, consumer, began_ms, &done);
    bus_consumer_free(consumer);
    return status == STATUS_OK && !done ? STATUS_AGAIN : status;
}

static void replay(struct watcher *watcher)
{
    uint64_t epoch = store_epoch(watcher->store);
    struct metrics *metrics = watcher->service->metrics;
    bool held = false;
    enum status status = store_replay_lock(watcher->store, watcher->holder, LOCK_HOLD_MS, &held);

    if (status != STATUS_OK || !held)
        return;
    log_event(LOG_INFO, "Redis may have forgotten something: replaying the stream's last window",
              LOG_U("epoch", epoch));
    status = replay_window(watcher);
    metrics_add(metrics, VALUE_REPLAYED, watcher->applied);
    if (status == STATUS_OK && store_epoch(watcher->store) == epoch)
        status = store_replay_done(watcher->store, epoch);
    store_replay_lock(watcher->store, watcher->holder, 0, &held);
    if (status == STATUS_OK) {
        metrics_add(metrics, VALUE_REPLAYS, 1);
        log_event(LOG_INFO, "replay done", LOG_U("epoch", epoch), LOG_U("applied_again", watcher->applied));
    } else if (!service_stopping(watcher->service)) {
        log_event(LOG_WARN, "replay interrupted, it will be done again",
                  LOG_S("reason", status_message(status)));
    }
}

static void watch(struct watcher *watcher)
{
    struct service *service = watcher->service;

    if (service_store_ready(service, watcher->store) != STATUS_OK ||
        store_epoch_refresh(watcher->store) != STATUS_OK ||
        service_store_ready(service, watcher->store) != STATUS_OK)
        return;
    metrics_set(service->metrics, VALUE_EPOCH, (int64_t)store_epoch(watcher->store));
    if (!store_replayed(watcher->store) && atomic_load(&service->stream_ready))
        replay(watcher);
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
