/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * The events that a session reports to the parts above it, which it does not know: one table for all
 * sessions, filled in main.c. A plain frame does not come through here. Loop thread.
 */
#ifndef POLLEN8_GATEWAY_SESSION_SESSION_EVENTS_H
#define POLLEN8_GATEWAY_SESSION_SESSION_EVENTS_H

#include <stdbool.h>
#include <stdint.h>

#include "common/slice.h"

struct client_result;
struct frame;
struct gateway;
struct session;

struct session_events {
    /* session->snapshot_ms has come; may set the next one. */
    void (*due)(struct gateway *gateway, struct session *session);

    /* A frame from the broker for a session that is catching up, or one that is kept. May close the
     * session. */
    void (*deliver)(struct gateway *gateway, struct session *session, struct frame *frame);

    /* The queue is full, the frame does not fit. False: what the session misses cannot be given to it
     * later. */
    bool (*full)(struct gateway *gateway, struct session *session, const struct frame *frame);

    /* The queue of a session with session->catchup has drained. May close the session. */
    void (*drained)(struct gateway *gateway, struct session *session);

    /* A frame with `ask` is about to be sent. May close the session. */
    void (*ask)(struct gateway *gateway, struct session *session, const struct frame *frame);

    /* The session has left or is closing: everything that its identity gave it ends. It still has its
     * identity, pid and id. */
    void (*stripped)(struct gateway *gateway, struct session *session);

    /* The answer to an event of a session that is no longer here. `handle`: the session's; result->status:
     * that of the request. */
    void (*orphan)(struct gateway *gateway, uint64_t handle, struct slice id, struct slice event,
                   const struct client_result *result);
};

#endif
