/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * The other gateways that this one has something open with: polls of sessions there that are held here, and
 * polls of sessions here that are held there. Every second each gateway that holds something for us is asked
 * whether it lives; one that is gone, was started anew, does not reply for two seconds, or has sent an answer
 * that never came is lost: all that was open with it ends at once. So is one that held polls for clients of
 * its own and no longer asks. When the connection to the broker breaks all are lost.
 *
 * Loop thread. Memory: about 160 bytes a gateway.
 */
#ifndef POLLEN8_GATEWAY_CLUSTER_PEERS_H
#define POLLEN8_GATEWAY_CLUSTER_PEERS_H

#include <stdbool.h>
#include <stdint.h>

#include "peer.pb-c.h"

#include "common/slice.h"
#include "common/status.h"
#include "text/sid.h"

struct gateway;
struct hosted;
struct peers; /* opaque */

struct peer {
    struct peer *next;
    uint64_t instance;
    uint64_t taken;        /* answers of its sessions that came as messages of their own */
    uint64_t sent;         /* the same, of our sessions, to it */
    uint64_t heard_ms;     /* when it last asked whether we live, or for anything */
    uint32_t open;         /* what ends where it is lost: polls held there for clients here, moves */
    struct hosted *hosted; /* polls held here for clients there; see poll_host.c */
    uint8_t unanswered;    /* pings in a row */
    bool pinging;
    char name[SID_GATEWAY_MAXIMUM + 1];
};

enum status peers_create(struct gateway *gateway, struct peers **ret_peers);
void peers_free(struct gateway *gateway, struct peers *peers);

/* The gateway of that name in that instance; where another one was known it is lost. NULL where memory is
 * short or the name is none. Lives while anything is open. */
struct peer *peers_get(struct gateway *gateway, const char *name, uint64_t instance);

void peers_pinged(struct gateway *gateway, const Pollen8__PeerPing *ping, const char *reply);

/* The connection to the broker broke, or messages were dropped on the way. Any thread. */
void peers_broken(struct gateway *gateway);

#endif
