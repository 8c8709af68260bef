/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * What the gateway as a whole has missed. It is read from the histories before anything newer goes out:
 *
 *   lane        a frame or mark says that another came before it. The frames of that lane in between are
 *               asked for; the one that showed the gap follows them
 *   everywhere  the broker was unreachable, messages were dropped on their way here, or the mailbox was
 *               full: everything after the position is asked for
 *   user        a user's frame says that others came before it. They are asked for a moment later, because
 *               two publishers may overtake each other; nothing is held up meanwhile
 *
 * For example: lane 7 has been taken up to 40, and a frame says that it is 43 and follows 42. 43 is kept
 * back, and lane 7 after 40 is asked for in every room with members. The answers have 41 and 42; they go out,
 * then 43.
 *
 * While one of the first two lasts, no frame is taken from the mailbox. If the history of a room is
 * incomplete, its sessions are closed: their clients reconnect, and recover or learn that they cannot. Loop
 * thread.
 */
#ifndef POLLEN8_GATEWAY_GAPS_GAPS_H
#define POLLEN8_GATEWAY_GAPS_GAPS_H

#include <stdbool.h>
#include <stdint.h>

#include "common/status.h"

struct delivery;
struct gateway;
struct gaps; /* opaque */
struct room;

enum status gaps_create(struct gateway *gateway, struct gaps **ret_gaps);
void gaps_free(struct gateway *gateway, struct gaps *gaps);

/* The delivery (taken) shows a gap in its lane. */
void gaps_lane(struct gateway *gateway, struct delivery *delivery);

/* Anything may be missing. */
void gaps_everywhere(struct gateway *gateway);

/* A frame to the user of the room is not the one that was due. */
void gaps_user(struct gateway *gateway, const struct room *room);

/* Whether the frames in the mailbox must wait for an answer. */
bool gaps_holds(const struct gateway *gateway);

/* The next delivery that was missing, or that was kept back; NULL: none. The caller's. `ret_in_lane`: the
 * position follows it; otherwise it fills a hole behind the position.
 */
struct delivery *gaps_next(struct gateway *gateway, bool *ret_in_lane);

#endif
