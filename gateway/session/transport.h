/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * What a session needs from its connection: one table of functions per transport, so that a session never
 * knows which one carries it. Loop thread.
 */
#ifndef POLLEN8_GATEWAY_SESSION_TRANSPORT_H
#define POLLEN8_GATEWAY_SESSION_TRANSPORT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/measures.h"
#include "codec/client_frame.h"

struct gateway;
struct session;

struct transport_ops {
    enum gateway_label label; /* in the metric of sessions */

    /* The further namespace of Socket.IO that the session is in; empty, or NULL for none of them: "/". */
    const char *(*namespace)(const struct session *session);

    /* Writes the session's queue, as much as the socket takes, and arranges to be called again for the rest.
     * May close the session. */
    void (*flush)(struct gateway *gateway, struct session *session);

    /* The session is open: tells the client so. `id` is that of its authentication message, or empty. */
    void (*opened)(struct gateway *gateway, struct session *session, struct slice id);

    /* The token was refused: tells the client so, and closes if the protocol demands it. */
    void (*refused)(struct gateway *gateway, struct session *session, struct slice id,
                    const struct client_result *result);

    /* Whether a frame queued now is written at the end of this turn: nothing is stuck, and a socket or a held
     * poll is there to take it. */
    bool (*writable)(const struct session *session);

    /* Puts a heartbeat into the queue. */
    void (*ping)(struct gateway *gateway, struct session *session);

    /* Writes what is queued and closes the session's carrier, which is detached and freed at the end of the
     * turn. code 0: the client is already gone. `text` is static. */
    void (*close)(struct gateway *gateway, struct session *session, uint16_t code, const char *text);

    /* The session is CLOSING and no longer has a transport, for whatever reason: everything that it carried
     * ends with it. NULL: it carries nothing. */
    void (*ended)(struct gateway *gateway, struct session *session);
};

#endif
