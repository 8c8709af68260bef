/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * What other services learn about the sessions here: on pollen8.session.<gateway> a GatewayHeartbeat every
 * HEARTBEAT_INTERVAL (in parts if it is long), and SessionsEnded for the pids of ended sessions; and the
 * connections metric whenever it is scraped. Loop thread, except presence_refresh. Users that have left:
 * users.h.
 */
#ifndef POLLEN8_GATEWAY_PRESENCE_H
#define POLLEN8_GATEWAY_PRESENCE_H

#include <stdbool.h>

#include "common/slice.h"
#include "common/status.h"

struct gateway;
struct presence; /* opaque */
struct session;

/* Starts the timer. */
enum status presence_create(struct gateway *gateway, struct presence **ret_presence);

/* Has the loop update the connections metric; waits for it, at most REFRESH_WAIT_MS. Any other thread. */
void presence_refresh(struct presence *presence);

/* The session ends here. If value-svc knows it by a pid, its end is reported, together with others that end
 * within a second; the pid's lease makes up for a lost message. */
void presence_ended(struct gateway *gateway, const struct session *session);

/* The gateway ends: its numbers are removed at once, not when its last heartbeat expires. */
void presence_end(struct gateway *gateway);

/* Once per turn: does what presence_refresh requested, and a slice of the heartbeat in progress. Returns
 * whether there is more of it. */
bool presence_turn(struct gateway *gateway);

void presence_free(struct gateway *gateway, struct presence *presence);

#endif
