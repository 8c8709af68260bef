/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * What a session that caught up, or came from another gateway, has had: everything at or before
 * catchup->claim, whatever has come to this gateway by now. It was away from the broker, perhaps, while the
 * client was elsewhere: what it is given late is not given again, and no offset sends the client back. Loop
 * thread.
 */
#ifndef POLLEN8_GATEWAY_RECOVERY_CATCHUP_FLOOR_H
#define POLLEN8_GATEWAY_RECOVERY_CATCHUP_FLOOR_H

#include <stdbool.h>

#define FLOOR_BEHIND_MS 5000 /* a lane that lives is heard once a second */

struct catchup;
struct frame;
struct gateway;

/* From now on the session has had everything at or before the claim, more perhaps than this gateway. */
void catchup_floor_stand(struct gateway *gateway, struct catchup *catchup);

/* Whether offsets made here are beyond the claim, or need not be any more: until then the session needs its
 * catchup. */
bool catchup_floor_check(struct gateway *gateway, struct catchup *catchup);

/* Whether the session has had the frame, now or when it was published first. */
bool catchup_floor_had(const struct catchup *catchup, const struct frame *frame);

/* The frame, or one of the session's own with an offset that is not before the claim. A reference of the
 * caller's. */
struct frame *catchup_floor_offset(struct gateway *gateway, struct catchup *catchup, struct frame *frame);

#endif
