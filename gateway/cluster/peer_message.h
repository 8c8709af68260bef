/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * Messages to one gateway only, from other gateways and from value-svc: a GatewayMessage on
 * pollen8.gw.<gateway>, sent without a reply, or as a request whose reply is a GatewayMessage too. Everything
 * from one gateway to another, replies included, arrives in the order it was sent, in a separate lane, so
 * that it does not wait behind frames.
 *
 *   loop: packed -> sender ~> bus ~> the other gateway: unpacked (delivery thread) -> mailbox -> loop
 *
 * This file carries messages but does not interpret them: peer_inbox.c acts on the unrequested ones. A
 * message that must wait until everything published before it has been delivered here is put into the lane of
 * frames, and is acted on when the board (board.h) is empty.
 *
 * Loop thread.
 */
#ifndef POLLEN8_GATEWAY_CLUSTER_PEER_MESSAGE_H
#define POLLEN8_GATEWAY_CLUSTER_PEER_MESSAGE_H

#include <stdbool.h>
#include <stdint.h>

#include "peer.pb-c.h"

#include "common/status.h"

#define PEER_REPLY_MS 3000 /* a gateway that has not replied by then counts as dead */

struct gateway;
struct peer;

/* How much of what was published before a message has been delivered here. */
enum peer_stage {
    PEER_FIRST,    /* not known yet: the message has just arrived */
    PEER_SETTLED,  /* all of it */
    PEER_UNSETTLED /* it cannot be known */
};

/* What is done about other gateways: one table, gateway->peer_events, filled in peer_inbox.c. */
struct peer_events {
    /* An unrequested message. `reply` is its reply subject; empty: no reply is wanted. True: hand it over
     * again, SETTLED or UNSETTLED. */
    bool (*message)(struct gateway *gateway, const Pollen8__GatewayMessage *message, const char *reply,
                    enum peer_stage stage);

    /* Nothing more comes from the gateway: what it holds for clients here ends. */
    void (*lost)(struct gateway *gateway, struct peer *peer);

    /* Its clients are gone: what is held here for them ends. */
    void (*clients_lost)(struct gateway *gateway, struct peer *peer);
};

/* `reply` is NULL unless status is STATUS_OK; STATUS_NO_RESPONDERS: that gateway does not exist (any more).
 * `id` is what was given to peer_message_ask. Loop thread. */
typedef void peer_message_reply_fn(struct gateway *gateway, uint64_t id, enum status status,
                                   const Pollen8__GatewayMessage *reply);

/* Every accepted request is answered, once. STATUS_FULL, STATUS_NO_MEMORY. `gateway_name` is one token. With
 * `after_subscriptions` the broker knows every subscription made so far before it sees the message. */
enum status peer_message_ask(struct gateway *gateway, const char *gateway_name,
                             const Pollen8__GatewayMessage *message, bool after_subscriptions,
                             peer_message_reply_fn *answered, uint64_t id);
enum status peer_message_tell(struct gateway *gateway, const char *gateway_name,
                              const Pollen8__GatewayMessage *message);

/* Sends the reply to a message, on its reply subject. */
enum status peer_message_reply(struct gateway *gateway, const char *subject,
                               const Pollen8__GatewayMessage *message);

/* Listens until the bus is closed. */
enum status peer_message_subscribe(struct gateway *gateway);

/* Handles a share of the waiting messages; returns whether there are more. */
bool peer_message_run(struct gateway *gateway);

#endif
