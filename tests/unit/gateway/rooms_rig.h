/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * Sessions in rooms, and the board, without anything above them: the test receives kept frames and the frames
 * of sessions that catch up.
 */
#ifndef POLLEN8_TESTS_GATEWAY_ROOMS_RIG_H
#define POLLEN8_TESTS_GATEWAY_ROOMS_RIG_H

#include "session_rig.h"

#include "rooms/board.h"
#include "rooms/membership.h"
#include "session/identity.h"

static inline void rooms_rig_start(struct base_rig *rig, const struct session_events *events)
{
    session_rig_start(rig, events);
    rig->gateway.rooms = rooms_create(42);
    rig->gateway.board = board_create();
    assert_non_null(rig->gateway.rooms);
    assert_non_null(rig->gateway.board);
    rooms_on_move(rig->gateway.rooms, membership_moved);
}

static inline void rooms_rig_stop(struct base_rig *rig)
{
    sessions_close_all(&rig->gateway);
    sessions_end_turn(&rig->gateway);
    board_free(rig->gateway.board);
    rooms_free(rig->gateway.rooms);
    session_rig_stop(rig);
}

/* For the `stripped` of the test's events. */
static inline void rooms_rig_stripped(struct gateway *gateway, struct session *session)
{
    membership_leave_all(gateway, session);
}

static inline void rooms_rig_join(struct base_rig *rig, struct session *session, enum room_kind kind,
                                  const char *key)
{
    size_t count = session->membership_count;
    struct membership *list = realloc(session->memberships, (count + 1) * sizeof(*list));

    assert_non_null(list);
    session->memberships = list;
    list[count] = (struct membership){0};
    assert_int_equal(rooms_join(rig->gateway.rooms, kind, slice_from_string(key), session, &list[count]),
                     STATUS_OK);
    session->membership_count++;
}

/* A user with industries (NULL ends the list); the reference belongs to the caller. */
static inline struct identity *rooms_rig_identity(const char *user, const char *const *industries)
{
    Pollen8__Identity message = POLLEN8__IDENTITY__INIT;
    struct identity *identity = NULL;

    message.user_id = (char *)(uintptr_t)user;
    message.role = (char *)(uintptr_t) "user";
    message.industries = (char **)(uintptr_t)industries;
    while (industries && industries[message.n_industries])
        message.n_industries++;
    assert_int_equal(identity_create(&message, &identity), STATUS_OK);
    return identity;
}

/* OPEN, in the rooms of everyone, its user and the industries (NULL ends the list); nothing is subscribed at
 * a broker. */
static inline struct session *rooms_rig_open(struct base_rig *rig, struct client *client, const char *user,
                                             const char *const *industries)
{
    struct session *session = client_connect(rig, client, FRAME_JSON);

    board_enter(rig->gateway.board, session);
    rooms_rig_join(rig, session, ROOM_EVERYONE, "");
    rooms_rig_join(rig, session, ROOM_USER, user);
    for (; industries && *industries; industries++)
        rooms_rig_join(rig, session, ROOM_INDUSTRY, *industries);
    session->identity = rooms_rig_identity(user, NULL);
    session->state = SESSION_OPEN;
    return session;
}

static inline unsigned rooms_rig_members(const struct base_rig *rig, enum room_kind kind, const char *key)
{
    const struct room *room = rooms_find(rig->gateway.rooms, kind, slice_from_string(key));

    return room ? room->count : 0;
}

#endif
