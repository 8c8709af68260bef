/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * ready? -> fetch -> batch_handle, or the lane's mark -> again.
 */
#include "consumer.h"

#include "batch.h"
#include "common/check.h"
#include "common/log.h"
#include "stream.h"

#define FETCH_WAIT_MS 300 /* also how long a stop, and the lane's mark, may wait for an idle worker */
#define PAUSE_MS      200

struct worker {
    struct service *service;
    struct store *store;
    struct bus_consumer *consumer; /* NULL: to be made */
    uint64_t epoch;                /* whose durable that is */
    struct batch *batch;
    bool idle; /* the last fetch brought nothing */
};

/* The consumer is gone from the server, or may be. */
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
        log_event_limited(LOG_WARN, "a batch was given up; its events come again",
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

static void turn(struct worker *worker)
{
    struct bus_batch *messages = NULL;
    enum status status;

    /* Redis first: what is not fetched need not be kept from other instances. */
    if (service_store_writable(worker->service, worker->store) != STATUS_OK)
        return;
    if (!make_consumer(worker))
        return;
    status = bus_fetch(worker->consumer, (uint32_t)worker->service->config.batch, FETCH_WAIT_MS, &messages);
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
    while (!service_stopping(service)) {
        turn(&worker);
        batch_idle(worker.batch);
    }
    bus_consumer_free(worker.consumer);
    batch_free(worker.batch);
    store_free(worker.store);
    return NULL;
}
