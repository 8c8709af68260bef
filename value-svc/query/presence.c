/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * GatewayHeartbeat, SessionClosed -> p8:gw:<gateway>; all of p8:gw:* -> totals by industry -> metrics.
 */
#include "query/presence.h"

#include <stdlib.h>

#include "common/check.h"
#include "common/industry.h"
#include "common/log.h"
#include "presence.pb-c.h"

/* One heartbeat may be lost. With the default of 5 s, a dead gateway leaves the totals after 12 s and a turn
 * of the keeper. */
#define EXPIRY_TENTHS     24 /* of the interval */
#define EXPIRY_MAXIMUM_MS 12000
#define EXPIRY_MINIMUM_MS 1000
#define LARGEST           100
#define INDUSTRIES_BOUND  4096 /* different industries summed; the others count as `other` */

/* ---- heartbeats ------------------------------------------------------------------------------------- */

static int64_t expiry_ms(uint32_t interval_ms)
{
    int64_t expiry = (int64_t)interval_ms * EXPIRY_TENTHS / 10;
    if (expiry < EXPIRY_MINIMUM_MS)
        return EXPIRY_MINIMUM_MS;
    return expiry < EXPIRY_MAXIMUM_MS ? expiry : EXPIRY_MAXIMUM_MS;
}

static enum status store_message(struct store *store, const Pollen8__GatewayHeartbeat *message)
{
    struct store_count *counts = calloc(message->n_industries + message->n_users + 1, sizeof(*counts));
    struct store_count *users = counts + message->n_industries;
    if (!counts)
        return STATUS_NO_MEMORY;
    for (size_t i = 0; i < message->n_industries; i++)
        counts[i] = (struct store_count){.name = slice_from_string(message->industries[i]->industry),
                                         .sessions = message->industries[i]->sessions};
    for (size_t i = 0; i < message->n_users; i++)
        users[i] = (struct store_count){.name = slice_from_string(message->users[i]->user_id),
                                        .sessions = message->users[i]->sessions};
    struct store_heartbeat heartbeat =
        (struct store_heartbeat){.gateway = slice_from_string(message->gateway),
                                 .part = message->part,
                                 .sessions = message->sessions,
                                 .industries = counts,
                                 .industry_count = message->n_industries,
                                 .users = users,
                                 .user_count = message->n_users,
                                 .expires_ms = expiry_ms(message->interval_ms)};
    enum status status = store_heartbeat(store, &heartbeat);
    free(counts);
    return status;
}

enum status presence_store(struct store *store, struct wire_arena *arena, struct slice bytes)
{
    wire_arena_reset(arena);
    const ProtobufCMessage *message = NULL;
    enum status status = wire_unpack(arena, &pollen8__gateway_heartbeat__descriptor, bytes, &message);
    if (status != STATUS_OK)
        return status;
    const Pollen8__GatewayHeartbeat *heartbeat = (const Pollen8__GatewayHeartbeat *)message;
    if (heartbeat->interval_ms == 0 || !event_name_valid(slice_from_string(heartbeat->gateway)))
        return STATUS_MALFORMED;
    return store_message(store, heartbeat);
}

enum status presence_entered(struct store *store, const struct store_entered *entered, size_t count)
{
    return store_users_entered(store, entered, count, EXPIRY_MAXIMUM_MS);
}

enum status presence_left(struct service *service, struct store *store, struct wire_arena *arena,
                          struct slice bytes)
{
    wire_arena_reset(arena);
    const ProtobufCMessage *message = NULL;
    enum status status = wire_unpack(arena, &pollen8__session_closed__descriptor, bytes, &message);
    if (status != STATUS_OK)
        return status;
    const Pollen8__SessionClosed *closed = (const Pollen8__SessionClosed *)message;
    if (!event_name_valid(slice_from_string(closed->gateway)) || closed->user_id[0] == '\0')
        return STATUS_MALFORMED;
    bool elsewhere = false;
    status = store_user_left(store, closed->gateway, closed->user_id, &elsewhere);
    if (status == STATUS_OK && !elsewhere)
        metrics_add(service->metrics, VALUE_USERS_LEFT, 1);
    return status;
}

/* ---- totals ----------------------------------------------------------------------------------------- */

struct industry_total {
    char name[INDUSTRY_NORMALISED_SIZE];
    uint64_t sessions;
};

struct totals {
    struct industry_total *industries; /* room for INDUSTRIES_BOUND */
    size_t count;
    uint64_t rest; /* of industries past the bound */
};

static void on_presence_industry(void *context, struct slice name, uint64_t sessions)
{
    struct totals *totals = context;
    CHECK(totals->industries);
    for (size_t i = 0; i < totals->count; i++) {
        if (slice_equal_string(name, totals->industries[i].name)) {
            totals->industries[i].sessions += sessions;
            return;
        }
    }
    if (totals->count == INDUSTRIES_BOUND || name.length == 0 || name.length >= INDUSTRY_NORMALISED_SIZE) {
        totals->rest += sessions;
        return;
    }
    memcpy(totals->industries[totals->count].name, name.data, name.length);
    totals->industries[totals->count].name[name.length] = '\0';
    totals->industries[totals->count++].sessions = sessions;
}

static void publish_industries(struct service *service, const struct totals *totals)
{
    struct metric_sample *samples = calloc(totals->count + 1, sizeof(*samples));
    size_t count = totals->count;
    if (!samples)
        return;
    for (size_t i = 0; i < count; i++)
        samples[i] = (struct metric_sample){.label_value = totals->industries[i].name,
                                            .value = (int64_t)totals->industries[i].sessions};
    if (totals->rest > 0)
        samples[count++] = (struct metric_sample){.label_value = "other", .value = (int64_t)totals->rest};
    if (metrics_replace(service->metrics, VALUE_CLUSTER_INDUSTRY, samples, count, LARGEST) != STATUS_OK)
        log_event_limited(LOG_WARN, "the totals by industry could not be brought up to date");
    free(samples);
}

void presence_refresh_totals(struct service *service, struct store *store)
{
    struct totals totals = {.industries = calloc(INDUSTRIES_BOUND, sizeof(*totals.industries))};
    if (!totals.industries)
        return;
    struct store_totals sums;
    if (store_presence_totals(store, &sums, on_presence_industry, &totals) == STATUS_OK) {
        metrics_set(service->metrics, VALUE_CLUSTER_SESSIONS, (int64_t)sums.sessions);
        metrics_set(service->metrics, VALUE_CLUSTER_GATEWAYS, (int64_t)sums.gateways);
        publish_industries(service, &totals);
    }
    free(totals.industries);
}
