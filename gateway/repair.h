/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * What the gateway as a whole has missed, and gets from the histories before anything newer goes out:
 *
 *   lane        a frame or mark says that another came before it. The frames of that lane in between are
 *               asked for; the one that showed the gap follows them
 *   everywhere  the broker was away, or dropped messages on their way here, or the mailbox was full:
 * everything after the position is asked for user        a user's frame says that others came before it.
 * These are looked for a moment later (two publishers may overtake each other), without holding anything up
 *
 * While one of the first two lasts, no frame is taken from the mailbox. Rooms whose history cannot tell
 * close: their clients come back, and recover or are told that they cannot. Loop thread.
 */
#ifndef POLLEN8_GATEWAY_REPAIR_H
#define POLLEN8_GATEWAY_REPAIR_H

#include <stdbool.h>
#include <stdint.h>

#include "../common/status.h"

struct delivery;
struct gateway;
struct repair; /* opaque */
struct room;

enum status repair_create(struct gateway *gateway, struct repair **ret_repair);
void repair_free(struct gateway *gateway, struct repair *repair);

/* The delivery (taken) shows a gap in its lane. */
void repair_lane(struct gateway *gateway, struct delivery *delivery);

/* Anything may be missing. */
void repair_everywhere(struct gateway *gateway);

/* A frame to the user came that is not the next one. */
void repair_user(struct gateway *gateway, const struct room *room);

/* Whether the frames in the mailbox must wait for an answer. */
bool repair_holds(const struct gateway *gateway);

/* The next one that was missing, or that was held back; NULL: none. The caller's. `ret_in_lane`: the position
 * follows it; else it fills a hole behind it. */
struct delivery *repair_next(struct gateway *gateway, bool *ret_in_lane);

#endif
