/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * The rooms of a session and of those it carries: listed on one side, joined on the other.
 */
#include "cluster/move/session_move.h"

#include <string.h>

#include "base/gateway.h"
#include "base/namespace_list.h"
#include "recovery/catchup.h"
#include "recovery/catchup_read.h"
#include "rooms/membership.h"
#include "session/identity.h"
#include "session/session.h"
#include "transport/namespace.h"

size_t session_move_size(const struct session *carrier)
{
    size_t count = 0;
    for (const struct session *one = carrier; one; one = namespace_next(carrier, one))
        count++;
    return count;
}

bool session_move_ready(const struct session *carrier)
{
    for (const struct session *one = carrier; one; one = namespace_next(carrier, one))
        if ((one->state != SESSION_OPEN && one->state != SESSION_CONNECTED) || !catchup_movable(one))
            return false;
    return true;
}

/* ---- rooms -------------------------------------------------------------------------------------------- */

static enum status fill_rooms(struct pack_arena *pack_arena, const struct session *session,
                              Pollen8__SessionRooms *rooms)
{
    size_t count = (size_t)session->membership_count - MEMBERSHIP_INDUSTRIES;
    pollen8__session_rooms__init(rooms);
    rooms->name_space = (char *)(uintptr_t)session_namespace_text(session);
    rooms->identity = &session->identity->message;
    rooms->industries = pack_arena_take(pack_arena, (count + 1) * sizeof(char *));
    if (!rooms->industries)
        return STATUS_NO_MEMORY;
    for (size_t i = 0; i < count; i++) {
        struct slice key = room_key(session->memberships[MEMBERSHIP_INDUSTRIES + i].room);
        char *copy = pack_arena_take(pack_arena, key.length + 1);
        if (!copy)
            return STATUS_NO_MEMORY;
        memcpy(copy, key.data, key.length);
        rooms->industries[rooms->n_industries++] = copy;
    }
    return STATUS_OK;
}

enum status session_move_rooms(struct pack_arena *pack_arena, struct session *carrier,
                               Pollen8__SessionRooms ***ret_list, size_t *ret_count)
{
    Pollen8__SessionRooms **list = (Pollen8__SessionRooms **)pack_arena_take_list(
        pack_arena, session_move_size(carrier), sizeof(Pollen8__SessionRooms));
    size_t count = 0;
    enum status status = list ? STATUS_OK : STATUS_NO_MEMORY;
    for (const struct session *one = carrier; status == STATUS_OK && one; one = namespace_next(carrier, one))
        if (one->state == SESSION_OPEN)
            status = fill_rooms(pack_arena, one, list[count++]);
    if (status != STATUS_OK)
        return status;
    *ret_list = list;
    *ret_count = count;
    return STATUS_OK;
}

struct session *session_move_find(struct session *carrier, const char *namespace)
{
    return namespace_find(carrier, namespace[0] ? slice_from_string(namespace) : SLICE_LITERAL("/"));
}

static bool listed(const Pollen8__SessionRooms *rooms, struct slice industry)
{
    for (size_t i = 0; i < rooms->n_industries; i++)
        if (slice_equal_string(industry, rooms->industries[i]))
            return true;
    return false;
}

static bool same_identity(const struct identity *identity, const Pollen8__Identity *message)
{
    struct identity *other = NULL;
    if (!message || identity_create(message, &other) != STATUS_OK)
        return false;
    bool same = identity_equal(identity, other);
    identity_unref(other);
    return same;
}

static bool rooms_equal(const struct session *session, const Pollen8__SessionRooms *rooms)
{
    if (!session || session->state != SESSION_OPEN || !same_identity(session->identity, rooms->identity) ||
        rooms->n_industries + MEMBERSHIP_INDUSTRIES != session->membership_count)
        return false;
    for (int i = MEMBERSHIP_INDUSTRIES; i < session->membership_count; i++)
        if (!listed(rooms, room_key(session->memberships[i].room)))
            return false;
    return true;
}

bool session_move_rooms_equal(struct session *carrier, Pollen8__SessionRooms *const *list, size_t count)
{
    size_t open = 0;
    for (const struct session *one = carrier; one; one = namespace_next(carrier, one))
        open += one->state == SESSION_OPEN;
    for (size_t i = 0; i < count; i++)
        if (!rooms_equal(session_move_find(carrier, list[i]->name_space), list[i]))
            return false;
    return open == count;
}

/* ---- in: rooms ---------------------------------------------------------------------------------------- */

static enum status take_identity(struct gateway *gateway, struct session *session,
                                 const Pollen8__Identity *message)
{
    struct identity *identity = NULL;
    if (session->state == SESSION_OPEN && same_identity(session->identity, message))
        return STATUS_OK;
    enum status status = message ? identity_create(message, &identity) : STATUS_MALFORMED;
    if (status != STATUS_OK)
        return status;
    if (session->state == SESSION_CONNECTED) {
        status = membership_arrive(gateway, session, identity);
        return status ? status : catchup_arriving(session);
    }
    status = membership_replace_identity(gateway, session, identity);
    identity_unref(identity);
    return status;
}

static enum status join(struct gateway *gateway, struct session *session, const Pollen8__SessionRooms *rooms)
{
    enum status status = take_identity(gateway, session, rooms->identity);
    if (status != STATUS_OK)
        return status;
    for (int i = session->membership_count - 1; i >= MEMBERSHIP_INDUSTRIES; i--)
        if (!listed(rooms, room_key(session->memberships[i].room)))
            membership_leave(gateway, session, room_key(session->memberships[i].room));
    for (size_t i = 0; status == STATUS_OK && i < rooms->n_industries; i++)
        status = membership_join(gateway, session, slice_from_string(rooms->industries[i]));
    return status;
}

static enum status session_of(struct gateway *gateway, struct session *carrier, const char *name,
                              struct session **ret_session)
{
    *ret_session = session_move_find(carrier, name);
    if (*ret_session)
        return STATUS_OK;
    int index = namespace_list_index(gateway->settings->namespaces, slice_from_string(name));
    return index < 0 ? STATUS_NOT_FOUND
                     : namespace_open(gateway, carrier, index, slice_from_string(name), ret_session);
}

enum status session_move_join(struct gateway *gateway, struct session *carrier,
                              Pollen8__SessionRooms *const *list, size_t count)
{
    enum status status = STATUS_OK;
    for (size_t i = 0; status == STATUS_OK && i < count; i++) {
        struct session *session = NULL;
        status = session_of(gateway, carrier, list[i]->name_space, &session);
        if (status == STATUS_OK)
            status = join(gateway, session, list[i]);
    }
    return status;
}
