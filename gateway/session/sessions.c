/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * The table of sessions, and two lists: who has something to write, oldest first, and who was closed in this
 * turn.
 */
#include <stdlib.h>
#include <string.h>

#include "base/gateway.h"
#include "base/slots.h"
#include "common/base64url.h"
#include "common/rng.h"
#include "session/session.h"
#include "session/sessions.h"

#define SLOTS_START 256
#define ID_BYTES    15
#define FLUSHES     8 /* between two looks at the clock */

struct sessions {
    struct slots slots;
    struct session **dirty; /* NULL: it was closed */
    size_t dirty_first;     /* what is before has been flushed */
    size_t dirty_end;
    size_t dirty_capacity;
    struct session *dead;
};

struct sessions *sessions_create(void)
{
    struct sessions *sessions = calloc(1, sizeof(*sessions));
    if (sessions)
        slots_init(&sessions->slots, SLOTS_START, SLOTS_MAXIMUM);
    return sessions;
}

void sessions_free(struct sessions *sessions)
{
    if (!sessions)
        return;
    slots_done(&sessions->slots);
    free(sessions->dirty);
    free(sessions);
}

size_t sessions_count(const struct sessions *sessions)
{
    return sessions->slots.count;
}

size_t sessions_slots(const struct sessions *sessions)
{
    return sessions->slots.used;
}

struct session *sessions_at(const struct sessions *sessions, size_t index)
{
    return slots_at(&sessions->slots, index);
}

struct session *sessions_find(const struct sessions *sessions, uint64_t handle)
{
    return slots_find(&sessions->slots, handle);
}

void sessions_make_id(const struct session *session, char out[SESSION_ID_SIZE])
{
    unsigned char bytes[ID_BYTES];
    uint32_t place = (uint32_t)(session->handle & UINT32_MAX);
    rng_bytes(bytes, sizeof(bytes));
    memcpy(bytes, &place, sizeof(place));
    out[base64url_encode(out, bytes, sizeof(bytes))] = '\0';
}

struct session *sessions_named(const struct sessions *sessions, struct slice id)
{
    unsigned char bytes[ID_BYTES];
    size_t length = 0;
    uint32_t place;
    if (base64url_decode(bytes, sizeof(bytes), id, &length) != STATUS_OK || length != sizeof(bytes))
        return NULL;
    memcpy(&place, bytes, sizeof(place));
    struct session *session = sessions_at(sessions, place);
    return session && slice_equal_string(id, session->id) ? session : NULL;
}

/* A place in the dirty list for each slot, so that marking a session dirty can never fail. */
static enum status reserve_dirty(struct sessions *sessions)
{
    size_t capacity = sessions->slots.capacity;
    if (sessions->dirty_capacity == capacity)
        return STATUS_OK;
    struct session **dirty = realloc(sessions->dirty, capacity * sizeof(struct session *));
    if (!dirty)
        return STATUS_NO_MEMORY;
    sessions->dirty = dirty;
    sessions->dirty_capacity = capacity;
    return STATUS_OK;
}

enum status sessions_add(struct sessions *sessions, struct session *session)
{
    enum status status = slots_reserve(&sessions->slots);
    if (status == STATUS_OK)
        status = reserve_dirty(sessions);
    return status ? status : slots_put(&sessions->slots, session, &session->handle);
}

void sessions_renew(struct sessions *sessions, struct session *session)
{
    session->handle = slots_renew(&sessions->slots, session->handle);
}

void sessions_remove(struct sessions *sessions, struct session *session)
{
    if (session->dirty) {
        sessions->dirty[session->dirty - 1] = NULL;
        session->dirty = 0;
    }
    slots_remove(&sessions->slots, session->handle);
    session->next_dead = sessions->dead;
    sessions->dead = session;
}

static void append_dirty(struct sessions *sessions, struct session *session)
{
    sessions->dirty[sessions->dirty_end++] = session;
    session->dirty = (uint32_t)sessions->dirty_end;
}

/* Moves them to the front, over the places of those flushed or closed: there are as many places as
 * sessions. */
static void close_up(struct sessions *sessions)
{
    size_t from = sessions->dirty_first;
    size_t end = sessions->dirty_end;
    sessions->dirty_first = sessions->dirty_end = 0;
    for (; from < end; from++)
        if (sessions->dirty[from])
            append_dirty(sessions, sessions->dirty[from]);
}

void session_mark_dirty(struct gateway *gateway, struct session *session)
{
    struct sessions *sessions = gateway->sessions;
    if (session->dirty || session->state == SESSION_CLOSING)
        return;
    if (sessions->dirty_end == sessions->dirty_capacity)
        close_up(sessions);
    append_dirty(sessions, session);
}

size_t sessions_dirty(const struct sessions *sessions)
{
    return sessions->dirty_end - sessions->dirty_first;
}

void sessions_flush(struct gateway *gateway)
{
    struct sessions *sessions = gateway->sessions;
    unsigned count = 0;
    /* flushing one may make another dirty: a further namespace makes its carrier dirty */
    while (sessions_dirty(sessions)) {
        struct session *session = sessions->dirty[sessions->dirty_first++];
        if (!session)
            continue;
        session->dirty = 0;
        session->ops->flush(gateway, session);
        if (++count % FLUSHES == 0 && turn_past(gateway, TURN_WRITES_US))
            break;
    }
    if (!sessions_dirty(sessions))
        sessions->dirty_first = sessions->dirty_end = 0;
}

struct session *sessions_take_removed(struct sessions *sessions)
{
    struct session *session = sessions->dead;
    if (session)
        sessions->dead = session->next_dead;
    return session;
}
