/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * Built bottom up (store, verifier, broker, watch, ops port). Taken down in the order that loses no request:
 * drain the subscription, finish the queue, flush the replies, close the connection.
 */
#include "service.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/measures.h"
#include "common/bus/bus.h"
#include "common/bus/subject.h"
#include "common/log.h"
#include "common/ops/ops_http.h"
#include "users/store_watch.h"
#include "users/users.h"
#include "verify.h"

#define FILE_STORE_PREFIX "file:"
#define SUBSCRIBE_WAIT_MS 500

struct service {
    const struct auth_config *config;
    struct metrics *metrics;
    struct users *users;
    struct verifier *verifier;
    struct bus *bus;
    struct bus_subscription *subscription;
    struct bus_subscription *batches;
    struct store_watch *watch;
    struct ops_http *ops;
    _Atomic bool stopping;
    _Atomic bool subscribed; /* the broker is known to have the subscription */
};

static void on_bus_state(void *context, enum bus_state state)
{
    const struct service *service = context;

    if (atomic_load(&service->stopping))
        return; /* we closed the connection */
    switch (state) {
    case BUS_CONNECTED: log_event(LOG_INFO, "connected to NATS"); break;
    case BUS_RECONNECTED: log_event(LOG_INFO, "reconnected to NATS"); break;
    case BUS_DISCONNECTED: log_event(LOG_WARN, "disconnected from NATS, reconnecting"); break;
    case BUS_SLOW_CONSUMER:
        log_event_limited(LOG_ERROR, "requests dropped: the delivery queue was full");
        break;
    case BUS_CLOSED: break;
    }
}

static void on_store_look(void *context, enum users_state state, bool failed)
{
    struct service *service = context;

    verify_store_up(service->verifier, state != USERS_DOWN);
    if (state == USERS_CHANGED)
        verify_forget_users(service->verifier);
    if (state == USERS_CHANGED || failed)
        metric_add(measure_cell(service->metrics, failed ? LABEL_RELOAD_FAILED : LABEL_RELOAD_OK), 1);
}

static void respond(void *context, struct slice reply, const void *data, size_t length)
{
    struct service *service = context;
    enum status status = bus_respond(service->bus, reply, data, length);

    if (status != STATUS_OK)
        log_event_limited(LOG_WARN, "reply could not be sent", LOG_S("status", status_code(status)));
}

static bool bus_ready(void *context)
{
    return bus_connected(((struct service *)context)->bus);
}

/* Connected is not enough for readiness, because the subscription may still be on its way to the broker.
 * After a reconnect the library sends the subscription before it reports the connection. */
static bool requests_come(void *context)
{
    struct service *service = context;

    if (!bus_connected(service->bus))
        return false;
    if (!atomic_load(&service->subscribed) && bus_flush(service->bus, SUBSCRIBE_WAIT_MS) == STATUS_OK)
        atomic_store(&service->subscribed, true);
    return atomic_load(&service->subscribed);
}

static bool store_ready(void *context)
{
    return store_watch_up(((struct service *)context)->watch);
}

static void refresh_metrics(void *context)
{
    struct service *service = context;

    metrics_set(service->metrics, METRIC_QUEUE_DEPTH, (int64_t)verify_outstanding(service->verifier));
    metrics_set(service->metrics, METRIC_NATS_CONNECTED, bus_ready(service));
    metrics_set(service->metrics, METRIC_USER_STORE_UP, store_ready(service));
}

static enum status open_users(struct service *service, char *error, size_t error_size)
{
    const struct auth_config *config = service->config;
    struct users_mongo_options mongo = {.uri = config->mongodb_uri,
                                        .users_collection = config->users_collection,
                                        .industries_collection = config->industries_collection,
                                        .timeout_ms = config->mongodb_timeout_ms,
                                        .clients = (uint32_t)config->workers + 1};
    size_t prefix = strlen(FILE_STORE_PREFIX);

    if (strcmp(config->user_store, "mongodb") == 0)
        return users_mongo_create(&mongo, &service->users, error, error_size);
    if (strncmp(config->user_store, FILE_STORE_PREFIX, prefix) == 0 && config->user_store[prefix])
        return users_file_create(config->user_store + prefix, &service->users, error, error_size);
    snprintf(error, error_size, "USER_STORE is '%.200s', expected mongodb or file:PATH", config->user_store);
    return STATUS_MALFORMED;
}

/* Keys and policy from their files, both or neither. */
static enum status read_settings(const struct auth_config *config, struct keys **ret_keys,
                                 struct policy **ret_policy, char *error, size_t error_size)
{
    struct keys *keys = NULL;
    enum status status = keys_create(config->jwt_secret, config->jwt_public_keys, &keys, error, error_size);

    if (status != STATUS_OK)
        return status;
    status = policy_create(config->roles_file, config->client_submit, ret_policy, error, error_size);
    if (status != STATUS_OK) {
        keys_free(keys);
        return status;
    }
    *ret_keys = keys;
    return STATUS_OK;
}

