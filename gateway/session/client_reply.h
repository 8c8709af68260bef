/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * Replies to what a client has sent, in its session's format. If it gave an id: an ack. If not, a success is
 * silent, and a refusal is an event named `error` with the data
 *
 *   {"code":"...","message":"...","event":"<what was refused>"[,"retryAfterMs":n]}
 *
 * so that bad input is never silent (Socket.IO: 42["error",{...}]; /ws: {"event":"error","data":{...}}). Of a
 * run of rate-limit refusals only the first is reported this way. Loop thread.
 */
#ifndef POLLEN8_GATEWAY_SESSION_CLIENT_REPLY_H
#define POLLEN8_GATEWAY_SESSION_CLIENT_REPLY_H

#include "identity.pb-c.h"

#include "codec/client_frame.h"
#include "common/status.h"

struct gateway;
struct session;

/* Counts the result; closes the session when out of memory. */
void client_reply_client(struct gateway *gateway, struct session *session, struct slice id,
                         struct slice event, const struct client_result *result);

/* Refuses a frame that did not decode. If it had no readable id, /ws gets an ack whose id is null; Socket.IO
 * has no such ack and gets the event `error`. Counts the result. */
void client_reply_malformed(struct gateway *gateway, struct session *session, struct slice id,
                            const struct client_result *result);

/* The same without counting it as a client's event: refusals of a connection, and of frames before the
 * token. */
void client_reply_write(struct gateway *gateway, struct session *session, struct slice id, struct slice event,
                        const struct client_result *result);

/* The refusal of a request that failed on its way to the service of an event. If there is no such service:
 * STATUS_UNAVAILABLE if the client's permissions name the event, otherwise the event is unknown. `identity`
 * NULL: not known. */
enum status client_reply_refusal(const Pollen8__Identity *identity, enum status status, struct slice event);

#endif
