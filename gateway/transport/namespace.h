/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * Socket.IO's further namespaces (setting NAMESPACES). The session that Engine.IO carries is the client in
 * "/"; in each further namespace the client is another session, whose transport is the first one: with an
 * identity, a sid, rooms and limits of its own, while heartbeat, socket and queue are those of the first.
 * Frames for it go through its own queue into that of the first, with the namespace in front, encoded once
 * per frame and namespace (frame_in_namespace).
 *
 * When the first one ends, so do all that it carries. If the gateway ends one of them (revoked, expired, too
 * slow), the first ends with it: a client never reconnects a namespace that was disconnected, but does so
 * when its transport closes. Loop thread.
 *
 * Memory: a session, and 40 bytes and the name.
 */
#ifndef POLLEN8_GATEWAY_TRANSPORT_NAMESPACE_H
#define POLLEN8_GATEWAY_TRANSPORT_NAMESPACE_H

#include <stdbool.h>

#include "common/slice.h"
#include "common/status.h"

struct gateway;
struct session;

/* The session that carries it; itself if it is no further namespace. NULL: it is closing. */
struct session *namespace_carrier(struct session *session);

/* The session of this name among those `carrier` carries, itself for "/"; NULL. */
struct session *namespace_find(struct session *carrier, struct slice name);

/* The next of those `carrier` carries after `session`, the first of which is itself; NULL. */
struct session *namespace_next(const struct session *carrier, const struct session *session);

/* A session in a further namespace, state CONNECTED. STATUS_NO_MEMORY. */
enum status namespace_open(struct gateway *gateway, struct session *carrier, int index, struct slice name,
                           struct session **ret_session);

/* One has been joined: the carrier need not join "/" any more. */
void namespace_joined(struct gateway *gateway, struct session *session);

/* Whether the carrier has further ones. */
bool namespace_any(const struct session *carrier);

/* The carrier has ended: so does all that it carries. For engineio_handler.ended. */
void namespaces_close(struct gateway *gateway, struct session *carrier);

#endif
