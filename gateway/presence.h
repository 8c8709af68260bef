/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * What others are told about the sessions here: a GatewayHeartbeat (in parts where it is long) on
 * pollen8.session.<gateway> every HEARTBEAT_INTERVAL, and the connections metric every second. Loop thread.
 */
#ifndef POLLEN8_GATEWAY_PRESENCE_H
#define POLLEN8_GATEWAY_PRESENCE_H

#include "../common/status.h"

struct gateway;
struct presence; /* opaque */

/* Starts the timer. */
enum status presence_create(struct gateway *gateway, struct presence **ret_presence);
void presence_free(struct gateway *gateway, struct presence *presence);

#endif
