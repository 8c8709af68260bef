/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * The table of sessions: slots reused through a free list, each with a generation, so that a handle kept by
 * something in flight never finds another session. And two lists: who has something to write, oldest first,
 * and who was closed in this turn.
 */
#include <stdlib.h>
#include <string.h>

#include "base/gateway.h"
#include "common/base64url.h"
#include "common/rng.h"
#include "session/session.h"
#include "session/sessions.h"

#define SLOTS_START 256
#define ID_BYTES    15
#define NONE        UINT32_MAX
#define FLUSHES     8 /* between two looks at the clock */

struct slot {
    struct session *session; /* NULL: free */
    uint32_t generation;
    uint32_t next_free;
};

struct sessions {
    struct slot *slots;
    size_t used; /* slots ever used */
    size_t capacity;
    size_t count;
    uint32_t free;
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
        sessions->free = NONE;
    return sessions;
}

void sessions_free(struct sessions *sessions)
{
    if (!sessions)
        return;
    free(sessions->slots);
    free(sessions->dirty);
    free(sessions);
}

size_t sessions_count(const struct sessions *sessions)
{
    return sessions->count;
}

size_t sessions_slots(const struct sessions *sessions)
{
    return sessions->used;
}

struct session *sessions_at(const struct sessions *sessions, size_t index)
{
    return index < sessions->used ? sessions->slots[index].session : NULL;
}

static uint64_t make_handle(size_t index, uint32_t generation)
{
    return (uint64_t)generation << 32 | (uint64_t)index;
}

struct session *sessions_find(const struct sessions *sessions, uint64_t handle)
{
    size_t index = (size_t)(handle & UINT32_MAX);
    if (index >= sessions->used || sessions->slots[index].generation != (uint32_t)(handle >> 32))
        return NULL;
    return sessions->slots[index].session;
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

/* Room for one more session, in the dirty list too: marking one dirty can then never fail. */
static enum status reserve(struct sessions *sessions)
{
    if (sessions->used < sessions->capacity)
        return STATUS_OK;
    size_t capacity = sessions->capacity ? sessions->capacity * 2 : SLOTS_START;
    struct slot *slots = realloc(sessions->slots, capacity * sizeof(*slots));
    if (!slots)
        return STATUS_NO_MEMORY;
    sessions->slots = slots;
    struct session **dirty = realloc(sessions->dirty, capacity * sizeof(struct session *));
    if (!dirty)
        return STATUS_NO_MEMORY;
    sessions->dirty = dirty;
    sessions->dirty_capacity = capacity;
    sessions->capacity = capacity;
    return STATUS_OK;
}

enum status sessions_add(struct sessions *sessions, struct session *session)
{
    size_t index = sessions->free;
    if (sessions->free == NONE) {
        if (reserve(sessions) != STATUS_OK)
            return STATUS_NO_MEMORY;
        index = sessions->used++;
        sessions->slots[index] = (struct slot){0};
    } else {
        sessions->free = sessions->slots[index].next_free;
    }
    struct slot *slot = &sessions->slots[index];
    slot->session = session;
    slot->generation++;
    session->handle = make_handle(index, slot->generation);
    sessions->count++;
    return STATUS_OK;
}

void sessions_renew(struct sessions *sessions, struct session *session)
{
    size_t index = (size_t)(session->handle & UINT32_MAX);
    session->handle = make_handle(index, ++sessions->slots[index].generation);
}

void sessions_remove(struct sessions *sessions, struct session *session)
{
    uint32_t index = (uint32_t)(session->handle & UINT32_MAX);
    struct slot *slot = &sessions->slots[index];
    if (session->dirty) {
        sessions->dirty[session->dirty - 1] = NULL;
        session->dirty = 0;
    }
    slot->session = NULL;
    slot->generation++;
    slot->next_free = sessions->free;
    sessions->free = index;
    sessions->count--;
    session->next_dead = sessions->dead;
    sessions->dead = session;
}

static void append_dirty(struct sessions *sessions, struct session *session)
{
    sessions->dirty[sessions->dirty_end++] = session;
    session->dirty = (uint32_t)sessions->dirty_end;
}

/* To the front, over the places of those flushed and closed: there are as many places as sessions. */
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
    /* One that is flushed may make another dirty: that of a further namespace its carrier. */
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
