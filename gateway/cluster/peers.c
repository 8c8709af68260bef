/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * One timer; a list, because gateways are few.
 */
#include "cluster/peers.h"

#include <stdatomic.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "base/gateway.h"
#include "base/timer_wheel.h"
#include "cluster/peer_message.h"
#include "common/log.h"

#define PING_MS       1000
#define LOOK_MS       100
#define UNANSWERED    2             /* pings, each of which waits at most PEER_REPLY_MS */
#define SILENCE_MS    6000          /* from a gateway that holds polls of ours for its clients */
#define IDLE_MS       (600u * 1000) /* nothing open: removed */
#define PEERS_MAXIMUM 4096

struct peers {
    struct wheel_timer timer;
    uint64_t ping_ms; /* the next round */
    struct peer *list;
    uint32_t count;
};

/* Ends everything that is open with it. */
static void lose(struct gateway *gateway, struct peer *peer, const char *why)
{
    bool open = peer->open || peer->hosted;
    if (open)
        log_event_limited(LOG_WARN, "another gateway is lost", LOG_S("gateway", peer->name),
                          LOG_S("why", why), LOG_U("polls", peer->open));
    gateway->peer_events->lost(gateway, peer);
    gateway->peer_events->clients_lost(gateway, peer);
}

static struct peer *find(const struct peers *peers, const char *name)
{
    for (struct peer *peer = peers->list; peer; peer = peer->next)
        if (strcmp(peer->name, name) == 0)
            return peer;
    return NULL;
}

static void renew(struct gateway *gateway, struct peer *peer, uint64_t instance)
{
    if (peer->instance == instance)
        return;
    lose(gateway, peer, "started again");
    peer->instance = instance;
    peer->taken = 0;
    peer->sent = 0;
    peer->unanswered = 0;
}

struct peer *peers_get(struct gateway *gateway, const char *name, uint64_t instance)
{
    struct peers *peers = gateway->peers;
    struct peer *peer = find(peers, name);
    if (!peer) {
        if (strlen(name) > SID_GATEWAY_MAXIMUM || peers->count >= PEERS_MAXIMUM)
            return NULL;
        peer = calloc(1, sizeof(*peer));
        if (!peer)
            return NULL;
        memcpy(peer->name, name, strlen(name));
        peer->instance = instance;
        peer->next = peers->list;
        peers->list = peer;
        peers->count++;
    }
    renew(gateway, peer, instance);
    peer->heard_ms = gateway->now_ms;
    return peer;
}

/* ---- asking ------------------------------------------------------------------------------------------- */

static void on_pong(struct gateway *gateway, uint64_t id, enum status status,
                    const Pollen8__GatewayMessage *reply)
{
    struct peer *peer = gateway->peers->list;
    while (peer && (uint64_t)(uintptr_t)peer != id)
        peer = peer->next;
    if (!peer)
        return;
    peer->pinging = false;
    if (status == STATUS_NO_RESPONDERS) {
        lose(gateway, peer, "gone");
    } else if (status != STATUS_OK || reply->message_case != POLLEN8__GATEWAY_MESSAGE__MESSAGE_PONG) {
        if (++peer->unanswered >= UNANSWERED)
            lose(gateway, peer, "silent");
    } else {
        peer->unanswered = 0;
        renew(gateway, peer, reply->pong->instance);
        if (reply->pong->answers > peer->taken)
            lose(gateway, peer, "an answer was lost");
        peer->taken = reply->pong->answers;
    }
}

static void ping(struct gateway *gateway, struct peer *peer)
{
    Pollen8__GatewayMessage message = POLLEN8__GATEWAY_MESSAGE__INIT;
    Pollen8__PeerPing body = POLLEN8__PEER_PING__INIT;
    message.message_case = POLLEN8__GATEWAY_MESSAGE__MESSAGE_PING;
    message.ping = &body;
    body.gateway = gateway->settings->gateway_name;
    body.instance = gateway->instance;
    peer->pinging = peer_message_ask(gateway, peer->name, &message, false, on_pong,
                                     (uint64_t)(uintptr_t)peer) == STATUS_OK;
}

void peers_pinged(struct gateway *gateway, const Pollen8__PeerPing *ping, const char *reply)
{
    Pollen8__GatewayMessage message = POLLEN8__GATEWAY_MESSAGE__INIT;
    Pollen8__PeerPong pong = POLLEN8__PEER_PONG__INIT;
    const struct peer *peer = peers_get(gateway, ping->gateway, ping->instance);
    message.message_case = POLLEN8__GATEWAY_MESSAGE__MESSAGE_PONG;
    message.pong = &pong;
    pong.instance = gateway->instance;
    pong.answers = peer ? peer->sent : 0;
    (void)peer_message_reply(gateway, reply, &message); /* without a reply it asks again */
}

/* ---- the timer ---------------------------------------------------------------------------------------- */

static void look_at(struct gateway *gateway, struct peer *peer, bool round)
{
    if (peer->hosted && gateway->now_ms - peer->heard_ms > SILENCE_MS)
        gateway->peer_events->clients_lost(gateway, peer);
    if (round && peer->open && !peer->pinging)
        ping(gateway, peer);
}

static void forget_idle(struct gateway *gateway, struct peers *peers)
{
    struct peer **link = &peers->list;
    struct peer *peer;
    while ((peer = *link)) {
        if (peer->open || peer->hosted || peer->pinging || gateway->now_ms - peer->heard_ms < IDLE_MS) {
            link = &peer->next;
            continue;
        }
        *link = peer->next;
        peers->count--;
        free(peer);
    }
}

static void look(void *context, struct wheel_timer *timer)
{
    struct gateway *gateway = context;
    struct peers *peers = gateway->peers;
    bool broken = atomic_exchange(&gateway->broken, false);
    bool round = gateway->now_ms >= peers->ping_ms;
    if (round)
        peers->ping_ms = gateway->now_ms + PING_MS;
    for (struct peer *peer = peers->list; peer; peer = peer->next) {
        if (broken)
            lose(gateway, peer, "the broker was away");
        look_at(gateway, peer, round);
    }
    if (round)
        forget_idle(gateway, peers);
    timer_wheel_arm(gateway->wheel, timer, gateway->now_ms + LOOK_MS);
}

void peers_broken(struct gateway *gateway)
{
    atomic_store(&gateway->broken, true);
}

enum status peers_create(struct gateway *gateway, struct peers **ret_peers)
{
    struct peers *peers = calloc(1, sizeof(*peers));
    if (!peers)
        return STATUS_NO_MEMORY;
    peers->timer.fire = look;
    timer_wheel_arm(gateway->wheel, &peers->timer, gateway->now_ms + LOOK_MS);
    *ret_peers = peers;
    return STATUS_OK;
}

void peers_free(struct gateway *gateway, struct peers *peers)
{
    if (!peers)
        return;
    timer_wheel_cancel(gateway->wheel, &peers->timer);
    for (struct peer *peer; (peer = peers->list);) {
        peers->list = peer->next;
        free(peer);
    }
    free(peers);
}
