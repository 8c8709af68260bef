/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * The board: up to BOARD_PLACES frames on their way to the members of their rooms, once each and in order.
 *
 *   place  a frame with a member here gets the next number, one of the places, and its bit in the mask of
 *          every room it is for
 *   walk   these rooms are walked one after the other, in slices; a room is walked again for frames that were
 *          put on the board during its walk
 *   visit  a member gets every frame that was put on the board since its last visit and is for one of its
 *          rooms
 *
 * So a session in several matching industries gets a frame once, without a set. Frames that follow while a
 * large room is walked join the walk in the middle. However fast they come, a visit, and with it a write,
 * carries all of them. A small room (a user's own) does not wait for large ones: its members are visited when
 * the frame is put on the board.
 *
 * A visit queues references; the loop flushes the queues at the end of a turn, as many as its time allows. A
 * turn visits BOARD_VISITS members, less those that still wait to be flushed. So no more are visited than can
 * be written to, and newer frames join the walk instead of waiting in queues. A few are visited in any case,
 * however many others have something to write.
 *
 * Rooms are walked from the last member down. A member that takes a leaver's place has therefore been visited
 * already, and the number in each session keeps it from getting anything twice. A frame leaves the board when
 * every room it is for has been walked from top to bottom since the frame was put there. Loop thread.
 */
#ifndef POLLEN8_GATEWAY_ROOMS_BOARD_H
#define POLLEN8_GATEWAY_ROOMS_BOARD_H

#include <stdbool.h>
#include <stdint.h>

#define BOARD_PLACES 64
#define BOARD_VISITS 256 /* per turn */

struct board; /* opaque */
struct frame;
struct gateway;
struct position;
struct room;
struct session;

/* NULL when out of memory. */
struct board *board_create(void);
void board_free(struct board *board);

/* The session becomes a member: nothing on the board now is for it. Called before it joins its first room. */
void board_enter(const struct board *board, struct session *session);

/* The position before the first frame on the board that the session must still be given, borrowed until the
 * frame leaves the board; NULL: it has been given all of them. */
const struct position *board_before(struct board *board, const struct session *session);

bool board_empty(const struct board *board);

/* Begins a turn: sets how many members it may visit, and frees empty rooms. */
void board_start_turn(struct gateway *gateway);

/* Whether this turn may put another frame on the board. */
bool board_has_room(const struct gateway *gateway);

/* Puts the frame (the reference is taken) on the board for the rooms, each of which has members; a room may
 * be listed more than once. `before` is the position without the frame. There must be room. */
void board_put(struct gateway *gateway, struct frame *frame, const struct position *before,
               struct room *const *listed, uint32_t count);

/* Accounts for other work of this turn that took about the time of one visit. */
void board_spend(struct board *board);

/* Walks a room for as long as this turn may visit members. True if there was a room and the turn may visit
 * more. */
bool board_walk(struct gateway *gateway);

#endif
