/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * The room cluster/: what this gateway does for and with the other gateways.
 *
 *   in    requests of long-polling and replies to events whose session is at another gateway; messages of the
 *         other gateways
 *   out   the same, sent to the gateway of the session; the answers that come back; ended polls and sessions
 *         if a gateway is lost
 *
 * This file knows the gateways that this one has something open with: polls of sessions there that are held
 * here, and polls of sessions here that are held there. Every second, each gateway that holds something for
 * us is asked whether it is alive. A gateway is lost if it is gone, was restarted, does not reply for two
 * seconds, or sent an answer that never arrived: everything pending with it is ended at once. So is a gateway
 * that held polls for its own clients and no longer asks. When the connection to the broker breaks, all are
 * lost.
 *
 * Loop thread. Memory: about 160 bytes per gateway.
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
    uint64_t taken;        /* answers of its sessions that came as separate messages */
    uint64_t sent;         /* the same for our sessions, sent to it */
    uint64_t heard_ms;     /* when it last asked whether we are alive, or for anything */
    uint32_t open;         /* what ends if it is lost: polls held there for clients here, moves */
    struct hosted *hosted; /* polls held here for clients there; see poll_host.c */
    uint8_t unanswered;    /* pings in a row */
    bool pinging;
    char name[SID_GATEWAY_MAXIMUM + 1];
};

enum status peers_create(struct gateway *gateway, struct peers **ret_peers);
void peers_free(struct gateway *gateway, struct peers *peers);

/* Finds the gateway of that name in that instance; a different instance known before is lost. NULL when out
 * of memory or if the name is invalid. Valid while anything is open. */
struct peer *peers_get(struct gateway *gateway, const char *name, uint64_t instance);

void peers_pinged(struct gateway *gateway, const Pollen8__PeerPing *ping, const char *reply);

/* The connection to the broker broke, or messages were dropped on the way. Any thread. */
void peers_broken(struct gateway *gateway);

#endif
