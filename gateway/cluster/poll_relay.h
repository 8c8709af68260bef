/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * Requests of long-polling that arrive here and belong to a session of another gateway: handed there, and
 * answered here with what comes back. What a request is by itself (origin, method, length) is judged where it
 * arrives; what it is to its session (overlap, heartbeat, an end) where that lives. Loop thread.
 *
 * At most RELAYED_REQUESTS at once and RELAYED_BYTES of bodies under way: past either a request is refused
 * with 503, and so it is while the broker is away. Where the session's gateway is gone, or goes while it
 * holds a poll, the client is told at once that its session is unknown, and comes back with a new one.
 *
 * Memory: 144 bytes a request, and its exchange.
 */
#ifndef POLLEN8_GATEWAY_CLUSTER_POLL_RELAY_H
#define POLLEN8_GATEWAY_CLUSTER_POLL_RELAY_H

#include <stdbool.h>

#include "peer.pb-c.h"

#include "common/status.h"
#include "text/sid.h"

struct exchange;
struct gateway;
struct http_answer;
struct peer;
struct poll_relays; /* opaque: all of them */

struct poll_relays *poll_relays_create(void); /* NULL where memory is short */
void poll_relays_free(struct poll_relays *relays);

/* A poll; NULL, or how it is to be refused. */
const struct http_answer *poll_relay_get(struct gateway *gateway, const struct sid *sid,
                                         struct exchange *exchange);

/* A body will come. `unsupported`: its content type ends the session. */
const struct http_answer *poll_relay_post(struct gateway *gateway, const struct sid *sid,
                                          struct exchange *exchange, bool unsupported);

/* The answer to what was held. */
void poll_relay_answered(struct gateway *gateway, const Pollen8__RelayedAnswer *answer);

/* Nothing more comes from this gateway. */
void poll_relay_lost(struct gateway *gateway, struct peer *peer);

/* This gateway is ending: polls that are held elsewhere are answered, so that their clients poll through
 * another one. */
void poll_relays_release(struct gateway *gateway);

#endif
