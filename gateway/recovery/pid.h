/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * Private ids, with which a Socket.IO client claims its session after a reconnect. A pid ends with a few
 * characters that stand for its namespace, so that it can be claimed in that namespace alone.
 */
#ifndef POLLEN8_GATEWAY_RECOVERY_PID_H
#define POLLEN8_GATEWAY_RECOVERY_PID_H

#include <stdbool.h>
#include <stddef.h>

struct session;

#define PID_MAXIMUM 64 /* bytes of a pid that is claimed, without the NUL */

/* A pid for a session that opens anew. Owned by the caller; NULL when out of memory. */
char *pid_make(const struct session *session);

/* Whether the session may claim with this text. A pid of a different namespace is unknown in this one: else
 * its session, which may be carried by the same transport, would have to make way. */
bool pid_valid(const struct session *session, const char *pid, size_t length);

#endif
