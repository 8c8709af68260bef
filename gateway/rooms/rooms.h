/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * The room rooms/: who is where, and the board from which members are given frames.
 *
 *   in    sessions that enter, leave and change their rooms (membership.h); frames for rooms (board.h); what
 *         the platform says about a user (control.h)
 *   out   frames in the queues of members; subscriptions to users' frames, and reports of users who left
 *         (users.h); sessions closed
 *
 * This file: one room for everyone, one for each industry, one for each user with a session here. Members are
 * a dense array (removal swaps the last one in). A session keeps its places in its membership list, so that
 * delivering a frame needs no lookup by hash. Loop thread.
 *
 * An empty room stays until rooms_collect, and while something on the board is for it.
 *
 * Memory: 72 bytes per room and its key; 8 bytes per member beyond the first; 16 bytes for each membership in
 * the session's own list.
 */
#ifndef POLLEN8_GATEWAY_ROOMS_ROOMS_H
#define POLLEN8_GATEWAY_ROOMS_ROOMS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/slice.h"
#include "common/status.h"
#include "frame/room_kind.h"

struct session;
struct user;

struct room {
    struct session **members; /* &only, or owned */
    struct session *only;
    uint32_t count;
    uint32_t capacity; /* 0: &only */
    uint64_t hash;
    uint64_t frames; /* which frames on the board are for this room; see board.h */
    uint8_t kind;
    bool garbage;      /* on the list of emptied rooms */
    uint32_t reported; /* ROOM_USER: the heartbeat that last reported it; see presence.c */
    struct room *next_garbage;
    struct user *user; /* ROOM_USER: borrowed; keeps the room alive while set */
    uint16_t key_length;
    char key[]; /* NUL-terminated */
};
_Static_assert(sizeof(struct room) <= 72, "stated above");

/* A session's place in a room. */
struct membership {
    struct room *room;
    uint32_t index; /* in room->members */
    uint32_t reserved;
};
_Static_assert(sizeof(struct membership) <= 16, "stated above");

struct rooms; /* opaque */

/* NULL when out of memory. */
struct rooms *rooms_create(uint64_t seed);
void rooms_free(struct rooms *rooms); /* every room must be empty */

/* NULL if there is none. `key` is a normalised industry, a user id, or empty for everyone. */
struct room *rooms_find(const struct rooms *rooms, enum room_kind kind, struct slice key);

/* Adds the session, making the room if necessary. ret_membership is its place there. */
enum status rooms_join(struct rooms *rooms, enum room_kind kind, struct slice key, struct session *session,
                       struct membership *ret_membership);

/* Removes the session. The callback of rooms_on_move hears of the member that takes over its place. */
void rooms_leave(struct rooms *rooms, struct membership *membership);

/* Sets the callback for a member that moved inside a room, so that its membership can be updated. */
void rooms_on_move(struct rooms *rooms,
                   void (*moved)(struct session *session, struct room *room, uint32_t index));

/* Keeps the room for its user, even while it is empty; with NULL it may be freed. */
void rooms_pin(struct rooms *rooms, struct room *room, struct user *user);

/* Frees empty rooms that nothing on the board is for. Not to be called while one is walked. */
void rooms_collect(struct rooms *rooms);

/* Calls back for every room of a kind that has members. */
void rooms_each(const struct rooms *rooms, enum room_kind kind,
                void (*callback)(void *context, const struct room *room), void *context);

/* The same for every room that is kept for a user, even without members. The callback may unpin. */
void rooms_each_pinned(const struct rooms *rooms, void (*callback)(void *context, const struct room *room),
                       void *context);

static inline struct slice room_key(const struct room *room)
{
    return slice_make(room->key, room->key_length);
}

#endif
