/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * The floor: a session that caught up, or came from another gateway, has been given everything at or before
 * catchup->claim, even if this gateway has not come that far itself. A frame that comes late is not given
 * again, and no offset sends the client back.
 *
 * For example: a client claims to have lane 7 up to 40, and history gives it 41 and 42. This gateway has
 * taken lane 7 up to 41 only. When 42 comes live, the session is not given it again. When number 5 of lane 9
 * comes before that, its offset would be {7: 41, 9: 5}; the session is given {7: 42, 9: 5}. Loop thread.
 */
#ifndef POLLEN8_GATEWAY_RECOVERY_CATCHUP_FLOOR_H
#define POLLEN8_GATEWAY_RECOVERY_CATCHUP_FLOOR_H

#include <stdbool.h>

#define FLOOR_BEHIND_MS 5000 /* a live lane is heard once per second */

struct catchup;
struct frame;
struct gateway;

/* Makes the claim the floor: the session has been given everything at or before it, perhaps more than this
 * gateway has taken. */
void catchup_floor_stand(struct gateway *gateway, struct catchup *catchup);

/* Whether offsets made here are past the claim, or need not be any more. Until then the session keeps its
 * catchup. */
bool catchup_floor_check(struct gateway *gateway, struct catchup *catchup);

/* Whether the session has been given the frame, or an earlier publishing of it. */
bool catchup_floor_had(const struct catchup *catchup, const struct frame *frame);

/* The frame, or a copy for this session with an offset that is not before the claim. The caller owns the
 * reference. */
struct frame *catchup_floor_offset(struct gateway *gateway, struct catchup *catchup, struct frame *frame);

#endif
