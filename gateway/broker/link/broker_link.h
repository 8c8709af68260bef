/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * One connection to the broker, read on the loop thread; what it carries is the owner's (reader.h,
 * requests.h). It connects in the background and for ever (dialer.h). A connection that has died unseen is
 * found by PING, of which two may be unanswered, 15 s apart.
 *
 *   DOWN -> GREETING (until INFO) -> LEARNING (CONNECT, subscriptions and PING sent) -> UP (PONG)
 *
 * Memory: an input buffer that grows to the longest message and shrinks back, and an output buffer. Loop
 * thread, but for broker_link_up.
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
    /* The connection stands: subscribe to everything, by broker_link_subscribe. */
    void (*subscribe)(struct gateway *gateway);
    void (*message)(struct gateway *gateway, const struct broker_operation *message);
    /* Whether more can be taken now; where not, reading waits until broker_link_turn finds it can. */
    bool (*ready)(struct gateway *gateway);
    /* The broker knows all subscriptions, for the first time or again; the connection is lost. */
    void (*event)(struct gateway *gateway, enum broker_link_event event);
};

/* `url` must be one that broker_servers_parse accepts; `handlers` are static. Starts connecting. */
enum status broker_link_create(struct gateway *gateway, struct uv_loop_s *loop, const char *url,
                               const char *name, const struct broker_link_handlers *handlers,
                               struct broker_link **ret_link);

bool broker_link_up(const struct broker_link *link); /* any thread */

/* Nothing where there is no connection: it will be subscribed to when there is one. */
void broker_link_subscribe(struct broker_link *link, const char *subject, uint64_t subscription);
void broker_link_unsubscribe(struct broker_link *link, uint64_t subscription);

/* Queues a message for the end of the turn. `reply` may be NULL. The bytes are copied; with `secret` they are
 * wiped once sent. STATUS_DISCONNECTED unless the link is up; STATUS_PAYLOAD_TOO_LARGE for this server;
 * STATUS_FULL where 16 MB wait for the socket; STATUS_NO_MEMORY. */
enum status broker_link_publish(struct broker_link *link, const char *subject, const char *reply,
                                struct slice data, bool secret);

/* The largest body that the server takes, bytes, as it said last; 0 before it has said so. */
size_t broker_link_payload_maximum(const struct broker_link *link);

/* Whether the server has dealt with every subscription so far. */
bool broker_link_settled(const struct broker_link *link);

/* Calls back once it has: at once where that is so now, with STATUS_DISCONNECTED where the
 * connection is lost before or there is none. */
void broker_link_then(struct broker_link *link, link_waiter_fn *function, void *context);

/* Once a turn: writes what waits, reads on where reading had to wait. Whether there is more to read. */
bool broker_link_turn(struct broker_link *link);

void broker_link_stop(struct broker_link *link); /* the loop must turn once more for its handles */
void broker_link_free(struct broker_link *link);

#endif
