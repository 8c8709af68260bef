/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * identity -> not expired? -> rooms joined one by one -> places noted in the session's list -> the session's
 * state
 */
#include "rooms/membership.h"

#include <stdlib.h>

#include "base/gateway.h"
#include "common/check.h"
#include "common/permission.h"
#include "rooms/board.h"
#include "rooms/users.h"
#include "session/identity.h"

static enum status add(struct gateway *gateway, struct session *session, enum room_kind kind,
                       struct slice key)
{
    if (session->membership_count >= MEMBERSHIP_MAXIMUM)
        return STATUS_FULL;
    size_t count = session->membership_count;
    struct membership *list = realloc(session->memberships, (count + 1) * sizeof(*list));
    if (!list)
        return STATUS_NO_MEMORY;
    session->memberships = list;
    list[count] = (struct membership){0};
    enum status status = rooms_join(gateway->rooms, kind, key, session, &list[count]);
    if (status == STATUS_OK)
        session->membership_count++;
    return status;
}

static int find(const struct session *session, struct slice industry)
{
    for (int i = MEMBERSHIP_INDUSTRIES; i < session->membership_count; i++)
        if (slice_equal(room_key(session->memberships[i].room), industry))
            return i;
    return -1;
}

/* Into everyone, its user and its own industries. All or nothing: STATUS_NO_MEMORY. */
static enum status join_own(struct gateway *gateway, struct session *session)
{
    const Pollen8__Identity *message = &session->identity->message;
    board_enter(gateway->board, session);
    enum status status = add(gateway, session, ROOM_EVERYONE, (struct slice){0});
    if (status == STATUS_OK)
        status = add(gateway, session, ROOM_USER, slice_from_string(message->user_id));
    if (status == STATUS_OK)
        status = users_enter(gateway, session->memberships[MEMBERSHIP_USER].room);
    for (size_t i = 0; status == STATUS_OK && i < message->n_industries; i++)
        status = membership_join(gateway, session, slice_from_string(message->industries[i]));
    if (status != STATUS_OK)
        membership_leave_all(gateway, session);
    return status;
}

enum status membership_enter(struct gateway *gateway, struct session *session, struct identity *identity,
                             enum session_state state)
{
    uint64_t deadline_ms = 0;
    enum status status = identity_deadline(identity, gateway->now_ms, &deadline_ms);
    if (status != STATUS_OK) {
        identity_unref(identity);
        return status;
    }
    session->identity = identity;
    status = join_own(gateway, session);
    if (status != STATUS_OK) {
        identity_unref(session->identity);
        session->identity = NULL;
        return status;
    }
    session->identity = users_share(session->memberships[MEMBERSHIP_USER].room, identity);
    session_enter_state(session, state);
    return STATUS_OK;
}

enum status membership_arrive(struct gateway *gateway, struct session *session, struct identity *identity)
{
    enum status status = membership_enter(gateway, session, identity, SESSION_OPEN);
    if (status == STATUS_OK)
        status = identity_deadline(session->identity, gateway->now_ms, &session->deadline_ms);
    session_rearm(gateway, session);
    return status;
}

enum status membership_replace_identity(struct gateway *gateway, struct session *session,
                                        struct identity *identity)
{
    uint64_t deadline_ms = 0;
    enum status status = identity_deadline(identity, gateway->now_ms, &deadline_ms);
    if (status != STATUS_OK)
        return status;
    for (int i = session->membership_count - 1; i >= MEMBERSHIP_INDUSTRIES; i--)
        membership_leave(gateway, session, room_key(session->memberships[i].room));
    identity_unref(session->identity);
    session->identity = identity_ref(identity);
    for (size_t i = 0; status == STATUS_OK && i < identity->message.n_industries; i++)
        status = membership_join(gateway, session, slice_from_string(identity->message.industries[i]));
    session->deadline_ms = deadline_ms;
    session_rearm(gateway, session);
    return status;
}

void membership_leave_all(struct gateway *gateway, struct session *session)
{
    for (int i = session->membership_count - 1; i >= 0; i--) {
        struct room *room = session->memberships[i].room;
        rooms_leave(gateway->rooms, &session->memberships[i]);
        session->membership_count--;
        if (i == MEMBERSHIP_USER)
            users_exit(gateway, room);
    }
    free(session->memberships);
    session->memberships = NULL;
}

enum status membership_join(struct gateway *gateway, struct session *session, struct slice industry)
{
    return find(session, industry) >= 0 ? STATUS_OK : add(gateway, session, ROOM_INDUSTRY, industry);
}

void membership_leave(struct gateway *gateway, struct session *session, struct slice industry)
{
    int at = find(session, industry);
    if (at < 0)
        return;
    rooms_leave(gateway->rooms, &session->memberships[at]);
    session->memberships[at] = session->memberships[--session->membership_count];
}

void membership_moved(struct session *session, struct room *room, unsigned index)
{
    for (int i = 0; i < session->membership_count; i++) {
        if (session->memberships[i].room == room) {
            session->memberships[i].index = index;
            return;
        }
    }
    CHECK(!"a member without a membership");
}

size_t membership_industries(const struct session *session, char *ret_industries[MEMBERSHIP_MAXIMUM])
{
    size_t count = 0;
    for (unsigned i = MEMBERSHIP_INDUSTRIES; i < session->membership_count; i++)
        ret_industries[count++] = session->memberships[i].room->key;
    return count;
}

enum status membership_append(struct buf *buf, const struct session *session)
{
    enum status status = buf_append_string(buf, "\"industries\":[");
    for (unsigned i = MEMBERSHIP_INDUSTRIES; status == STATUS_OK && i < session->membership_count; i++) {
        if (i > MEMBERSHIP_INDUSTRIES)
            status = buf_append_char(buf, ',');
        if (status == STATUS_OK)
            status = buf_append_json_string(buf, room_key(session->memberships[i].room));
    }
    return status ? status : buf_append_char(buf, ']');
}

bool membership_permitted(const struct session *session, struct slice industry)
{
    const Pollen8__Identity *message = &session->identity->message;
    return identity_has_industry(session->identity, industry) ||
           permission_scope(message->permissions, message->n_permissions, "subscribe", industry) ==
               PERMISSION_ANY;
}

bool membership_narrowed(const struct session *session)
{
    const Pollen8__Identity *message = &session->identity->message;
    for (size_t i = 0; i < message->n_industries; i++)
        if (find(session, slice_from_string(message->industries[i])) < 0)
            return true;
    for (unsigned i = MEMBERSHIP_INDUSTRIES; i < session->membership_count; i++)
        if (!identity_has_industry(session->identity, room_key(session->memberships[i].room)))
            return true;
    return false;
}
