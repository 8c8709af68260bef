/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * What others are told about the sessions here: on pollen8.session.<gateway> a GatewayHeartbeat (in parts
 * where it is long) every HEARTBEAT_INTERVAL, a SessionClosed for each user that has left and SessionsEnded
 * for the pids of sessions that have ended, and the connections metric whenever it is asked for. Loop thread,
 * but for presence_refresh.
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

/* Has the loop bring the connections metric up to date; waits for it, at most REFRESH_WAIT_MS. Any other
 * thread. */
void presence_refresh(struct presence *presence);

/* The user's last session here has closed, and none has come since for a while. */
void presence_left(struct gateway *gateway, struct slice user_id);

/* The session ends here. If value-svc knows it by a pid it is told, with others that end within a second; a
 * loss is made good by the pid's lease. */
void presence_ended(struct gateway *gateway, const struct session *session);

/* The gateway ends: its numbers are gone at once, not when its last heartbeat expires. */
void presence_end(struct gateway *gateway);

/* Once a turn: what presence_refresh asked for, and a slice of the heartbeat that is being made. Whether
 * there is more of it. */
bool presence_turn(struct gateway *gateway);

void presence_free(struct gateway *gateway, struct presence *presence);

#endif
