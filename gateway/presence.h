/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * What others are told about the sessions here: a GatewayHeartbeat (in parts where it is long) on
 * pollen8.session.<gateway> every HEARTBEAT_INTERVAL, and the connections metric whenever it is asked for.
 * Loop thread, but for presence_refresh.
 */
#ifndef POLLEN8_GATEWAY_PRESENCE_H
#define POLLEN8_GATEWAY_PRESENCE_H

#include "../common/status.h"

struct gateway;
struct presence; /* opaque */

/* Starts the timer. */
enum status presence_create(struct gateway *gateway, struct presence **ret_presence);

/* Has the loop bring the connections metric up to date; waits for it, at most REFRESH_WAIT_MS. Any other
 * thread. */
void presence_refresh(struct presence *presence);

/* What presence_refresh asked for is done here, once a turn. */
void presence_turn(struct gateway *gateway);

void presence_free(struct gateway *gateway, struct presence *presence);

#endif
