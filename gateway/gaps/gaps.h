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
#ifndef POLLEN8_GATEWAY_GAPS_GAPS_H
#define POLLEN8_GATEWAY_GAPS_GAPS_H

#include <stdbool.h>
#include <stdint.h>

#include "common/status.h"

struct delivery;
struct gateway;
struct gaps; /* opaque */
struct room;

enum status gaps_create(struct gateway *gateway, struct gaps **ret_repair);
void gaps_free(struct gateway *gateway, struct gaps *gaps);

/* The delivery (taken) shows a gap in its lane. */
void gaps_lane(struct gateway *gateway, struct delivery *delivery);

/* Anything may be missing. */
void gaps_everywhere(struct gateway *gateway);

/* A frame to the user came that is not the next one. */
void gaps_user(struct gateway *gateway, const struct room *room);

/* Whether the frames in the mailbox must wait for an answer. */
bool gaps_holds(const struct gateway *gateway);

/* The next one that was missing, or that was held back; NULL: none. The caller's. `ret_in_lane`: the position
 * follows it; else it fills a hole behind it. */
struct delivery *gaps_next(struct gateway *gateway, bool *ret_in_lane);

#endif
