/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * Streams and consumers, as design says they are.
 */
#include "stream.h"

#include "common/bus_stream.h"
#include "common/log.h"
#include "common/subject.h"

#define DUPLICATES_MS 120000
#define RETRY_MS      500

static enum status ensure_one(struct service *service, const char *name, const char *subject)
{
    const char *const subjects[] = {subject, NULL};
    const struct bus_stream_options options = {.name = name,
                                               .subjects = subjects,
                                               .duplicates_ms = DUPLICATES_MS,
                                               .replicas = (int)service->config.stream_replicas};
    char error[256] = "";
    enum status status = bus_stream_ensure(service->bus, &options, error, sizeof error);

    if (status != STATUS_OK)
        log_event_limited(LOG_WARN, "the stream cannot be made", LOG_S("stream", name),
                          LOG_S("error", error));
    return status;
}

enum status stream_ensure(struct service *service)
{
    enum status status = ensure_one(service, STREAM_EVENTS, SUBJECT_EVENTS_ANY);

    if (status == STATUS_OK)
        status = ensure_one(service, STREAM_DEAD, SUBJECT_DEAD_ANY);
    return status == STATUS_OK ? ensure_one(service, STREAM_SNAPSHOT, SUBJECT_SNAPSHOT_ANY) : status;
}

static enum status consume(struct service *service, const char *durable, int64_t start_time_ms,
                           uint64_t start_sequence, struct bus_consumer **ret_consumer)
{
    int64_t pending = service->config.batch * (service->config.workers + 1) * 8;
    const struct bus_consumer_options options = {.stream = STREAM_EVENTS,
                                                 .durable = durable,
                                                 .filter = SUBJECT_EVENTS_ANY,
                                                 .ack_wait_ms = service->config.ack_wait_ms,
                                                 .maximum_ack_pending =
                                                     (int32_t)(pending > 8192 ? pending : 8192),
                                                 .start_time_ms = start_time_ms,
                                                 .start_sequence = start_sequence};
    char error[256] = "";
    enum status status = bus_consumer_create(service->bus, &options, ret_consumer, error, sizeof error);

    if (status != STATUS_OK)
        log_event_limited(LOG_WARN, "the stream's consumer cannot be made", LOG_S("error", error));
    return status;
}

/* Where a durable that is missing begins: behind the position, unless the stream was made anew after it and
 * counts from 1 again. Not by time: keys of events a little older may be long forgotten. */
static enum status find_start(struct service *service, struct store *store, uint64_t *ret_sequence)
{
    struct store_position position = {0};
    struct bus_stream_state stream;
    enum status status = store_position_get(store, &position);

    if (status == STATUS_OK)
        status = stream_ensure(service);
    if (status == STATUS_OK)
        status = bus_stream_state(service->bus, STREAM_EVENTS, &stream);
    if (status != STATUS_OK)
        return status;
    *ret_sequence = 0;
    if (position.sequence > 0 && stream.created_ms <= position.time_ms)
        *ret_sequence = position.sequence + 1;
    return STATUS_OK;
}

static enum status ask_state(struct store *store)
{
    enum status status = store_epoch_refresh(store);

    if (status == STATUS_OK && store_state(store) == STORE_REBUILD) {
        log_event_limited(LOG_WARN,
                          "events wait: a rebuild is at work, or was stopped half-way and has to be "
                          "run again (value-svc --rebuild)");
        status = STATUS_AGAIN;
    }
    return status;
}

enum status stream_consume(struct service *service, struct store *store, struct bus_consumer **ret_consumer)
{
    uint64_t start = 0;
    enum status status = STATUS_DISCONNECTED;

    if (bus_connected(service->bus))
        status = service_store_ready(service, store);
    if (status == STATUS_OK)
        status = ask_state(store);
    if (status == STATUS_OK)
        status = find_start(service, store, &start);
    if (status == STATUS_OK)
        status = consume(service, STREAM_DURABLE, 0, start, ret_consumer);
    if (status != STATUS_OK)
        service_wait(service, RETRY_MS);
    return status;
}

enum status stream_replay(struct service *service, int64_t start_time_ms, uint64_t start_sequence,
                          struct bus_consumer **ret_consumer)
{
    return consume(service, NULL, start_time_ms, start_sequence, ret_consumer);
}
