/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * The options of the streams and of the durable, and what is logged about them.
 */
#include "service/stream.h"

#include <inttypes.h>
#include <stdio.h>

#include "common/bus/bus_stream.h"
#include "common/bus/subject.h"
#include "common/log.h"

#define DUPLICATES_MS 120000 /* dead letters and snapshots: both are sent again at once or not at all */
#define RETRY_MS      500

/* Logged once, and again if it returns. */
static void note(struct service *service, enum value_metric metric, const char *stream, bool is_so,
                 enum log_level level, const char *message)
{
    if (metric_exchange(metrics_cell(service->metrics, metric, stream), is_so) == 0 && is_so)
        log_event(level, message, LOG_S("stream", stream));
}

static void note_retention(struct service *service, const char *stream, bool until_acknowledged)
{
    note(service, VALUE_STREAM_REFUSED, stream, until_acknowledged, LOG_ERROR,
         "not ready, no event is fetched: the stream's retention is not `limits`, so that acknowledged "
         "events are "
         "deleted; it cannot be changed: delete the stream and create it again");
}

/* Properties of an existing stream that cannot be changed. */
static enum status look_at(struct service *service, const struct bus_stream_options *options)
{
    struct bus_stream_state state;
    enum status status = bus_stream_state(service->bus, options->name, &state);
    if (status != STATUS_OK)
        return status;
    note(service, VALUE_STREAM_IN_MEMORY, options->name, state.in_memory, LOG_WARN,
         "the stream is stored in memory: acknowledged events are lost when the broker stops");
    note(
        service, VALUE_STREAM_UNBOUNDED, options->name,
        options->maximum_bytes > 0 && state.maximum_bytes != options->maximum_bytes, LOG_WARN,
        "EVENTS_MAX_BYTES is not in force: the broker cannot reserve it, or the stream holds nearly as much");
    return STATUS_OK;
}

static enum status ensure_one(struct service *service, const struct bus_stream_options *options)
{
    char error[256] = "";
    enum status status = bus_stream_ensure(service->bus, options, error, sizeof(error));
    note_retention(service, options->name, status == STATUS_MALFORMED);
    if (status != STATUS_OK && status != STATUS_MALFORMED)
        log_event_limited(LOG_WARN, "the stream cannot be created", LOG_S("stream", options->name),
                          LOG_S("error", error));
    return status == STATUS_OK ? look_at(service, options) : status;
}

enum status stream_ensure(struct service *service)
{
    const struct value_config *config = &service->config;
    const int replicas = (int)config->stream_replicas;
    const struct bus_stream_options streams[] = {
        {.name = STREAM_EVENTS,
         .subjects = (const char *const[]){SUBJECT_EVENTS_ANY, NULL},
         .duplicates_ms = config->dedupe_window_ms,
         .maximum_bytes = config->events_max_bytes,
         .replicas = replicas},
        {.name = STREAM_DEAD,
         .subjects = (const char *const[]){SUBJECT_DEAD_ANY, NULL},
         .duplicates_ms = DUPLICATES_MS,
         .replicas = replicas},
        {.name = STREAM_SNAPSHOT,
         .subjects = (const char *const[]){SUBJECT_SNAPSHOT_ANY, NULL},
         .duplicates_ms = DUPLICATES_MS,
         .replicas = replicas},
        {.name = STREAM_EPOCH,
         .subjects = (const char *const[]){SUBJECT_EPOCH_NEWEST, NULL},
         .duplicates_ms = DUPLICATES_MS,
         .replicas = replicas},
    };
    enum status status = STATUS_OK;
    for (size_t i = 0; i < sizeof(streams) / sizeof(streams[0]) && status == STATUS_OK; i++)
        status = ensure_one(service, &streams[i]);
    return status;
}

void stream_durable(char out[STREAM_DURABLE_SIZE], uint64_t epoch)
{
    if (epoch == 0)
        snprintf(out, STREAM_DURABLE_SIZE, "%s", STREAM_DURABLE);
    else
        snprintf(out, STREAM_DURABLE_SIZE, "%s-%" PRIu64, STREAM_DURABLE, epoch);
}

static enum status consume(struct service *service, uint64_t epoch, uint64_t start,
                           struct bus_consumer **ret_consumer)
{
    int64_t pending = service->config.batch * (service->config.workers + 1) * 8;
    char durable[STREAM_DURABLE_SIZE];
    const struct bus_consumer_options options = {.stream = STREAM_EVENTS,
                                                 .durable = durable,
                                                 .filter = SUBJECT_EVENTS_ANY,
                                                 .ack_wait_ms = service->config.ack_wait_ms,
                                                 .maximum_ack_pending =
                                                     (int32_t)(pending > 8192 ? pending : 8192),
                                                 .start_sequence = start};
    stream_durable(durable, epoch);
    char error[256] = "";
    enum status status = bus_consumer_create(service->bus, &options, ret_consumer, error, sizeof(error));
    if (status != STATUS_OK)
        log_event_limited(LOG_WARN, "the stream's consumer cannot be created", LOG_S("error", error));
    return status;
}

enum status stream_drain(struct service *service, const struct service_drain *drain,
                         struct bus_consumer **ret_consumer)
{
    char durable[STREAM_DURABLE_SIZE];
    stream_durable(durable, drain->epoch);
    struct bus_consumer_state state;
    enum status status = bus_durable_state(service->bus, STREAM_EVENTS, durable, &state);
    return status == STATUS_OK ? consume(service, drain->epoch, drain->above + 1, ret_consumer) : status;
}

/* Refreshes from Redis: the epoch, and the noted position. */
static enum status ask_state(struct service *service, struct store *store)
{
    enum status status = store_epoch_refresh(store);
    if (status == STATUS_OK && store_epoch(store) != atomic_load(&service->epoch))
        return STATUS_AGAIN;
    if (status == STATUS_OK && store_world(store)->state == STORE_REBUILD) {
        log_event_limited(LOG_WARN, "events wait: a rebuild is running, or was interrupted and must be run "
                                    "again (value-svc --rebuild)");
        status = STATUS_AGAIN;
    }
    return status;
}

/* The stream may have been recreated since stream_ensure. */
static enum status check_retention(struct service *service)
{
    struct bus_stream_state state;
    enum status status = bus_stream_state(service->bus, STREAM_EVENTS, &state);
    if (status != STATUS_OK)
        return status;
    note_retention(service, STREAM_EVENTS, state.until_acknowledged);
    return state.until_acknowledged ? STATUS_MALFORMED : STATUS_OK;
}

enum status stream_consume(struct service *service, struct store *store, struct bus_consumer **ret_consumer)
{
    enum status status = STATUS_DISCONNECTED;
    if (bus_connected(service->bus))
        status = service_store_ready(service, store);
    if (status == STATUS_OK)
        status = ask_state(service, store);
    if (status == STATUS_OK)
        status = check_retention(service);
    if (status == STATUS_OK)
        status =
            consume(service, store_epoch(store), store_world(store)->position.sequence + 1, ret_consumer);
    if (status != STATUS_OK)
        service_wait(service, RETRY_MS);
    return status;
}
