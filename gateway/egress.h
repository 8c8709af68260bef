/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * Frames from the broker to their members, once each. Up to EGRESS_TRAIN frames are delivered together as a
 * train: each room they are for gets a mask with a bit a frame; every member of these rooms is visited once
 * and given the frames of all its rooms, in order. So a session in several matching industries gets a frame
 * once without any set, and k frames for n members cost n visits.
 *
 * A visit queues references; the loop flushes all queues at the end of a turn. A turn visits at most
 * EGRESS_VISITS members, so that reads, pongs and accepts wait no longer than that takes; the train goes on
 * in the next turn, and no later frame starts before it has ended: order per session is kept.
 *
 * Rooms are walked from the last member down: a member that takes a leaver's place has been visited already,
 * and the number of the train in each session keeps it from being served twice. Loop thread.
 */
#ifndef POLLEN8_GATEWAY_EGRESS_H
#define POLLEN8_GATEWAY_EGRESS_H

#include <stdbool.h>

#define EGRESS_TRAIN  64
#define EGRESS_VISITS 512

struct egress; /* opaque */
struct gateway;
struct position;
struct session;

/* NULL where memory is short. */
struct egress *egress_create(void);
void egress_free(struct egress *egress);

/* Up to where the session has been given what was taken, borrowed until the next call; NULL: there are no
 * offsets.
 */
const struct position *egress_position(struct gateway *gateway, const struct session *session);

/* One turn's share. Returns whether something is left to do. */
bool egress_run(struct gateway *gateway);

#endif
