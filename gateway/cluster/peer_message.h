/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * Messages to one gateway alone, from other gateways and from value-svc: a GatewayMessage on
 * pollen8.gw.<gateway>, told, or asked for a reply that is one too. Everything from one gateway to another,
 * replies included, comes in the order it was sent, in a lane of its own, so that it does not wait behind
 * frames.
 *
 *   loop: packed -> sender ~> bus ~> the other gateway: unpacked (delivery thread) -> mailbox -> loop
 *
 * This file carries messages and knows none of them: peer_inbox.c acts on those that come unasked. One that
 * has to wait until everything published before it has been delivered here comes again in the lane of frames,
 * and is acted on when the board (board.h) is empty.
 *
 * Loop thread.
 */
#ifndef POLLEN8_GATEWAY_CLUSTER_PEER_MESSAGE_H
#define POLLEN8_GATEWAY_CLUSTER_PEER_MESSAGE_H

#include <stdbool.h>
#include <stdint.h>

#include "peer.pb-c.h"

#include "common/status.h"

#define PEER_REPLY_MS 3000 /* a gateway that has not replied by then is taken for dead */

struct gateway;
struct peer;

/* How much of what was published before a message has been delivered here. */
enum peer_stage {
    PEER_FIRST,    /* not known yet: the message has just come */
    PEER_SETTLED,  /* all of it */
    PEER_UNSETTLED /* that cannot be known */
};

/* What is done about other gateways: one table, gateway->peer_events, filled in peer_inbox.c. */
struct peer_events {
    /* A message that came unasked. `reply` is the subject of its reply, empty: none is wanted. True: it is to
     * come again, SETTLED or UNSETTLED.
     */
    bool (*message)(struct gateway *gateway, const Pollen8__GatewayMessage *message, const char *reply,
                    enum peer_stage stage);

    /* Nothing more comes from the gateway: what it holds for clients here ends. */
    void (*lost)(struct gateway *gateway, struct peer *peer);

    /* Its clients are gone: what is held here for them ends. */
    void (*clients_lost)(struct gateway *gateway, struct peer *peer);
};

/* `reply` is NULL unless status is STATUS_OK; STATUS_NO_RESPONDERS: there is no such gateway (any more).
 * `id` is what was given to peer_message_ask. Loop thread. */
typedef void peer_message_reply_fn(struct gateway *gateway, uint64_t id, enum status status,
                                   const Pollen8__GatewayMessage *reply);

/* Every ask that is accepted is answered, once. STATUS_FULL, STATUS_NO_MEMORY. `gateway_name` is one token.
 * With `after_subscriptions` the broker knows every subscription made so far before it sees the message. */
enum status peer_message_ask(struct gateway *gateway, const char *gateway_name,
                             const Pollen8__GatewayMessage *message, bool after_subscriptions,
                             peer_message_reply_fn *answered, uint64_t id);
enum status peer_message_tell(struct gateway *gateway, const char *gateway_name,
                              const Pollen8__GatewayMessage *message);

/* The reply to a message, by its subject of replies. */
enum status peer_message_reply(struct gateway *gateway, const char *subject,
                               const Pollen8__GatewayMessage *message);

/* Listens until the bus goes. */
enum status peer_message_subscribe(struct gateway *gateway);

/* A share of what waits; whether there is more. */
bool peer_message_run(struct gateway *gateway);

#endif
