/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * Building what the threads share, and the stop they all wait on.
 */
#include "service/service.h"

#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/check.h"
#include "common/clock.h"
#include "common/log.h"
#include "service/tries.h"

#define RETENTION_SLACK_MS 300000
#define UNSETTLED_WAIT_MS  100

static const struct config_setting settings[] = {
#define SETTING(field, kind, variable, text, least, most, what)                                              \
    {.name = (variable),                                                                                     \
     .default_text = (text),                                                                                 \
     .help = (what),                                                                                         \
     .type = CONFIG_##kind,                                                                                  \
     .offset = offsetof(struct value_config, field),                                                         \
     .minimum = (least),                                                                                     \
     .maximum = (most)},
#include "common/ops/config_common.def"
#include "service/config.def"
#undef SETTING
};

/* In the order of enum service_task. */
static const char *const options[] = {
    "--rebuild\0Restore every count in Redis from the newest snapshot and the rest of the stream, then exit",
    "--rebuild-accept-loss\0The same, even if something is missing: from what is available", NULL};

static const struct config_program program = {.name = "value-svc",
                                              .purpose =
                                                  "counts connections and calculates what a network is worth",
                                              .settings = settings,
                                              .options = options,
                                              .count = sizeof(settings) / sizeof(settings[0])};

