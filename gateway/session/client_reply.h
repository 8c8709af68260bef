/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * What a client is told about what it sent, in its session's format. With an id: an ack. Without one, a
 * success is silent, and a refusal is an event named `error` with the data
 *
 *   {"code":"...","message":"...","event":"<what was refused>"[,"retryAfterMs":n]}
 *
 * so that bad input is never silent (Socket.IO: 42["error",{...}]; /ws: {"event":"error","data":{...}}). Of a
 * run of rate-limit refusals only the first is told this way. Loop thread.
 */
#ifndef POLLEN8_GATEWAY_SESSION_CLIENT_REPLY_H
#define POLLEN8_GATEWAY_SESSION_CLIENT_REPLY_H

#include "identity.pb-c.h"

#include "codec/client_frame.h"
#include "common/status.h"

struct gateway;
struct session;

/* Counts the result; closes the session where memory is short. */
void client_reply_client(struct gateway *gateway, struct session *session, struct slice id,
                         struct slice event, const struct client_result *result);

/* A refusal of a frame that did not decode. Where it had no id that could be read, /ws answers with an ack
 * whose id is null; Socket.IO has no such ack and gets the event `error`. Counts the result. */
void client_reply_malformed(struct gateway *gateway, struct session *session, struct slice id,
                            const struct client_result *result);

/* The same without counting it as a client's event: refusals of a connection, of frames before the token. */
void client_reply_write(struct gateway *gateway, struct session *session, struct slice id, struct slice event,
                        const struct client_result *result);

/* What a client is told for what went wrong on the way to the service of an event. A service that is missing
 * is one that the client's permissions name, or else an unknown event; NULL: it is not known whose. */
enum status client_reply_refusal(const Pollen8__Identity *identity, enum status status, struct slice event);

#endif
