/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * The index is one open-addressing table of pointers per kind, with linear probing. Removal shifts followers
 * back, so that no tombstones pile up under churn.
 */
#include "rooms/rooms.h"

#include <stdlib.h>
#include <string.h>

#include "common/check.h"
#include "common/names.h"

#define TABLE_START 64

struct table {
    struct room **places;
    size_t size; /* a power of two */
    size_t count;
};

struct rooms {
    struct table tables[ROOM_KINDS];
    uint64_t seed;
    struct room *garbage;
    void (*moved)(struct session *session, struct room *room, uint32_t index);
};

struct rooms *rooms_create(uint64_t seed)
{
    struct rooms *rooms = calloc(1, sizeof(*rooms));
    if (!rooms)
        return NULL;
    rooms->seed = seed;
    for (int kind = 0; kind < ROOM_KINDS; kind++) {
        struct table *table = &rooms->tables[kind];
        table->places = calloc(TABLE_START, sizeof(struct room *));
        if (!table->places) {
            rooms_free(rooms);
            return NULL;
        }
        table->size = TABLE_START;
    }
    return rooms;
}

static uint64_t key_hash(const struct rooms *rooms, struct slice key)
{
    return hash64(key.data, key.length, rooms->seed);
}

/* The place of the key, or the free one that it would take. */
static struct room **place(const struct table *table, struct slice key, uint64_t hash)
{
    size_t i = hash & (table->size - 1);
    for (; table->places[i]; i = (i + 1) & (table->size - 1)) {
        const struct room *room = table->places[i];
        if (room->hash == hash && slice_equal(room_key(room), key))
            break;
    }
    return &table->places[i];
}

static void put(struct table *table, struct room *room)
{
    size_t i = room->hash & (table->size - 1);
    while (table->places[i])
        i = (i + 1) & (table->size - 1);
    table->places[i] = room;
}

static enum status grow(struct table *table)
{
    struct room **old = table->places;
    size_t old_size = table->size;
    struct room **places = calloc(old_size * 2, sizeof(struct room *));
    if (!places)
        return STATUS_NO_MEMORY;
    table->places = places;
    table->size = old_size * 2;
    for (size_t i = 0; i < old_size; i++)
        if (old[i])
            put(table, old[i]);
    free(old);
    return STATUS_OK;
}

static void take_out(struct table *table, const struct room *room)
{
    size_t mask = table->size - 1;
    size_t hole = room->hash & mask;
    while (table->places[hole] != room)
        hole = (hole + 1) & mask;
    for (size_t i = (hole + 1) & mask; table->places[i]; i = (i + 1) & mask) {
        size_t home = table->places[i]->hash & mask;
        if (((i - home) & mask) >= ((i - hole) & mask)) {
            table->places[hole] = table->places[i];
            hole = i;
        }
    }
    table->places[hole] = NULL;
    table->count--;
}

struct room *rooms_find(const struct rooms *rooms, enum room_kind kind, struct slice key)
{
    return *place(&rooms->tables[kind], key, key_hash(rooms, key));
}

static struct room *find_or_make(struct rooms *rooms, enum room_kind kind, struct slice key)
{
    struct table *table = &rooms->tables[kind];
    uint64_t hash = key_hash(rooms, key);
    struct room *room = *place(table, key, hash);
    if (room)
        return room;
    if (table->count * 4 >= table->size * 3 && grow(table) != STATUS_OK)
        return NULL;
    room = calloc(1, sizeof(*room) + key.length + 1);
    if (!room)
        return NULL;
    room->members = &room->only;
    room->hash = hash;
    room->kind = (uint8_t)kind;
    room->key_length = (uint16_t)key.length;
    if (key.length)
        memcpy(room->key, key.data, key.length);
    put(table, room);
    table->count++;
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
        take_out(&rooms->tables[room->kind], room);
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
    for (int kind = 0; kind < ROOM_KINDS; kind++) {
        CHECK(rooms->tables[kind].count == 0);
        free(rooms->tables[kind].places);
    }
    free(rooms);
}

void rooms_each(const struct rooms *rooms, enum room_kind kind,
                void (*callback)(void *context, const struct room *room), void *context)
{
    const struct table *table = &rooms->tables[kind];
    for (size_t i = 0; i < table->size; i++)
        if (table->places[i] && table->places[i]->count)
            callback(context, table->places[i]);
}

void rooms_each_pinned(const struct rooms *rooms, void (*callback)(void *context, const struct room *room),
                       void *context)
{
    const struct table *table = &rooms->tables[ROOM_USER];
    for (size_t i = 0; i < table->size; i++)
        if (table->places[i] && table->places[i]->user)
            callback(context, table->places[i]);
}
