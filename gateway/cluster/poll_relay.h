/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * Long-polling requests that arrive here and belong to a session of another gateway: handed to it, and
 * answered here with its answer. The request itself (origin, method, length) is checked where it arrives; its
 * meaning for the session (overlap, heartbeat, end) where the session is. Loop thread.
 *
 * At most RELAYED_REQUESTS at once and RELAYED_BYTES of bodies in flight: more are refused with 503, as all
 * are while the broker is unreachable. If the session's gateway is gone, or dies while it holds a poll, the
 * client learns at once that its session is unknown, and reconnects with a new one.
 *
 * Memory: 144 bytes per request, and its exchange.
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

struct poll_relays *poll_relays_create(void); /* NULL when out of memory */
void poll_relays_free(struct poll_relays *relays);

/* Takes a poll; returns NULL, or the refusal to send. */
const struct http_answer *poll_relay_get(struct gateway *gateway, const struct sid *sid,
                                         struct exchange *exchange);

/* Announces a body. `unsupported`: its content type ends the session. */
const struct http_answer *poll_relay_post(struct gateway *gateway, const struct sid *sid,
                                          struct exchange *exchange, bool unsupported);

/* The answer to a held poll. */
void poll_relay_answered(struct gateway *gateway, const Pollen8__RelayedAnswer *answer);

/* Nothing more comes from this gateway. */
void poll_relay_lost(struct gateway *gateway, struct peer *peer);

/* This gateway is ending: polls held elsewhere are answered, so that their clients poll through a different
 * gateway. */
void poll_relays_release(struct gateway *gateway);

#endif
