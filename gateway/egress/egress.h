/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * Frames from the broker to their members, once each and in order. A frame that has members boards: it gets
 * the next number and one of EGRESS_BOARD places, and its bit in the mask of every room it is for. These
 * rooms are then walked, one after the other and a room again for what boarded while it was walked. A
 * member that is visited is given all that boarded since its last visit and is for one of its rooms. So
 * a session in several matching industries gets a frame once without any set; while one event is on its way
 * through a large room those that follow join it in the middle, and however fast they come a visit, and with
 * it a write, carries all of them; and what is for few (a user's own) need not wait for large rooms: its
 * members are visited as it boards.
 *
 * A visit queues references; the loop flushes the queues at the end of a turn, as many as its time allows. A
 * turn visits EGRESS_VISITS members less those that still wait to be flushed, so that no more are visited
 * than can be written to: what comes meanwhile joins the walk instead of waiting in queues. A few are visited
 * in any case, however many others have something to write.
 *
 * Rooms are walked from the last member down: a member that takes a leaver's place has been visited already,
 * and the number in each session keeps it from being given anything twice. A frame leaves the board when
 * every room it is for has been walked from top to bottom since it boarded. What is no frame (a control,
 * another gateway's word that a session is to move here) is acted on when the board is empty, so that what
 * came before it has been given. Loop thread.
 */
#ifndef POLLEN8_GATEWAY_EGRESS_EGRESS_H
#define POLLEN8_GATEWAY_EGRESS_EGRESS_H

#include <stdbool.h>

#define EGRESS_BOARD  64
#define EGRESS_VISITS 256

struct egress; /* opaque */
struct gateway;
struct position;
struct session;

/* NULL where memory is short. */
struct egress *egress_create(void);
void egress_free(struct egress *egress);

/* The session becomes a member: what has boarded so far is not for it. Before it joins its first room. */
void egress_enter(struct gateway *gateway, struct session *session);

/* Up to where the session has been given what was taken, borrowed until the next call; NULL: there are no
 * offsets.
 */
const struct position *egress_position(struct gateway *gateway, const struct session *session);

/* One turn's share. Returns whether something is left to do. */
bool egress_run(struct gateway *gateway);

#endif
