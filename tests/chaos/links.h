/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * Sessions as a client has them, in either protocol: connects to some gateway, joins, comes back when it is
 * lost and claims its place (Socket.IO: pid and offset; /ws: resume). Says who joined and whether it was
 * recovered, what events and answers came. One thread, one epoll.
 */
#ifndef POLLEN8_CHAOS_LINKS_H
#define POLLEN8_CHAOS_LINKS_H

#include <stdbool.h>
#include <stdint.h>

#include "dice.h"
#include "histogram.h"
#include "ring.h"
#include "ws_client.h"

#define LINK_PID_SIZE    64
#define LINK_OFFSET_SIZE 800  /* an attacker's may be too long */
#define LINK_BUCKETS     4096 /* of 100 ms */

enum link_state { LINK_AWAY, LINK_OPENING, LINK_JOINING, LINK_LIVE };

struct link {
    struct ws_client client; /* first: a link is found from it */
    bool socketio;
    bool keeps_place; /* claims what it had when it comes back */
    bool hostile;     /* what it is told is its own affair */
    bool deaf;        /* reads nothing until it is lost */
    bool joined_before;
    enum link_state state;
    uint32_t gateway;
    uint32_t refusals;  /* gateways that refused in this round */
    uint64_t due_ms;    /* LINK_AWAY: when to try again */
    uint64_t heard_ms;  /* when something came last */
    uint64_t lost_ms;   /* when the connection was lost; 0: live, or never was */
    uint64_t joined_ms; /* when it was live last */
    const char *token;
    const char *namespace; /* of Socket.IO, the caller's; NULL: the one that is everybody's */
    char pid[LINK_PID_SIZE];
    char offset[LINK_OFFSET_SIZE]; /* of the last event that had one */
};

struct link_handlers {
    /* Connected, and about to claim its pid and offset, which may be changed here. NULL: they stay. */
    void (*claims)(void *context, struct link *link);
    /* Live. `recovered` means all it missed has come or comes now. */
    void (*joined)(void *context, struct link *link, bool recovered);
    void (*event)(void *context, struct link *link, struct slice name, struct slice data);
    void (*answer)(void *context, struct link *link, uint32_t id, bool ok, struct slice text);
    void (*lost)(void *context, struct link *link);
    void *context;
};

struct links {
    struct report *report;
    const struct ring *ring;
    struct link_handlers handlers;
    struct ws_client_handlers client_handlers;
    struct link **all; /* the caller's */
    uint32_t count;
    uint32_t source; /* link n connects from 127.0.0.0 + source + n: an address each */
    uint32_t live;
    uint32_t opening;
    int epoll;
    int receive_bytes; /* of the socket's buffer; 0: as it is */
    struct dice dice;
    uint64_t now_ms;
    uint32_t recovered;
    uint32_t unrecovered;
    uint32_t closes_slow; /* 4008 */
    uint32_t evicted;
    struct histogram recovery;
    uint32_t joins[LINK_BUCKETS]; /* by time since the start */
};

/* `all` holds `count` links, zeroed but for token, socketio and keeps_place. false with errno. */
bool links_create(struct links *links, struct link **all, uint32_t count, uint64_t seed);
void links_free(struct links *links);

/* Opens those that are due, and handles what has come, without waiting. */
void links_turn(struct links *links, uint64_t now_ms);

/* An event of the client's, answered under `id`. false: it could not be sent (the link may be lost by it). */
bool link_emit(struct links *links, struct link *link, uint32_t id, const char *name, const char *data);

/* Leaves, and comes back after `back_ms`. */
void link_leave(struct links *links, struct link *link, int64_t back_ms);

/* Reads nothing from now on. */
void link_deafen(struct links *links, struct link *link);

/* All close for good. */
void links_close(struct links *links);

#endif
