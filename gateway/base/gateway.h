/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * The map of the process: what there is one of. Made and freed in main.c; everything else borrows it. Loop
 * thread only, unless a field says otherwise.
 *
 *   clients ask   websocket | exchange -> plain_ws | engineio -> ingress -> builtins | relay
 *   services      relay -> service_call -> requests ~> NATS ~> requests -> service_call -> mailbox -> relay
 *   frames        NATS ~> reader -> delivery -> mailbox -> egress -> board -> session's outq
 *   clients hear  session's outq -> websocket (one write a turn) | the answer to a poll
 *
 * `~>` is another process. Calls go down the list of rooms (cmake/rooms.txt) and never up it.
 */
#ifndef POLLEN8_GATEWAY_BASE_GATEWAY_H
#define POLLEN8_GATEWAY_BASE_GATEWAY_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/limits.h"
#include "base/settings.h"
#include "common/clock.h"
#include "common/ops/metrics.h"
#include "frame/frame.h"

enum gateway_metric {
#define METRIC(id, kind, name, label, help) METRIC_##id,
#include "base/metrics.def"
#undef METRIC
    METRIC_COUNT
};

struct gateway {
    const struct settings *settings;
    struct metrics *metrics; /* any thread */
    struct bus *bus;         /* any thread */
    struct mailbox *mailbox; /* any thread */
    struct sender *sender;
    struct reader *reader;
    struct requests *requests;
    struct loop *loop;
    struct listener *listener;
    struct timer_wheel *wheel;
    struct rooms *rooms;
    struct sessions *sessions;
    struct sockets *sockets;
    struct parking *parking;
    struct exchanges *exchanges;
    struct ws_writer *ws_writer;
    struct board *board;
    struct controls *controls;
    struct presence *presence;
    struct reconnect *reconnect;
    struct dedupe *dedupe;
    struct progress *progress;
    struct gaps *gaps;
    struct peers *peers;             /* NULL: there is no other gateway */
    struct poll_relays *poll_relays; /* NULL likewise */
    struct departures *departures;   /* NULL likewise */
    struct address_limits *handshakes;
    struct origin_policy *origins;
    struct networks *proxies;
    const struct session_events *events;     /* what lives above sessions */
    const struct peer_events *peer_events;   /* what is done about other gateways */
    const struct engineio_handler *engineio; /* what lives above Engine.IO */
    struct frame *pings[FRAME_FORMATS];      /* heartbeats, shared by all sessions */
    struct token_rule event_rule;
    uint64_t instance;   /* of this process, among all that ever had its name */
    uint64_t now_ms;     /* monotonic, as of this turn of the loop */
    uint64_t turn_us;    /* monotonic: when the turn began */
    uint32_t in_flight;  /* requests whose answer has not come back to the loop */
    struct drain *drain; /* NULL until SIGTERM */
    bool draining;
    char drain_text[64];        /* close reason while draining */
    atomic_bool reconnected;    /* set on the bus's thread, taken by the loop */
    atomic_bool bus_has_frames; /* what is published comes over the bus too: set with the reader */
    atomic_bool broken;         /* likewise: what other gateways said may be missing */
    atomic_bool listening;      /* for /readyz */
    _Atomic uint64_t turned_ms; /* when the loop last turned, for /healthz */
};

/* Sockets are looked at between turns. When a part of a turn leaves the rest of its work for the next one, in
 * microseconds from its beginning: what a client sends, and who connects, waits 5 ms at most. Each does a
 * little even where it begins late. */
#define TURN_ANSWERS_US 1000
#define TURN_PEERS_US   1500
#define TURN_WRITES_US  2500

static inline bool turn_past(const struct gateway *gateway, uint64_t us)
{
    return clock_monotonic_us() >= gateway->turn_us + us;
}

/* The broker was unreachable, and nobody has acted on that yet (gaps/reconnect.c). Until then nothing may be
 * taken that came after: a user's frame does not say what was missed before it, and would move the position
 * past that. */
static inline bool reconnect_due(const struct gateway *gateway)
{
    return atomic_load_explicit(&gateway->reconnected, memory_order_acquire);
}

/* A labelled counter by one; for what is not on the path of every frame. */
static inline void gateway_count(const struct gateway *gateway, enum gateway_metric metric, const char *label)
{
    metric_add(metrics_cell(gateway->metrics, metric, label), 1);
}

#endif
