/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * Events that ask the client for an answer: an OutboundFrame with answer_timeout_ms and a NATS reply subject.
 * Each session it is for is sent the event with a number of its own (Socket.IO: the ack id; /ws: `ask`), and
 * its ClientAnswer goes to the reply subject, exactly once: what the client gave, or an error
 *
 *   UNAVAILABLE      it did not answer in time, or the session has ended
 *   RATE_LIMITED     the session has ASKS_MAXIMUM to answer already; it was not asked
 *   INVALID_PAYLOAD  what it gave is no JSON that services take
 *
 * Such an event is encoded for each session by itself and has no offset: it is never sent again. Loop thread.
 *
 * Memory: about 100 bytes and the reply subject for each answer that is awaited.
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

/* For a frame with `ask`. May close the session. */
void client_ask_send(struct gateway *gateway, struct session *session, const struct frame *frame);

/* The client's answer: the array of what it gave, JSON of valid syntax. False: nothing with this number was
 * asked, or it is too late. Attachments may be NULL. */
bool client_ask_answered(struct gateway *gateway, struct session *session, uint64_t number,
                         struct slice array, const struct attachments *attachments);

/* What is awaited goes with a session that moves to another gateway: each is looked at, and forgotten without
 * a word; there it is awaited anew for what time is left. STATUS_NO_MEMORY. */
void client_asks_each(const struct gateway *gateway, const struct session *session,
                      void (*callback)(void *context, uint64_t number, const char *reply, uint32_t left_ms),
                      void *context);
void client_asks_forget(struct gateway *gateway, struct session *session);
enum status client_ask_resume(struct gateway *gateway, struct session *session, uint64_t number,
                              const char *reply, uint32_t left_ms);

/* The session has ended, or left: nothing is awaited any more. While it has its identity. */
void client_asks_end(struct gateway *gateway, struct session *session);

#endif
