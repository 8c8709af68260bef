/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * After the broker was unreachable, or frames were dropped on the way here, every session may have missed
 * something. Each requests its snapshot again, spread evenly over a few seconds, so that value-svc is not
 * flooded. Loop thread.
 */
#ifndef POLLEN8_GATEWAY_GAPS_RECONNECT_H
#define POLLEN8_GATEWAY_GAPS_RECONNECT_H

#include "common/status.h"

struct gateway;
struct reconnect; /* opaque */

enum status reconnect_create(struct gateway *gateway, struct reconnect **ret_reconnect);
void reconnect_free(struct gateway *gateway, struct reconnect *reconnect);

#endif
