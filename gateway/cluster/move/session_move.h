/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * A session, with those in further namespaces that it carries, as a message to another gateway; and made of
 * such a message there. Loop thread.
 *
 * There it is in its rooms before it leaves here: what comes meanwhile waits in its queue, and what it had
 * here already is told by the position and passed over. So nothing is lost, and nothing comes twice.
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

/* How many sessions it carries, itself included; and that of a namespace (empty: "/"), or NULL. */
size_t session_move_size(const struct session *carrier);
struct session *session_move_find(struct session *carrier, const char *name_space);

/* ---- where it is ---- */

/* Whether it can be moved as it is: none of its sessions waits for a verdict. */
bool session_move_ready(const struct session *carrier);

/* The rooms of those that have an identity; the list borrows from session and parcel. STATUS_NO_MEMORY. */
enum status session_move_rooms(struct pack_arena *pack_arena, struct session *carrier,
                               Pollen8__SessionRooms ***ret_list, size_t *ret_count);

/* Whether the list says the same. */
bool session_move_rooms_equal(struct session *carrier, Pollen8__SessionRooms *const *list, size_t count);

/* STATUS_NO_MEMORY. */
enum status session_move_pack(struct gateway *gateway, struct pack_arena *pack_arena, struct session *carrier,
                              Pollen8__SessionMove *ret_move);

/* Where this gateway is. */
void session_move_position(const struct gateway *gateway, struct position_message *ret_position);

/* ---- where it comes to ---- */

/* Into the rooms of the list and out of all others. STATUS_NOT_FOUND: a namespace is not known here. */
enum status session_move_join(struct gateway *gateway, struct session *carrier,
                              Pollen8__SessionRooms *const *list, size_t count);

/* It is asked for now. */
void session_move_asked(struct session *carrier);

/* Makes it what it was, with what has come here meanwhile behind what waited there. STATUS_MALFORMED,
 * STATUS_NOT_FOUND, STATUS_NO_MEMORY: it is half of both, and must be closed. May close it, too. */
enum status session_move_unpack(struct gateway *gateway, struct session *carrier,
                                const Pollen8__SessionMove *move);

#endif
