/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * Long-polling requests to sessions here that arrived at another gateway. Each is an exchange with its
 * session, as if it had arrived here. Its answer goes back as the reply, or, if a poll is held, as a separate
 * message. Loop thread.
 *
 * Memory: 64 bytes per held request, and its exchange. There is at most one poll and one body per session.
 */
#ifndef POLLEN8_GATEWAY_CLUSTER_POLL_HOST_H
#define POLLEN8_GATEWAY_CLUSTER_POLL_HOST_H

#include "peer.pb-c.h"

struct gateway;
struct peer;

/* `reply` is the reply subject; empty: none. */
void poll_host_request(struct gateway *gateway, const Pollen8__RelayedRequest *request, const char *reply);

/* The gateway is gone, and its clients with it: their sessions end. */
void poll_host_lost(struct gateway *gateway, struct peer *peer);

#endif
