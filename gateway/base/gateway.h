/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * The room base/: what every part borrows, and the map of the process. A struct gateway holds what exists
 * once per process. main.c makes and frees it; everything else borrows it. Loop thread only, unless a field
 * says otherwise.
 *
 *   in    settings from the environment (settings.h); mail from the bus's threads (mailbox.h); the time of
 *         the turn
 *   out   the same to every room: settings, the clock, timers (timer_wheel.h), handles (slots.h), limits,
 *         metrics
 *
 * The way of the data:
 *
 *   clients ask   websocket | exchange -> plain_ws | engineio -> ingress -> builtins | relay
 *   services      relay -> service_call -> requests ~> NATS ~> requests -> service_call -> mailbox -> relay
 *   frames        NATS ~> reader -> delivery -> mailbox -> egress -> board -> session's outq
 *   clients hear  session's outq -> websocket (one write a turn) | the answer to a poll
 *
 * `~>` leaves the process. Calls by name go only down the list of rooms (cmake/rooms.txt); `tools/rooms
 * --sources` lists every call that does not. Data goes up through tables of functions: session_events,
 * peer_events and engineio_handler below, mail_kind, and the callbacks that a room's own headers name.
 */
#ifndef POLLEN8_GATEWAY_BASE_GATEWAY_H
#define POLLEN8_GATEWAY_BASE_GATEWAY_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/limits.h"
#include "base/measures.h"
#include "base/settings.h"
#include "common/clock.h"
#include "frame/frame.h"

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
    struct frames_written *frames_written;
    struct board *board;
    struct controls *controls;
    struct presence *presence;
    struct reconnect *reconnect;
    struct dedupe *dedupe;
    struct progress *progress;
    struct gaps *gaps;
    struct peers *peers;             /* NULL: this is the only gateway */
    struct poll_relays *poll_relays; /* NULL: likewise */
    struct departures *departures;   /* NULL: likewise */
    struct address_limits *handshakes;
    struct origin_policy *origins;
    struct networks *proxies;
    const struct session_events *events;     /* the parts above sessions */
    const struct peer_events *peer_events;   /* acts on other gateways' messages */
    const struct engineio_handler *engineio; /* the parts above Engine.IO */
    struct frame *pings[FRAME_FORMATS];      /* heartbeats, shared by all sessions */
    struct token_rule event_rule;
    uint64_t instance;   /* unique among all processes that ever had this name */
    uint64_t now_ms;     /* monotonic, as of this turn of the loop */
    uint64_t turn_us;    /* monotonic: when the turn began */
    uint32_t in_flight;  /* requests whose answer has not reached the loop yet */
    struct drain *drain; /* NULL until SIGTERM */
    bool draining;
    char drain_text[64];        /* close reason while draining */
    atomic_bool reconnected;    /* set on the bus's thread, taken by the loop */
    atomic_bool bus_has_frames; /* frames come over the bus too; set with the reader */
    atomic_bool broken;         /* like reconnected: messages of other gateways may be missing */
    atomic_bool listening;      /* for /readyz */
    _Atomic uint64_t turned_ms; /* when the loop last turned, for /healthz */
};

/* When a part of a turn leaves the rest of its work for the next turn, in microseconds from the beginning of
 * the turn. Sockets are polled between turns, so a client's message or connection waits at most 5 ms. Each
 * part does a little even if it begins late. */
#define TURN_ANSWERS_US 1000
#define TURN_PEERS_US   1500
#define TURN_WRITES_US  2500

static inline bool turn_past(const struct gateway *gateway, uint64_t us)
{
    return clock_monotonic_us() >= gateway->turn_us + us;
}

/* The broker was unreachable, and nobody has acted on that yet (gaps/reconnect.c). Until then nothing that
 * came later may be taken: a user's frame does not say what was missed before it, and would move the position
 * past the missed frames. */
static inline bool reconnect_due(const struct gateway *gateway)
{
    return atomic_load_explicit(&gateway->reconnected, memory_order_acquire);
}

/* Adds one to the counter of a label, if there is one; not for the path of every frame. */
static inline void gateway_count(const struct gateway *gateway, enum gateway_label label)
{
    if (label != LABEL_NONE)
        metric_add(measure_cell(gateway->metrics, label), 1);
}

/* The same for a counter whose label is `ok` or an error code. */
static inline void gateway_count_status(const struct gateway *gateway, enum gateway_metric metric,
                                        enum status status)
{
    const char *value = status == STATUS_OK ? "ok" : status_code(status);
    metric_add(metrics_cell(gateway->metrics, metric, value), 1);
}

#endif
