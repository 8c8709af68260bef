/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * The room recovery/: how sessions open, and how they get what they missed.
 *
 *   in    an accepted token, with or without a claim to an earlier session; the event resume; live frames of
 *         sessions that catch up; a full or drained queue; a session that moves to this gateway
 *   out   an open session with a pid, its snapshot, and the missed and held frames in order; or a closed
 *         session if what it missed cannot be told any more
 *
 * This file is about a client that reconnects and asks for what it missed.
 *
 * Socket.IO: CONNECT {pid, offset, token}. The token is verified as always. Then value-svc is asked who owns
 * the pid (which evicts a session that still has it), the session enters the rooms recorded with the pid, as
 * far as they are permitted now, and reads everything after the offset. If that is complete, the client gets
 * CONNECT with the same pid, the missed frames, then the live frames held until then. If not, it gets CONNECT
 * with a new pid, never an error.
 *
 * /ws: the event resume {offset}, as the first message after ready. The client gets the missed frames, then
 * the event resumed {recovered}.
 *
 * Memory: 224 bytes, until the answer is here. Loop thread.
 */
#ifndef POLLEN8_GATEWAY_RECOVERY_RECOVERY_H
#define POLLEN8_GATEWAY_RECOVERY_RECOVERY_H

#include "common/slice.h"

struct client_frame;
struct gateway;
struct identity;
struct session;

/* Notes what the auth object of a CONNECT packet claims, if anything. Called before relay_authenticate. */
void recovery_claim(struct gateway *gateway, struct session *session, struct slice auth);

/* The token was good: recovers what was claimed, or opens a new session. Takes the reference to the identity.
 * `id`: of the client's authentication message. */
void recovery_open(struct gateway *gateway, struct session *session, struct identity *identity,
                   struct slice id);

/* Handles the event resume of an open session of /ws. */
void recovery_resume(struct gateway *gateway, struct session *session, const struct client_frame *frame);

#endif
