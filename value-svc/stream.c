/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * Streams and consumers, as design says they are.
 */
#include "stream.h"

#include "common/log.h"
#include "common/subject.h"

#define DURABLE            "value-svc"
#define DUPLICATES_MS      120000
#define POSITION_MARGIN_MS 1000 /* clocks of servers differ; what is met twice is found in `seen` */
#define RETRY_MS           500

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

    return status == STATUS_OK ? ensure_one(service, STREAM_DEAD, SUBJECT_DEAD_ANY) : status;
}

static enum status consume(struct service *service, const char *durable, int64_t start_time_ms,
                           struct bus_consumer **ret_consumer)
{
    int64_t pending = service->config.batch * (service->config.workers + 1) * 8;
    const struct bus_consumer_options options = {.stream = STREAM_EVENTS,
                                                 .durable = durable,
                                                 .filter = SUBJECT_EVENTS_ANY,
                                                 .ack_wait_ms = service->config.ack_wait_ms,
                                                 .maximum_ack_pending =
                                                     (int32_t)(pending > 8192 ? pending : 8192),
                                                 .start_time_ms = start_time_ms};
    char error[256] = "";
    enum status status = bus_consumer_create(service->bus, &options, ret_consumer, error, sizeof error);

    if (status != STATUS_OK)
        log_event_limited(LOG_WARN, "the stream's consumer cannot be made", LOG_S("error", error));
    return status;
}

enum status stream_consume(struct service *service, struct store *store, struct bus_consumer **ret_consumer)
{
    struct store_position position = {0};
    int64_t start = 0;
    enum status status = STATUS_DISCONNECTED;

    if (bus_connected(service->bus))
        status = service_store_ready(service, store);
    if (status == STATUS_OK)
        status = store_position_get(store, &position);
    if (status == STATUS_OK)
        status = stream_ensure(service);
    if (status == STATUS_OK) {
        if (position.time_ms > POSITION_MARGIN_MS)
            start = position.time_ms - POSITION_MARGIN_MS;
        status = consume(service, DURABLE, start, ret_consumer);
    }
    if (status != STATUS_OK)
        service_wait(service, RETRY_MS);
    return status;
}

enum status stream_replay(struct service *service, int64_t start_time_ms, struct bus_consumer **ret_consumer)
{
    return consume(service, NULL, start_time_ms, ret_consumer);
}
