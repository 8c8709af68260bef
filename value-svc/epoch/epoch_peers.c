/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * One subject, and the last announcement received on it.
 */
#include "epoch/epoch_peers.h"

#include <stdio.h>
#include <stdlib.h>

#include "common/base64url.h"
#include "common/bus/subject.h"
#include "common/check.h"
#include "common/clock.h"
#include "common/rng.h"
#include "common/wire.h"
#include "epoch.pb-c.h"

#define ALIVE_MAXIMUM  512
#define INSTANCE_BYTES 12

struct epoch_peers {
    struct service *service;
    struct bus_subscription *subscription;
    char instance[BASE64URL_LENGTH(INSTANCE_BYTES) + 1];
    pthread_mutex_t lock;
    char heard[STORE_IDENTITY_SIZE]; /* guarded by lock: the identity last announced by another instance... */
    uint64_t heard_ms;               /* ...when; monotonic */
    uint64_t since_ms;               /* since when this instance has been listening */
    uint64_t returns;                /* service->bus_returns then */
};

static void take(struct epoch_peers *peers, const Pollen8__EpochAlive *alive)
{
    if (strcmp(alive->instance, peers->instance) == 0 || strlen(alive->redis) >= sizeof(peers->heard))
        return;
    if (alive->epoch > atomic_load(&peers->service->epoch))
        atomic_store(&peers->service->look, true);
    pthread_mutex_lock(&peers->lock);
    snprintf(peers->heard, sizeof(peers->heard), "%s", alive->redis);
    peers->heard_ms = clock_monotonic_ms();
    pthread_mutex_unlock(&peers->lock);
}

static void on_peers_alive(void *context, const struct bus_message *message)
{
    struct wire_arena arena = {0};
    const ProtobufCMessage *unpacked = NULL;
    if (wire_unpack(&arena, &pollen8__epoch_alive__descriptor, message->data, &unpacked) == STATUS_OK)
        take(context, (const Pollen8__EpochAlive *)unpacked);
    wire_arena_done(&arena);
}

enum status epoch_peers_create(struct service *service, struct epoch_peers **ret_peers)
{
    struct epoch_peers *peers = calloc(1, sizeof(*peers));
    if (!peers)
        return STATUS_NO_MEMORY;
    peers->service = service;
    peers->since_ms = clock_monotonic_ms();
    rng_id(peers->instance, INSTANCE_BYTES);
    CHECK(pthread_mutex_init(&peers->lock, NULL) == 0);
    enum status status =
        bus_subscribe(service->bus, SUBJECT_EPOCH_ALIVE, NULL, on_peers_alive, peers, &peers->subscription);
    if (status == STATUS_OK)
        *ret_peers = peers;
    else
        epoch_peers_free(peers);
    return status;
}

void epoch_peers_free(struct epoch_peers *peers)
{
    if (!peers)
        return;
    pthread_mutex_destroy(&peers->lock);
    free(peers);
}

void epoch_peers_tell(struct epoch_peers *peers, uint64_t epoch, const char *identity)
{
    Pollen8__EpochAlive alive = POLLEN8__EPOCH_ALIVE__INIT;
    alive.epoch = epoch;
    alive.redis = (char *)(uintptr_t)identity;
    alive.instance = peers->instance;
    struct buf buf;
    buf_init(&buf, ALIVE_MAXIMUM);
    if (wire_pack(&buf, &alive.base) == STATUS_OK)
        bus_publish(peers->service->bus, SUBJECT_EPOCH_ALIVE, buf.data, buf.length);
    buf_done(&buf);
}

int64_t epoch_peers_silent_ms(struct epoch_peers *peers, const char *identity)
{
    uint64_t returns = atomic_load(&peers->service->bus_returns);
    uint64_t now = clock_monotonic_ms();
    pthread_mutex_lock(&peers->lock);
    if (returns != peers->returns) { /* nothing could be received while disconnected */
        peers->returns = returns;
        peers->since_ms = now;
    }
    uint64_t since = peers->since_ms;
    if (strcmp(peers->heard, identity) == 0 && peers->heard_ms > since)
        since = peers->heard_ms;
    pthread_mutex_unlock(&peers->lock);
    return (int64_t)(now - since);
}
