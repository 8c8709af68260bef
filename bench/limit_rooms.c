/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * A hash table of rooms, and for each socket where it stands in each of its rooms, so that leaving is a swap
 * with the last.
 */
#include "limit_rooms.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TABLE_SIZE      16384
#define SOCKETS_MAXIMUM 131072

struct place {
    struct room *room;
    size_t index;
};

static struct room *table[TABLE_SIZE];
static struct place places[SOCKETS_MAXIMUM][ROOMS_A_SOCKET];

static void *grown(void *memory, size_t size)
{
    void *larger = realloc(memory, size);

    if (!larger) {
        perror("bench-limit");
        exit(1);
    }
    return larger;
}

struct room *room_find(const char *name, size_t length, bool make)
{
    uint32_t hash = 2166136261U;
    struct room **at;

    for (size_t i = 0; i < length; i++)
        hash = (hash ^ (unsigned char)name[i]) * 16777619U;
    for (at = &table[hash % TABLE_SIZE]; *at; at = &(*at)->next)
        if (strncmp((*at)->name, name, length) == 0 && !(*at)->name[length])
            return *at;
    if (!make || length >= sizeof(*at)->name)
        return NULL;
    *at = grown(NULL, sizeof(**at));
    memset(*at, 0, sizeof(**at));
    memcpy((*at)->name, name, length);
    return *at;
}

void room_join(struct room *room, int socket)
{
    struct place *place = places[socket];

    if (!room || socket >= SOCKETS_MAXIMUM)
        return;
    if (place->room)
        place++;
    if (room->count == room->capacity) {
        room->capacity = room->capacity ? room->capacity * 2 : 1;
        room->sockets = grown(room->sockets, room->capacity * sizeof(*room->sockets));
    }
    *place = (struct place){.room = room, .index = room->count};
    room->sockets[room->count++] = socket;
}

bool room_joined(int socket)
{
    return socket < SOCKETS_MAXIMUM && places[socket][0].room;
}

void room_leave_all(int socket)
{
    for (int i = 0; i < ROOMS_A_SOCKET && socket < SOCKETS_MAXIMUM; i++) {
        struct place *place = &places[socket][i];
        struct room *room = place->room;
        int last;

        if (!room)
            continue;
        last = room->sockets[--room->count];
        room->sockets[place->index] = last;
        for (int k = 0; k < ROOMS_A_SOCKET; k++)
            if (places[last][k].room == room)
                places[last][k].index = place->index;
        place->room = NULL;
    }
}

void room_gather(struct room *room, const char *payload, size_t length)
{
    unsigned char *at;

    if (room->waiting_capacity < room->waiting_length + length + 4) {
        room->waiting_capacity = (room->waiting_length + length + 4) * 2;
        room->waiting = grown(room->waiting, room->waiting_capacity);
    }
    at = (unsigned char *)room->waiting + room->waiting_length;
    *at++ = 0x81; /* a whole text message */
    if (length < 126) {
        *at++ = (unsigned char)length;
    } else {
        *at++ = 126;
        *at++ = (unsigned char)(length >> 8);
        *at++ = (unsigned char)length;
    }
    memcpy(at, payload, length);
    room->waiting_length = (size_t)(at - (unsigned char *)room->waiting) + length;
}
