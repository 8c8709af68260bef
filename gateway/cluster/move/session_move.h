/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * The room cluster/move/: a session changes its gateway when it upgrades to a WebSocket.
 *
 *   in    a WebSocket here that names a session there (move_in.h); another gateway's request for a session
 *         here (move_out.h)
 *   out   the session here with its queue and rooms, or a closed WebSocket; there a note of where it went
 *
 * This file turns a session, with those in further namespaces that it carries, into a message to another
 * gateway, and makes it from such a message there. Loop thread.
 *
 * The session is in its rooms there before it leaves here. What comes meanwhile waits in its queue there; the
 * position says what it already had here, which is skipped. So nothing is lost, and nothing arrives twice.
 */
#ifndef POLLEN8_GATEWAY_CLUSTER_MOVE_SESSION_MOVE_H
#define POLLEN8_GATEWAY_CLUSTER_MOVE_SESSION_MOVE_H

#include <stdbool.h>
#include <stddef.h>

#include "peer.pb-c.h"

#include "cluster/move/pack_arena.h"
#include "common/status.h"
#include "frame/position.h"

struct gateway;
struct session;

/* How many sessions it carries, itself included. session_move_find: the one of a namespace (empty: "/"), or
 * NULL. */
size_t session_move_size(const struct session *carrier);
struct session *session_move_find(struct session *carrier, const char *namespace);

/* ---- where it is ---- */

/* Whether it can be moved as it is: none of its sessions waits for a verdict. */
bool session_move_ready(const struct session *carrier);

/* Lists the rooms of the sessions that have an identity; the list borrows from session and pack_arena.
 * STATUS_NO_MEMORY. */
enum status session_move_rooms(struct pack_arena *pack_arena, struct session *carrier,
                               Pollen8__SessionRooms ***ret_list, size_t *ret_count);

/* Whether the rooms equal the list. */
bool session_move_rooms_equal(struct session *carrier, Pollen8__SessionRooms *const *list, size_t count);

/* STATUS_NO_MEMORY. */
enum status session_move_pack(struct gateway *gateway, struct pack_arena *pack_arena, struct session *carrier,
                              Pollen8__SessionMove *ret_move);

/* The position of this gateway. */
void session_move_position(const struct gateway *gateway, struct position_message *ret_position);

/* ---- where it comes to ---- */

/* Joins the rooms of the list and leaves all others. STATUS_NOT_FOUND: a namespace is not known here. */
enum status session_move_join(struct gateway *gateway, struct session *carrier,
                              Pollen8__SessionRooms *const *list, size_t count);

/* The session is requested now. */
void session_move_asked(struct session *carrier);

/* Restores it from the message; what has come here meanwhile follows what was queued there. STATUS_MALFORMED,
 * STATUS_NOT_FOUND, STATUS_NO_MEMORY: it is half restored and must be closed. May also close it. */
enum status session_move_unpack(struct gateway *gateway, struct session *carrier,
                                const Pollen8__SessionMove *move);

#endif
