/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * The room broker/: what the gateway hears, says and asks over NATS.
 *
 *   in    frames, marks and controls that others publish (this file; delivery.h checks them) and the answers
 *         of services (requests.h)
 *   out   deliveries and controls in the mailbox (base/mailbox.h), publishes (sender.h), requests
 *         (requests.h: bytes; service_call.h: messages)
 *
 * This file: what the gateway hears without having asked, that is frames and controls. All of it comes over
 * one connection, in the order in which it was published there, and is passed to a callback. There are two
 * ways:
 *
 *   loop     our own connection, read on the loop thread: no thread is woken for a message, and a user's
 *            subscription costs nothing here. For nats:// servers without a credentials file.
 *   library  the connection of the bus and its delivery thread. For everything else (TLS, credentials).
 *
 * BROKER_READER chooses; `auto` is the first one that is possible. Publishes go over the bus in both ways;
 * for requests see requests.h. Backpressure: the loop reads nothing while half of INBOUND_QUEUE waits. If the
 * broker cannot wait, it ends the connection, which is a gap like any other. Loop thread, except for
 * reader_connected.
 */
#ifndef POLLEN8_GATEWAY_BROKER_READER_H
#define POLLEN8_GATEWAY_BROKER_READER_H

#include <stdbool.h>
#include <stdint.h>

#include "common/bus/bus.h"

struct gateway;
struct reader; /* opaque */
struct uv_loop_s;

enum reader_kind { READER_AUTO, READER_LOOP, READER_LIBRARY }; /* as BROKER_READER's choices */

/* What happens to the connection that frames come over; static. All but the first are called on the loop
 * thread, and only if the loop reads. */
struct reader_events {
    bus_message_fn *user_frame; /* a frame of reader_enter's users; its context is the gateway */
    /* the broker has lost our subscriptions: enter every user again */
    void (*renew)(struct gateway *gateway);
    void (*first)(struct gateway *gateway); /* everything subscribed to is received from now on */
    /* the same after it was lost; frames may arrive before this call */
    void (*again)(struct gateway *gateway);
    void (*lost)(struct gateway *gateway); /* from now on messages are missed */
};

/* After the bus and the sender. `loop` reads our own connection. Connects in the background. STATUS_MALFORMED
 * with one line in `error` if BROKER_READER asks for something that NATS_URL does not allow. */
enum status reader_create(struct gateway *gateway, struct uv_loop_s *loop, const struct reader_events *events,
                          struct reader **ret_reader, char *error, size_t error_size);

/* Subscribes for the life of the process; `subject` and `callback` (its context is the gateway) are static.
 * At most READER_TOPICS of them, before the loop runs. */
#define READER_TOPICS 8
enum status reader_subscribe(struct reader *reader, const char *subject, bus_message_fn *callback);

/* A user's frames. Zeroed to start; embedded in its owner. */
struct reader_feed {
    uint64_t number;      /* of its subscription at the broker; loop */
    struct feed *library; /* owned until reader_leave; library */
};
enum status reader_enter(struct reader *reader, struct slice user, struct reader_feed *feed);
void reader_leave(struct reader *reader, struct reader_feed *feed);

/* A request that the broker is to see after every subscription made so far: it waits until the broker has
 * confirmed them. Otherwise like requests_ask; or, with `large` (for answers that must not be unpacked on the
 * loop), like sender_request. If the connection is lost first, the callback gets STATUS_DISCONNECTED, on the
 * loop thread and perhaps before this returns. */
enum status reader_request(struct reader *reader, const char *subject, struct slice data, bool large,
                           uint32_t timeout_ms, bus_reply_fn *callback, void *context);

/* Whether connections to the broker are read on the loop. */
bool reader_on_loop(const struct reader *reader);

/* Any thread. */
bool reader_connected(const struct reader *reader);

/* Once a turn: sends what was requested during the turn and resumes reading if it paused. Whether there is
 * more. */
bool reader_turn(struct reader *reader);

/* Closes the connection; the loop must turn once more for its handles. Then only reader_free. */
void reader_stop(struct reader *reader);
void reader_free(struct reader *reader);

#endif