static const struct metric_definition metric_definitions[VALUE_METRIC_COUNT] = {
#define METRIC(id, type, text, label_name, what)                                                             \
    [VALUE_##id] = {.kind = METRIC_##type, .name = (text), .label = (label_name), .help = (what)},
#include "service/metrics.def"
#undef METRIC
};

/* `why` names the variable. */
static _Noreturn void give_up(const char *why)
{
    fprintf(stderr, "value-svc: %s\n", why);
    exit(2);
}

static void on_service_bus_state(void *context, enum bus_state state)
{
    struct service *service = context;
    metrics_set(service->metrics, VALUE_NATS_CONNECTED, state == BUS_CONNECTED || state == BUS_RECONNECTED);
    if (state == BUS_RECONNECTED) {
        metrics_add(service->metrics, VALUE_NATS_RECONNECTS, 1);
        atomic_fetch_add(&service->bus_returns, 1);
        atomic_fetch_add(&service->stream_losses, 1);
    }
    if (state == BUS_CONNECTED || state == BUS_RECONNECTED)
        atomic_store(&service->look, true);
    if (state == BUS_SLOW_CONSUMER)
        log_event_limited(LOG_WARN, "messages dropped: this process is too slow");
    else if (state == BUS_DISCONNECTED)
        log_event_limited(LOG_WARN, "disconnected from the broker");
    else if (state != BUS_CLOSED)
        log_event_limited(LOG_INFO, "connected to the broker");
}

static void init_bus(struct service *service)
{
    const struct bus_options bus_options = {.url = service->config.nats_url,
                                            .name = "value-svc",
                                            .credentials_file = service->config.nats_credentials_file,
                                            .ca_file = service->config.nats_ca_file,
                                            .send_as_soon_as_possible = false,
                                            .on_state = on_service_bus_state,
                                            .context = service};
    char error[256] = "";
    if (bus_create(&bus_options, &service->bus, error, sizeof(error)) != STATUS_OK)
        give_up(error);
}

static void init_metrics(struct service *service)
{
    CHECK(metrics_create(metric_definitions, VALUE_METRIC_COUNT, &service->metrics) == STATUS_OK);
    for (size_t i = 0; i < EVENT_COUNT; i++) {
        const char *name = event_at((enum event_index)i)->name;
        service->processing[i] = metrics_cell(service->metrics, VALUE_EVENT_PROCESSING, name);
        service->applied[i] = metrics_cell(service->metrics, VALUE_EVENTS_APPLIED, name);
    }
}

static void init_locks(struct service *service)
{
    CHECK(pthread_mutex_init(&service->progress_lock, NULL) == 0);
    CHECK(pthread_mutex_init(&service->stop_lock, NULL) == 0);
    CHECK(clock_condition_init(&service->stop_changed) == 0);
}

enum service_task service_init(struct service *service, int argc, char **argv)
{
    *service = (struct service){0};
    enum service_task task = (enum service_task)config_load(&program, &service->config, argc, argv);
    log_init("value-svc", (enum log_level)service->config.log_level,
             (enum log_format)service->config.log_format);
    char error[256] = "";
    if (store_url_parse(service->config.redis_url, &service->redis_url, error, sizeof(error)) != STATUS_OK)
        give_up(error);
    init_locks(service);
    init_metrics(service);
    init_bus(service);
    CHECK(tries_create(&service->tries) == STATUS_OK);
    return task;
}

void service_close_bus(struct service *service)
{
    bus_free(service->bus);
    service->bus = NULL;
}

void service_done(struct service *service)
{
    service_close_bus(service);
    tries_free(service->tries);
    metrics_free(service->metrics);
    config_free(&program, &service->config);
    pthread_cond_destroy(&service->stop_changed);
    pthread_mutex_destroy(&service->stop_lock);
    pthread_mutex_destroy(&service->progress_lock);
}

void service_note_progress(struct service *service, uint64_t epoch, const struct store_position *position)
{
    pthread_mutex_lock(&service->progress_lock);
    if (epoch > service->progress_epoch ||
        (epoch == service->progress_epoch && position->sequence > service->progress.sequence)) {
        service->progress = *position;
        service->progress_epoch = epoch;
    }
    pthread_mutex_unlock(&service->progress_lock);
}

void service_set_drains(struct service *service, const struct service_drain *drains, size_t count)
{
    pthread_mutex_lock(&service->progress_lock);
    for (size_t i = 0; i < count; i++)
        service->drains[i] = drains[i];
    service->drain_count = count;
    pthread_mutex_unlock(&service->progress_lock);
}

bool service_next_drain(struct service *service, size_t turn, struct service_drain *ret_drain)
{
    pthread_mutex_lock(&service->progress_lock);
    bool any = service->drain_count > 0;
    if (any)
        *ret_drain = service->drains[turn % service->drain_count];
    pthread_mutex_unlock(&service->progress_lock);
    return any;
}

void service_note_ack_floor(struct service *service, uint64_t epoch, uint64_t sequence)
{
    pthread_mutex_lock(&service->progress_lock);
    service->ack_floor = sequence;
    service->ack_floor_epoch = epoch;
    pthread_mutex_unlock(&service->progress_lock);
}

uint64_t service_ack_floor(struct service *service, uint64_t epoch)
{
    pthread_mutex_lock(&service->progress_lock);
    uint64_t sequence = service->ack_floor_epoch == epoch ? service->ack_floor : 0;
    pthread_mutex_unlock(&service->progress_lock);
    return sequence;
}

struct store_position service_progress(struct service *service, uint64_t epoch)
{
    pthread_mutex_lock(&service->progress_lock);
    struct store_position position = {0};
    if (service->progress_epoch == epoch)
        position = service->progress;
    pthread_mutex_unlock(&service->progress_lock);
    return position;
}

bool service_stopping(struct service *service)
{
    pthread_mutex_lock(&service->stop_lock);
    bool stopping = service->stopping;
    pthread_mutex_unlock(&service->stop_lock);
    return stopping;
}

bool service_wait(struct service *service, int64_t wait_ms)
{
    uint64_t until_ms = clock_monotonic_ms() + (uint64_t)wait_ms;
    bool waiting = true;
    pthread_mutex_lock(&service->stop_lock);
    while (!service->stopping && waiting)
        waiting = clock_condition_wait(&service->stop_changed, &service->stop_lock, until_ms);
    bool stopping = service->stopping;
    pthread_mutex_unlock(&service->stop_lock);
    return stopping;
}

void service_stop(struct service *service)
{
    pthread_mutex_lock(&service->stop_lock);
    service->stopping = true;
    pthread_cond_broadcast(&service->stop_changed);
    pthread_mutex_unlock(&service->stop_lock);
}

int service_wait_replicas(const struct service *service)
{
    int choice = (int)service->config.redis_wait_replicas;
    if (choice == 0) /* auto */
        return service->redis_url.sentinel ? 1 : 0;
    return choice - 1;
}

struct store *service_store(struct service *service, bool any_epoch)
{
    const struct store_options store_options = {
        .url = &service->redis_url,
        .timeout_ms = service->config.redis_timeout_ms,
        .wait_replicas = service_wait_replicas(service),
        .any_epoch = any_epoch,
        .latency = metrics_cell(service->metrics, VALUE_REDIS_LATENCY, NULL),
        .connects = metrics_cell(service->metrics, VALUE_REDIS_CONNECTS, NULL),
    };
    struct store *store = NULL;
    return store_create(&store_options, &store) == STATUS_OK ? store : NULL;
}

enum status service_store_try(struct service *service, struct store *store)
{
    if (atomic_load(&service->epoch) == 0)
        return STATUS_DISCONNECTED; /* the watcher has logged why */
    enum status status = store_connect(store);
    if (status == STATUS_OK && store_epoch(store) != atomic_load(&service->epoch))
        status = store_epoch_refresh(store);
    if (status != STATUS_OK || store_epoch(store) == atomic_load(&service->epoch))
        return status;
    if (store_epoch(store) > atomic_load(&service->epoch))
        atomic_store(&service->look, true);
    return store_reject(store, "this Redis is in another epoch than the stream is counted in");
}

enum status service_store_ready(struct service *service, struct store *store)
{
    enum status status = service_store_try(service, store);
    if (status == STATUS_OK)
        return status;
    if (atomic_load(&service->epoch) == 0) {
        service_wait(service, UNSETTLED_WAIT_MS);
        return status;
    }
    log_event_limited(LOG_WARN, "Redis cannot be used", LOG_S("error", store_error(store)));
    service_wait(service, store_retry_ms(store));
    return status;
}

enum status service_store_writable(struct service *service, struct store *store)
{
    if (store_refused(store))
        service_wait(service, store_retry_ms(store));
    enum status status = service_store_ready(service, store);
    if (status == STATUS_OK && store_refused(store)) {
        status = store_probe(store);
        if (status != STATUS_OK)
            log_event_limited(LOG_WARN, "Redis takes no writes", LOG_S("error", store_error(store)));
    }
    return status;
}

void service_note_applied(struct service *service, struct store *store, bool applied)
{
    store_note_applied(store, applied);
    atomic_store(&service->blocked, !applied);
}

bool service_withholds(struct service *service, const struct store *store)
{
    enum store_state state = store_world(store)->state;
    return state == STORE_REBUILD || state == STORE_LOST ||
           atomic_load(&service->lost_epoch) >= store_epoch(store); /* the connection may not know yet */
}

int64_t service_retention_ms(const struct service *service)
{
    int64_t window = service->config.dedupe_window_ms;
    return 2 * window + (window / 2 > RETENTION_SLACK_MS ? window / 2 : RETENTION_SLACK_MS);
}

struct store_rules service_rules(struct service *service, uint64_t epoch)
{
    return (struct store_rules){.window_ms = service->config.dedupe_window_ms,
                                .retention_ms = service_retention_ms(service),
                                .ack_floor = service_ack_floor(service, epoch),
                                .history_length = service->config.history_length,
                                .history_window_ms = service->config.history_window_ms};
}

void service_tell_broken(const char *kind, const char *name)
{
    log_event_limited(LOG_WARN, "a history in Redis is broken: it stores nothing until its key is deleted",
                      LOG_S("history", kind), LOG_S("of", name));
}
