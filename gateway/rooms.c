/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * The index is one open-addressing table of pointers with linear probing; removal shifts followers back, so
 * that no tombstones pile up under churn.
 */
#include "rooms.h"

#include <stdlib.h>
#include <string.h>

#include "../common/check.h"
#include "../common/names.h"

#define TABLE_START 64

struct rooms {
    struct room **table;
    size_t size; /* a power of two */
    size_t count;
    uint64_t seed;
    struct room *garbage;
    void (*moved)(struct session *session, struct room *room, uint32_t index);
};

struct rooms *rooms_create(uint64_t seed)
{
    struct rooms *rooms = calloc(1, sizeof(*rooms));
    if (!rooms)
        return NULL;
    rooms->table = calloc(TABLE_START, sizeof(struct room *));
    if (!rooms->table) {
        free(rooms);
        return NULL;
    }
    rooms->size = TABLE_START;
    rooms->seed = seed;
    return rooms;
}

static uint64_t key_hash(const struct rooms *rooms, enum room_kind kind, struct slice key)
{
    return hash64(key.data, key.length, rooms->seed + (uint64_t)kind);
}

/* The place of the key, or the free one where it would go. */
static size_t place(const struct rooms *rooms, enum room_kind kind, struct slice key, uint64_t hash)
{
    size_t i = hash & (rooms->size - 1);
    for (; rooms->table[i]; i = (i + 1) & (rooms->size - 1)) {
        const struct room *room = rooms->table[i];
        if (room->hash == hash && room->kind == (uint8_t)kind && slice_equal(room_key(room), key))
            break;
    }
    return i;
}

static void put(struct rooms *rooms, struct room *room)
{
    size_t i = room->hash & (rooms->size - 1);
    while (rooms->table[i])
        i = (i + 1) & (rooms->size - 1);
    rooms->table[i] = room;
}

static enum status grow_table(struct rooms *rooms)
{
    struct room **old = rooms->table;
    size_t old_size = rooms->size;
    struct room **table = calloc(old_size * 2, sizeof(struct room *));
    if (!table)
        return STATUS_NO_MEMORY;
    rooms->table = table;
    rooms->size = old_size * 2;
    for (size_t i = 0; i < old_size; i++)
        if (old[i])
            put(rooms, old[i]);
    free(old);
    return STATUS_OK;
}

static void remove_from_table(struct rooms *rooms, const struct room *room)
{
    size_t mask = rooms->size - 1;
    size_t hole = room->hash & mask;
    while (rooms->table[hole] != room)
        hole = (hole + 1) & mask;
    for (size_t i = (hole + 1) & mask; rooms->table[i]; i = (i + 1) & mask) {
        size_t home = rooms->table[i]->hash & mask;
        if (((i - home) & mask) >= ((i - hole) & mask)) {
            rooms->table[hole] = rooms->table[i];
            hole = i;
        }
    }
    rooms->table[hole] = NULL;
    rooms->count--;
}

struct room *rooms_find(const struct rooms *rooms, enum room_kind kind, struct slice key)
{
    return rooms->table[place(rooms, kind, key, key_hash(rooms, kind, key))];
}

static struct room *find_or_make(struct rooms *rooms, enum room_kind kind, struct slice key)
{
    uint64_t hash = key_hash(rooms, kind, key);
    size_t at = place(rooms, kind, key, hash);
    if (rooms->table[at])
        return rooms->table[at];
    if (rooms->count * 4 >= rooms->size * 3 && grow_table(rooms) != STATUS_OK)
        return NULL;
    struct room *room = calloc(1, sizeof(*room) + key.length + 1);
    if (!room)
        return NULL;
    room->members = &room->only;
    room->hash = hash;
    room->kind = (uint8_t)kind;
    room->key_length = (uint16_t)key.length;
    if (key.length)
        memcpy(room->key, key.data, key.length);
    put(rooms, room);
    rooms->count++;
    return room;
}

static void mark_garbage(struct rooms *rooms, struct room *room)
{
    if (room->garbage)
        return;
    room->garbage = true;
    room->next_garbage = rooms->garbage;
    rooms->garbage = room;
}

static enum status reserve_member(struct room *room)
{
    if (room->count < (room->capacity ? room->capacity : 1))
        return STATUS_OK;
    uint32_t capacity = room->capacity ? room->capacity * 2 : 4;
    struct session **members = malloc(capacity * sizeof(struct session *));
    if (!members)
        return STATUS_NO_MEMORY;
    memcpy(members, room->members, room->count * sizeof(struct session *));
    if (room->capacity)
        free(room->members);
    room->members = members;
    room->capacity = capacity;
    return STATUS_OK;
}

enum status rooms_join(struct rooms *rooms, enum room_kind kind, struct slice key, struct session *session,
                       struct membership *ret_membership)
{
    struct room *room = find_or_make(rooms, kind, key);
    if (!room)
        return STATUS_NO_MEMORY;
    if (reserve_member(room) != STATUS_OK) {
        if (room->count == 0)
            mark_garbage(rooms, room);
        return STATUS_NO_MEMORY;
    }
    ret_membership->room = room;
    ret_membership->index = room->count;
    room->members[room->count++] = session;
    return STATUS_OK;
}

void rooms_leave(struct rooms *rooms, struct membership *membership)
{
    struct room *room = membership->room;
    uint32_t index = membership->index;
    CHECK(index < room->count);
    struct session *last = room->members[--room->count];
    room->members[index] = last;
    if (index != room->count && rooms->moved)
        rooms->moved(last, room, index);
    membership->room = NULL;
    if (room->count == 0)
        mark_garbage(rooms, room);
}

void rooms_on_move(struct rooms *rooms,
                   void (*moved)(struct session *session, struct room *room, uint32_t index))
{
    rooms->moved = moved;
}

void rooms_pin(struct rooms *rooms, struct room *room, struct user *user)
{
    room->user = user;
    if (!user && room->count == 0)
        mark_garbage(rooms, room);
}

void rooms_collect(struct rooms *rooms)
{
    struct room **link = &rooms->garbage;
    struct room *room;
    while ((room = *link)) {
        if (room->frames) {
            link = &room->next_garbage;
            continue;
        }
        *link = room->next_garbage;
        room->garbage = false;
        if (room->count || room->user)
            continue;
        remove_from_table(rooms, room);
        if (room->capacity)
            free(room->members);
        free(room);
    }
}

void rooms_free(struct rooms *rooms)
{
    if (!rooms)
        return;
    rooms_collect(rooms);
    CHECK(rooms->count == 0);
    free(rooms->table);
    free(rooms);
}

void rooms_each(const struct rooms *rooms, enum room_kind kind,
                void (*callback)(void *context, const struct room *room), void *context)
{
    for (size_t i = 0; i < rooms->size; i++)
        if (rooms->table[i] && rooms->table[i]->kind == (uint8_t)kind && rooms->table[i]->count)
            callback(context, rooms->table[i]);
}

void rooms_each_pinned(const struct rooms *rooms, void (*callback)(void *context, const struct room *room),
                       void *context)
{
    for (size_t i = 0; i < rooms->size; i++)
        if (rooms->table[i] && rooms->table[i]->user)
            callback(context, rooms->table[i]);
}
