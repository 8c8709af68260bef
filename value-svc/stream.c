/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * Streams and consumers, as design says they are.
 */
#include "stream.h"

#include <inttypes.h>
#include <stdio.h>

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
    if (status == STATUS_OK)
        status = ensure_one(service, STREAM_SNAPSHOT, SUBJECT_SNAPSHOT_ANY);
    return status == STATUS_OK ? ensure_one(service, STREAM_EPOCH, SUBJECT_EPOCH_NEWEST) : status;
}

void stream_durable(char out[STREAM_DURABLE_SIZE], uint64_t epoch)
{
    if (epoch == 0)
        snprintf(out, STREAM_DURABLE_SIZE, "%s", STREAM_DURABLE);
    else
        snprintf(out, STREAM_DURABLE_SIZE, "%s-%" PRIu64, STREAM_DURABLE, epoch);
}

static enum status consume(struct service *service, struct store *store, struct bus_consumer **ret_consumer)
{
    const struct store_world *world = store_world(store);
    int64_t pending = service->config.batch * (service->config.workers + 1) * 8;
    char durable[STREAM_DURABLE_SIZE];
    const struct bus_consumer_options options = {.stream = STREAM_EVENTS,
                                                 .durable = durable,
                                                 .filter = SUBJECT_EVENTS_ANY,
                                                 .ack_wait_ms = service->config.ack_wait_ms,
                                                 .maximum_ack_pending =
                                                     (int32_t)(pending > 8192 ? pending : 8192),
                                                 .start_sequence = world->position.sequence + 1};
    char error[256] = "";
    enum status status;

    stream_durable(durable, world->epoch);
    status = bus_consumer_create(service->bus, &options, ret_consumer, error, sizeof error);
    if (status != STATUS_OK)
        log_event_limited(LOG_WARN, "the stream's consumer cannot be made", LOG_S("error", error));
    return status;
}

/* As Redis says now: the epoch, and how far it was noted. */
static enum status ask_state(struct service *service, struct store *store)
{
    enum status status = store_epoch_refresh(store);

    if (status == STATUS_OK && store_epoch(store) != atomic_load(&service->epoch))
        return STATUS_AGAIN;
    if (status == STATUS_OK && store_world(store)->state == STORE_REBUILD) {
        log_event_limited(LOG_WARN,
                          "events wait: a rebuild is at work, or was stopped half-way and has to be "
                          "run again (value-svc --rebuild)");
        status = STATUS_AGAIN;
    }
    return status;
}

enum status stream_consume(struct service *service, struct store *store, struct bus_consumer **ret_consumer)
{
    enum status status = STATUS_DISCONNECTED;

    if (bus_connected(service->bus))
        status = service_store_ready(service, store);
    if (status == STATUS_OK)
        status = ask_state(service, store);
    if (status == STATUS_OK)
        status = consume(service, store, ret_consumer);
    if (status != STATUS_OK)
        service_wait(service, RETRY_MS);
    return status;
}
