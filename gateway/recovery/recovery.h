/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * A client that reconnects and asks for what it missed. Loop thread.
 *
 * Socket.IO: CONNECT {pid, offset, token}. The token is verified as always; then value-svc is asked whose
 * the pid is (which evicts a session that still has it), the session enters the rooms recorded with it, as
 * far as they are permitted now, and reads what came after the offset. If that is complete: CONNECT with the
 * same pid, the missed frames, then the live frames held until then. If not: CONNECT with a new pid, never
 * an error.
 *
 * /ws: the event resume {offset}, first thing after ready: the missed frames, then the event resumed
 * {recovered}.
 *
 * Memory: 224 bytes, until the answer is in.
 */
#ifndef POLLEN8_GATEWAY_RECOVERY_RECOVERY_H
#define POLLEN8_GATEWAY_RECOVERY_RECOVERY_H

#include "common/slice.h"

struct client_frame;
struct gateway;
struct identity;
struct session;

/* Notes what the auth object of a CONNECT packet claims, if anything. Before relay_authenticate. */
void recovery_claim(struct gateway *gateway, struct session *session, struct slice auth);

/* The token was good: recovers what was claimed, or opens. Takes the reference to the identity. `id`: of the
 * client's authentication message. */
void recovery_open(struct gateway *gateway, struct session *session, struct identity *identity,
                   struct slice id);

/* The event resume of an open session of /ws. */
void recovery_resume(struct gateway *gateway, struct session *session, const struct client_frame *frame);

#endif
