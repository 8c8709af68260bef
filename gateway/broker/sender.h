/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * The way out to the broker: its own thread, because publishing can block, with a bounded queue in front of
 * it. Everything is done in the order in which it was requested, so that the server knows a subscription
 * before a request that follows it. Called on the loop thread.
 */
#ifndef POLLEN8_GATEWAY_BROKER_SENDER_H
#define POLLEN8_GATEWAY_BROKER_SENDER_H

#include "common/bus/bus.h"
#include "common/wire.h"

struct sender; /* opaque */

/* `maximum` publishes and requests may wait. The bus is borrowed. */
enum status sender_create(struct bus *bus, size_t maximum, struct sender **ret_sender);

/* Finishes what is queued (publishes and requests fail fast if the broker is unreachable), then ends the
 * thread. */
void sender_free(struct sender *sender);

/* A request whose callback is called exactly once, on a thread of the bus or the sender's. STATUS_FULL at the
 * bound, STATUS_NO_MEMORY: then it is never called. The bytes are copied; with `secret` the copy is wiped. */
enum status sender_request(struct sender *sender, const char *subject, struct slice data, bool secret,
                           uint32_t timeout_ms, bus_reply_fn *callback, void *context);

/* `headers` as for bus_publish_with, static strings; may be NULL. */
enum status sender_publish(struct sender *sender, const char *subject, const char *const *headers,
                           struct slice data);

/* The same with a message, packed here. */
enum status sender_publish_message(struct sender *sender, const char *subject, const char *const *headers,
                                   const ProtobufCMessage *message);

/* Runs a function on the sender's thread, in order with the rest. Not subject to the bound (there is at most
 * one for each user and change). STATUS_NO_MEMORY. */
enum status sender_call(struct sender *sender, void (*function)(void *context, struct bus *bus),
                        void *context);

size_t sender_depth(const struct sender *sender); /* any thread */

#endif