static enum status make_verifier(struct service *service, char *error, size_t error_size)
{
    const struct auth_config *config = service->config;
    struct verify_options options = {.rules = {.leeway_ms = config->jwt_leeway_ms,
                                               .require_expiry = config->jwt_require_exp,
                                               .issuer = config->jwt_issuer,
                                               .audience = config->jwt_audience},
                                     .users = service->users,
                                     .metrics = service->metrics,
                                     .workers = (size_t)config->workers,
                                     .queue_limit = (size_t)config->queue_limit,
                                     .verdict_entries = (size_t)config->verdict_cache_entries,
                                     .user_entries = (size_t)config->user_cache_entries,
                                     .user_ttl_ms = config->user_cache_ttl_ms,
                                     .respond = respond,
                                     .respond_context = service};
    struct keys *keys = NULL;
    struct policy *policy = NULL;
    enum status status = read_settings(config, &keys, &policy, error, error_size);

    if (status != STATUS_OK)
        return status;
    snprintf(error, error_size, "%s", "out of memory");
    return verify_create(&options, keys, policy, &service->verifier);
}

static enum status join_broker(struct service *service, char *error, size_t error_size)
{
    struct bus_options options = {.url = service->config->nats_url,
                                  .name = "auth-svc",
                                  .credentials_file = service->config->nats_credentials_file,
                                  .ca_file = service->config->nats_ca_file,
                                  .send_as_soon_as_possible = true,
                                  .on_state = on_bus_state,
                                  .context = service};
    enum status status = bus_create(&options, &service->bus, error, error_size);

    if (status != STATUS_OK)
        return status == STATUS_NOT_FOUND ? STATUS_MALFORMED : status;
    snprintf(error, error_size, "%s", "the subscription to " SUBJECT_AUTH_VERIFY " could not be made");
    status = bus_subscribe(service->bus, SUBJECT_AUTH_BATCH, QUEUE_AUTH, verify_batch, service->verifier,
                           &service->batches);
    return status == STATUS_OK ? bus_subscribe(service->bus, SUBJECT_AUTH_VERIFY, QUEUE_AUTH, verify_message,
                                               service->verifier, &service->subscription)
                               : status;
}

static enum status open_ops(struct service *service, char *error, size_t error_size)
{
    const struct ops_check ready[] = {{"nats", requests_come, service}, {"users", store_ready, service}};
    struct ops_options options = {.address = service->config->ops_address,
                                  .port = (uint16_t)service->config->ops_port,
                                  .service = "auth-svc",
                                  .metrics = service->metrics,
                                  .refresh = refresh_metrics,
                                  .refresh_context = service,
                                  .ready = ready,
                                  .ready_count = sizeof(ready) / sizeof(ready[0])};
    enum status status = ops_http_create(&options, &service->ops);

    if (status != STATUS_OK)
        snprintf(error, error_size, "ops port %s:%d cannot be opened: %s", service->config->ops_address,
                 (int)service->config->ops_port, strerror(errno));
    return status;
}

/* A half-built service is accepted: each part may be missing. */
static void service_free(struct service *service)
{
    ops_http_free(service->ops);
    store_watch_free(service->watch);
    bus_unsubscribe(service->batches);
    bus_unsubscribe(service->subscription);
    bus_free(service->bus);
    verify_free(service->verifier);
    if (service->users)
        service->users->ops->free(service->users);
    metrics_free(service->metrics);
    free(service);
}

enum status service_create(const struct auth_config *config, struct service **ret_service, char *error,
                           size_t error_size)
{
    struct service *service = calloc(1, sizeof(*service));
    enum status status;

    snprintf(error, error_size, "%s", "out of memory");
    if (!service)
        return STATUS_NO_MEMORY;
    service->config = config;
    status = metrics_create(measures, MEASURE_COUNT, &service->metrics);
    if (status == STATUS_OK)
        status = open_users(service, error, error_size);
    if (status == STATUS_OK)
        status = make_verifier(service, error, error_size);
    if (status == STATUS_OK)
        status = join_broker(service, error, error_size);
    if (status == STATUS_OK)
        status = store_watch_create(service->users, on_store_look, service, &service->watch);
    if (status == STATUS_OK)
        status = open_ops(service, error, error_size);
    if (status != STATUS_OK) {
        service_free(service);
        return status;
    }
    if (config->client_submit)
        log_event(LOG_WARN,
                  "CLIENT_SUBMIT is on: users may submit events about themselves; not for production");
    *ret_service = service;
    return STATUS_OK;
}

void service_reload(struct service *service)
{
    struct keys *keys = NULL;
    struct policy *policy = NULL;
    char error[512];
    enum status status = read_settings(service->config, &keys, &policy, error, sizeof(error));

    metric_add(measure_cell(service->metrics, status == STATUS_OK ? LABEL_RELOAD_OK : LABEL_RELOAD_FAILED),
               1);
    if (status == STATUS_OK) {
        log_event(LOG_INFO, "keys and roles reloaded", LOG_U("keys", keys_count(keys)));
        verify_replace(service->verifier, keys, policy);
    } else {
        log_event(LOG_ERROR, "keys and roles rejected, keeping the previous ones", LOG_S("reason", error));
    }
    store_watch_now(service->watch);
}

void service_stop(struct service *service)
{
    uint32_t drain_ms = (uint32_t)service->config->drain_timeout_ms / 2;

    atomic_store(&service->stopping, true);
    ops_http_drain(service->ops);
    if (bus_drain(service->bus, drain_ms) != STATUS_OK)
        log_event(LOG_WARN, "some requests taken from NATS were not handled before the end");
    verify_stop(service->verifier);
    if (bus_connected(service->bus) && bus_flush(service->bus, drain_ms) != STATUS_OK)
        log_event(LOG_WARN, "the last replies may not have reached NATS");
    service_free(service);
}
