/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * Requests of long-polling to sessions here that arrived at another gateway: each is an exchange to its
 * session, as if it had arrived here; its answer goes back as the reply, or, where a poll is held, as a
 * message of its own. Loop thread.
 *
 * Memory: 64 bytes for each that is held, and its exchange. There is at most one poll and one body a session.
 */
#ifndef POLLEN8_GATEWAY_CLUSTER_POLL_HOST_H
#define POLLEN8_GATEWAY_CLUSTER_POLL_HOST_H

#include "peer.pb-c.h"

struct gateway;
struct peer;

/* `reply` is where the reply goes; empty: there is none. */
void poll_host_request(struct gateway *gateway, const Pollen8__RelayedRequest *request, const char *reply);

/* The gateway is gone, and its clients with it: their sessions end. */
void poll_host_lost(struct gateway *gateway, struct peer *peer);

#endif
