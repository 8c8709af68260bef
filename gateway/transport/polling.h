/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * HTTP long-polling as the transport of an Engine.IO session: at most one poll is held and at most one body
 * read at a time, both as exchanges (exchange.h), so that it does not matter where the requests arrived. Loop
 * thread.
 *
 * Memory: 120 bytes, and an exchange for each of the two while it lasts.
 */
#ifndef POLLEN8_GATEWAY_TRANSPORT_POLLING_H
#define POLLEN8_GATEWAY_TRANSPORT_POLLING_H

#include <stdbool.h>
#include <stdint.h>

#include "common/slice.h"
#include "common/status.h"

struct exchange;
struct gateway;
struct client_token;
struct http_answer;
struct session;
struct websocket;

/* Engine.IO's own refusals: 400 and {"code":n,"message":"..."}. */
extern const struct http_answer polling_transport_unknown;
extern const struct http_answer polling_session_unknown;
extern const struct http_answer polling_bad_method;
extern const struct http_answer polling_bad_request;
extern const struct http_answer polling_version;

/* A new client: makes its session, with the open packet waiting for the first poll. The token is taken (it
 * may be empty); token_status says why it cannot be used. STATUS_NO_MEMORY. */
enum status polling_open(struct gateway *gateway, struct client_token *token, enum status token_status,
                         struct session **ret_session);

/* Whether the session is carried by polling; all below is for such sessions only. */
bool polling_carries(const struct session *session);
const char *polling_sid(const struct session *session); /* its key; see sid.h */

/* The poll that is held and the body that is read; NULL: none. */
struct exchange *polling_held(const struct session *session);
struct exchange *polling_reading(const struct session *session);

/* Ends the poll that is held with a noop: the client polls again. */
void polling_release(struct session *session);

/* A poll, answered at once where something waits. NULL, or how it is to be refused: there is one already,
 * which ends the session. */
const struct http_answer *polling_get(struct gateway *gateway, struct session *session,
                                      struct exchange *exchange);

/* A body will come; refused likewise. */
const struct http_answer *polling_post(struct gateway *gateway, struct session *session,
                                       struct exchange *exchange);

/* ---- upgrade; see engineio.h ---- */

/* The WebSocket that is to take over; NULL: none. */
struct websocket *polling_probe(const struct session *session);
void polling_set_probe(struct gateway *gateway, struct session *session, struct websocket *websocket);
void polling_probe_lost(struct gateway *gateway, struct session *session);

/* The session of an upgrade that is on its way has ended. */
typedef void polling_away_ended_fn(struct gateway *gateway, const char *gateway_name, uint64_t id);

/* The WebSocket is at another gateway, which calls the session to be `id`. As polling_set_probe and
 * polling_make_way. `ended` is called if the session ends before it has moved. STATUS_NO_MEMORY,
 * STATUS_NOT_FOUND if the client has closed. */
enum status polling_set_away(struct gateway *gateway, struct session *session, const char *gateway_name,
                             uint64_t id, polling_away_ended_fn *ended);
bool polling_is_away(const struct session *session, const char *gateway_name, uint64_t id);

/* Whether a WebSocket is to take over, here or there. */
bool polling_upgrading(const struct session *session);

/* The probe was answered: polls are ended from now on. */
void polling_make_way(struct gateway *gateway, struct session *session);

/* The session goes on without polling: ends its requests and frees. */
void polling_leave(struct gateway *gateway, struct session *session);

#endif
