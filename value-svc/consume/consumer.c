/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * ready? -> fetch -> batch_handle, or the lane's mark -> again.
 */
#include "consume/consumer.h"

#include "common/check.h"
#include "common/clock.h"
#include "common/log.h"
#include "consume/batch.h"
#include "service/stream.h"

#define FETCH_WAIT_MS  300 /* also the longest a stop, or the lane's mark, waits for an idle worker */
#define PAUSE_MS       200
#define DRAIN_PAUSE_MS 200 /* after an earlier epoch's durable had nothing to hand out */

struct worker {
    struct service *service;
    struct store *store;
    struct bus_consumer *consumer; /* NULL: to be made */
    uint64_t epoch;                /* whose durable that is */
    struct batch *batch;
    /* One worker of an instance also delivers the rest of earlier epochs' durables. */
    bool drains;
    struct bus_consumer *drain_consumer; /* NULL: none */
    struct service_drain drain;          /* whose that is */
    size_t drain_turn;                   /* so that one unacknowledged event holds up no other durable */
    uint64_t drain_ms;                   /* monotonic: not before */
};

/* The consumer no longer exists on the server, or may not. */
static void lose_consumer(struct worker *worker)
{
    bus_consumer_free(worker->consumer);
    worker->consumer = NULL;
    atomic_fetch_add(&worker->service->stream_losses, 1);
}

static void handle(struct worker *worker, struct bus_batch *messages)
{
    struct metrics *metrics = worker->service->metrics;
    metrics_add(metrics, VALUE_BATCHES, 1);
    if (batch_handle(worker->batch, worker->epoch, messages) != STATUS_OK) {
        metrics_add(metrics, VALUE_BATCHES_GIVEN_UP, 1);
        log_event_limited(LOG_WARN, "batch given up; its events will be redelivered",
                          LOG_U("events", bus_batch_count(messages)));
    }
    bus_batch_free(messages);
}

/* Another epoch has another durable. */
static bool make_consumer(struct worker *worker)
{
    if (worker->consumer && worker->epoch != store_epoch(worker->store)) {
        bus_consumer_free(worker->consumer);
        worker->consumer = NULL;
    }
    if (!worker->consumer && stream_consume(worker->service, worker->store, &worker->consumer) == STATUS_OK)
        worker->epoch = store_epoch(worker->store);
    return worker->consumer != NULL;
}

static void stop_draining(struct worker *worker)
{
    bus_consumer_free(worker->drain_consumer);
    worker->drain_consumer = NULL;
}

/* Delivers some events of an earlier epoch's durable. The watcher decides when that durable is done. */
static void drain(struct worker *worker)
{
    struct service *service = worker->service;
    struct service_drain next;
    if (!service_next_drain(service, worker->drain_turn, &next)) {
        stop_draining(worker);
        return;
    }
    if (worker->drain_consumer && (worker->drain.epoch != next.epoch || worker->drain.to != next.to))
        stop_draining(worker);
    worker->drain = next;
    if (clock_monotonic_ms() < worker->drain_ms)
        return;
    enum status status = STATUS_OK;
    if (!worker->drain_consumer)
        status = stream_drain(service, &next, &worker->drain_consumer);
    struct bus_batch *messages = NULL;
    if (status == STATUS_OK)
        status = bus_fetch(worker->drain_consumer, (uint32_t)service->config.batch, FETCH_WAIT_MS, &messages);
    if (status == STATUS_OK &&
        batch_drain(worker->batch, worker->epoch, &worker->drain, messages) != STATUS_OK)
        metrics_add(service->metrics, VALUE_BATCHES_GIVEN_UP, 1);
    bus_batch_free(messages);
    if (status == STATUS_OK)
        return;
    stop_draining(worker);
    worker->drain_turn++;
    worker->drain_ms = clock_monotonic_ms() + DRAIN_PAUSE_MS;
}

static void turn(struct worker *worker)
{
    /* Redis first: events that are not fetched stay available to other instances. */
    if (service_store_writable(worker->service, worker->store) != STATUS_OK)
        return;
    if (!make_consumer(worker))
        return;
    if (worker->drains)
        drain(worker);
    struct bus_batch *messages = NULL;
    enum status status =
        bus_fetch(worker->consumer, (uint32_t)worker->service->config.batch, FETCH_WAIT_MS, &messages);
    if (status == STATUS_OK)
        handle(worker, messages);
    else if (status == STATUS_NOT_FOUND)
        lose_consumer(worker);
    else if (status != STATUS_TIMEOUT)
        service_wait(worker->service, PAUSE_MS);
}

void *consumer_run(void *context)
{
    struct service *service = context;
    struct worker worker = {.service = service, .store = service_store(service, false)};
    CHECK(worker.store != NULL);
    CHECK(batch_create(service, worker.store, (size_t)service->config.batch, &worker.batch) == STATUS_OK);
    worker.drains = !atomic_exchange(&service->drainer, true);
    while (!service_stopping(service)) {
        turn(&worker);
        batch_idle(worker.batch);
    }
    stop_draining(&worker);
    bus_consumer_free(worker.consumer);
    batch_free(worker.batch);
    store_free(worker.store);
    return NULL;
}
