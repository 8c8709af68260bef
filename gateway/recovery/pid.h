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

#define PID_MAXIMUM 64 /* bytes of a claimed pid, without the NUL */

/* Makes a pid for a newly opened session. Owned by the caller; NULL when out of memory. */
char *pid_make(const struct session *session);

/* Whether the session may claim this pid. A pid of a different namespace is unknown in this one; otherwise
 * its session, which may be on the same transport, would be evicted. */
bool pid_valid(const struct session *session, const char *pid, size_t length);

#endif
