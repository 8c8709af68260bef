/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * After the broker was away, or frames were dropped on the way here, every session may have missed something:
 * each asks for its snapshot again, evenly over a few seconds, so that value-svc is not flooded. Loop thread.
 */
#ifndef POLLEN8_GATEWAY_RESYNC_H
#define POLLEN8_GATEWAY_RESYNC_H

#include "../common/status.h"

struct gateway;
struct resync; /* opaque */

enum status resync_create(struct gateway *gateway, struct resync **ret_resync);
void resync_free(struct gateway *gateway, struct resync *resync);

#endif
