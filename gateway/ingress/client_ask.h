/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * Events that ask the client for an answer: an OutboundFrame with answer_timeout_ms and a NATS reply subject.
 * Each receiving session gets the event with a number of its own (Socket.IO: the ack id; /ws: `ask`), and its
 * ClientAnswer goes to the reply subject, exactly once: the client's answer, or an error
 *
 *   UNAVAILABLE      it did not answer in time, or the session has ended
 *   RATE_LIMITED     the session already has ASKS_MAXIMUM unanswered; the client was not asked
 *   INVALID_PAYLOAD  its answer is not JSON that services accept
 *
 * Such an event is encoded for each session separately and has no offset: it is never sent again. Loop
 * thread.
 *
 * Memory: about 100 bytes and the reply subject per awaited answer.
 */
#ifndef POLLEN8_GATEWAY_INGRESS_CLIENT_ASK_H
#define POLLEN8_GATEWAY_INGRESS_CLIENT_ASK_H

#include <stdbool.h>
#include <stdint.h>

#include "codec/attachments.h"
#include "common/slice.h"
#include "common/status.h"

#define ASKS_MAXIMUM 64

struct frame;
struct gateway;
struct session;

/* Sends a frame with `ask`. May close the session. */
void client_ask_send(struct gateway *gateway, struct session *session, const struct frame *frame);

/* Takes the client's answer: an array, JSON of valid syntax. False: this number was not asked, or the answer
 * is too late. Attachments may be NULL. */
bool client_ask_answered(struct gateway *gateway, struct session *session, uint64_t number,
                         struct slice array, const struct attachments *attachments);

/* Awaited answers move with a session to another gateway. client_asks_each lists them. client_asks_forget
 * drops them without an error; the other gateway awaits them again for the time that is left.
 * STATUS_NO_MEMORY. */
void client_asks_each(const struct gateway *gateway, const struct session *session,
                      void (*callback)(void *context, uint64_t number, const char *reply, uint32_t left_ms),
                      void *context);
void client_asks_forget(struct gateway *gateway, struct session *session);
enum status client_ask_resume(struct gateway *gateway, struct session *session, uint64_t number,
                              const char *reply, uint32_t left_ms);

/* The session has ended or moved: its answers are no longer awaited. Called while it has its identity. */
void client_asks_end(struct gateway *gateway, struct session *session);

#endif
