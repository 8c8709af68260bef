/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * The room broker/link/: one connection to the broker, read on the loop thread. Its owner decides what it
 * carries (reader.h, requests.h).
 *
 *   in    the server's bytes: messages, for the owner's `message`; PONGs, for those who wait for one
 *   out   subscriptions, publishes and PINGs of a turn, in one write at its end
 *
 * It connects in the background and never gives up (dialer.h). PING detects a connection that died unnoticed:
 * two may be unanswered, 15 s apart.
 *
 *   DOWN -> GREETING (until INFO) -> LEARNING (CONNECT, subscriptions and PING sent) -> UP (PONG)
 *
 * Memory: an input buffer that grows to the longest message and shrinks back, and an output buffer. Loop
 * thread, except for broker_link_up.
 */
#ifndef POLLEN8_GATEWAY_BROKER_LINK_BROKER_LINK_H
#define POLLEN8_GATEWAY_BROKER_LINK_BROKER_LINK_H

#include <stdbool.h>
#include <stddef.h>

#include "broker/link/link_waiters.h"
#include "common/bus/broker_protocol.h"

struct broker_link; /* opaque */
struct gateway;
struct uv_loop_s;

enum broker_link_event { BROKER_LINK_FIRST, BROKER_LINK_AGAIN, BROKER_LINK_LOST };

struct broker_link_handlers {
    /* The connection is established: subscribe to everything, with broker_link_subscribe. */
    void (*subscribe)(struct gateway *gateway);
    void (*message)(struct gateway *gateway, const struct broker_operation *message);
    /* Whether more can be taken now. If not, reading pauses until broker_link_turn finds that it can. */
    bool (*ready)(struct gateway *gateway);
    /* FIRST, AGAIN: the broker knows all subscriptions, for the first time or once more. LOST: the connection
     * is lost. */
    void (*event)(struct gateway *gateway, enum broker_link_event event);
};

/* `url` must be one that broker_servers_parse accepts; `handlers` are static. Starts connecting. */
enum status broker_link_create(struct gateway *gateway, struct uv_loop_s *loop, const char *url,
                               const char *name, const struct broker_link_handlers *handlers,
                               struct broker_link **ret_link);

bool broker_link_up(const struct broker_link *link); /* any thread */

/* Does nothing without a connection: the next one subscribes to it. */
void broker_link_subscribe(struct broker_link *link, const char *subject, uint64_t subscription);
void broker_link_unsubscribe(struct broker_link *link, uint64_t subscription);

/* Queues a message for the end of the turn. `reply` may be NULL. The bytes are copied; with `secret` they are
 * wiped once sent. STATUS_DISCONNECTED unless the link is up; STATUS_PAYLOAD_TOO_LARGE for this server;
 * STATUS_FULL if 16 MB wait for the socket; STATUS_NO_MEMORY. */
enum status broker_link_publish(struct broker_link *link, const char *subject, const char *reply,
                                struct slice data, bool secret);

/* The largest body in bytes that the server accepts, as it last stated; 0 before it has. */
size_t broker_link_payload_maximum(const struct broker_link *link);

/* Whether the server has processed every subscription so far. */
bool broker_link_settled(const struct broker_link *link);

/* Calls back as soon as it has, or at once if it already has. STATUS_DISCONNECTED if the connection is lost
 * first or there is none. */
void broker_link_then(struct broker_link *link, link_waiter_fn *function, void *context);

/* Once a turn: writes what waits, and resumes reading if it paused. Whether there is more to read. */
bool broker_link_turn(struct broker_link *link);

void broker_link_stop(struct broker_link *link); /* the loop must turn once more for its handles */
void broker_link_free(struct broker_link *link);

#endif
