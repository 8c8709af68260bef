/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * value-svc: config -> service -> ops port -> threads -> wait for a signal -> drain. The map of threads is
 * in service.h. With --rebuild: config -> service -> rebuild.c.
 */
#include <errno.h>
#include <string.h>

#include "common/check.h"
#include "common/json.h"
#include "common/log.h"
#include "common/ops/lifecycle.h"
#include "common/ops/ops_http.h"
#include "consume/consumer.h"
#include "epoch/epoch.h"
#include "epoch/epoch_peers.h"
#include "history/history.h"
#include "query/query.h"
#include "service/service.h"
#include "snapshot/snapshotter.h"
#include "submit/intake.h"
#include "upkeep/keeper.h"
#include "upkeep/rebuild.h"

#define WORKERS_MAXIMUM 32

struct threads {
    pthread_t keeper;
    pthread_t watcher;
    pthread_t snapshotter;
    pthread_t workers[WORKERS_MAXIMUM];
    size_t worker_count;
};

static bool nats_passes(void *context)
{
    const struct service *service = context;
    return bus_connected(service->bus);
}

static bool redis_passes(void *context)
{
    struct service *service = context;
    return atomic_load(&service->redis_ready);
}

static bool stream_passes(void *context)
{
    struct service *service = context;
    return atomic_load(&service->stream_ready);
}

static void on_main_refresh(void *context)
{
    struct service *service = context;
    metrics_set(service->metrics, VALUE_NATS_DROPPED, (int64_t)bus_dropped(service->bus));
    metrics_set(service->metrics, VALUE_NATS_CONNECTED, bus_connected(service->bus));
}

static struct ops_http *open_ops(struct service *service)
{
    const struct ops_check checks[] = {{.name = "nats", .passes = nats_passes, .context = service},
                                       {.name = "redis", .passes = redis_passes, .context = service},
                                       {.name = "stream", .passes = stream_passes, .context = service}};
    const struct ops_options options = {.address = service->config.ops_address,
                                        .port = (uint16_t)service->config.ops_port,
                                        .service = "value-svc",
                                        .metrics = service->metrics,
                                        .refresh = on_main_refresh,
                                        .refresh_context = service,
                                        .ready = checks,
                                        .ready_count = sizeof(checks) / sizeof(checks[0])};
    struct ops_http *ops = NULL;
    if (ops_http_create(&options, &ops) != STATUS_OK)
        log_event(LOG_ERROR, "the ops port cannot be opened", LOG_I("port", service->config.ops_port),
                  LOG_S("error", strerror(errno)));
    return ops;
}

static void start_threads(struct service *service, struct threads *threads)
{
    threads->worker_count = (size_t)service->config.workers;
    CHECK(pthread_create(&threads->keeper, NULL, keeper_run, service) == 0);
    CHECK(pthread_create(&threads->watcher, NULL, epoch_run, service) == 0);
    CHECK(pthread_create(&threads->snapshotter, NULL, snapshotter_run, service) == 0);
    for (size_t i = 0; i < threads->worker_count; i++)
        CHECK(pthread_create(&threads->workers[i], NULL, consumer_run, service) == 0);
}

static void join_threads(struct threads *threads)
{
    for (size_t i = 0; i < threads->worker_count; i++)
        pthread_join(threads->workers[i], NULL);
    pthread_join(threads->snapshotter, NULL);
    pthread_join(threads->watcher, NULL);
    pthread_join(threads->keeper, NULL);
}

/* Stops receiving, answers what was received, finishes the batches. */
static void drain(struct service *service, struct threads *threads, struct intake *intake,
                  struct query *query, struct history *history)
{
    bus_drain(service->bus, (uint32_t)(service->config.drain_ms / 2));
    intake_finish(intake, service->config.drain_ms / 4);
    query_finish(query);
    history_finish(history);
    service_stop(service);
    join_threads(threads);
    bus_flush(service->bus, 1000);
}

static int run(struct service *service, struct ops_http *ops)
{
    CHECK(epoch_peers_create(service, &service->peers) == STATUS_OK);
    struct query *query = NULL;
    CHECK(query_create(service, &query) == STATUS_OK);
    struct history *history = NULL;
    CHECK(history_create(service, &history) == STATUS_OK);
    struct intake *intake = NULL;
    CHECK(intake_create(service, &intake) == STATUS_OK);
    struct threads threads;
    start_threads(service, &threads);
    if (service->redis_url.sentinel && service_wait_replicas(service) == 0)
        log_event(LOG_WARN, "a failover may lose the latest counts: they are counted again from the stream",
                  LOG_S("setting", "REDIS_WAIT_REPLICAS=0"));
    log_event(LOG_INFO, "started", LOG_I("ops_port", service->config.ops_port),
              LOG_I("workers", service->config.workers));
    while (lifecycle_wait(-1) != LIFECYCLE_STOP)
        ;
    log_event(LOG_INFO, "stopping");
    lifecycle_draining(service->config.drain_ms);
    ops_http_drain(ops);
    drain(service, &threads, intake, query, history);
    ops_http_free(ops);
    service_close_bus(service);
    intake_free(intake);
    query_free(query);
    history_free(history);
    epoch_peers_free(service->peers);
    return 0;
}

int main(int argc, char **argv)
{
    lifecycle_init();
    json_init();
    struct service service;
    enum service_task task = service_init(&service, argc, argv);
    int result = 1;
    if (task != SERVICE_RUN) {
        result = rebuild_run(&service, task == SERVICE_REBUILD_ACCEPT_LOSS);
        service_done(&service);
        return result;
    }
    struct ops_http *ops = open_ops(&service);
    if (ops)
        result = run(&service, ops);
    service_done(&service);
    log_event(LOG_INFO, "stopped");
    return result;
}
