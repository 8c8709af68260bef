/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * Rooms of the bare-C server: name → dense list of sockets. A socket is in at most two: its industry and its
 * user. One thread; a lost allocation ends the program: it is a yardstick, not a server.
 */
#ifndef POLLEN8_BENCH_LIMIT_ROOMS_H
#define POLLEN8_BENCH_LIMIT_ROOMS_H

#include <stdbool.h>
#include <stddef.h>

#define ROOMS_A_SOCKET 2

struct room {
    char name[48];
    int *sockets; /* owned, dense */
    size_t count;
    size_t capacity;
    char *waiting; /* owned: frames gathered until the end of the turn */
    size_t waiting_length;
    size_t waiting_capacity;
    struct room *next;
};

/* NULL where there is none and it is not to be made (or its name is too long). */
struct room *room_find(const char *name, size_t length, bool make);

void room_join(struct room *room, int socket);
bool room_joined(int socket);
void room_leave_all(int socket);

/* Adds a text frame with this payload to what waits for the room. */
void room_gather(struct room *room, const char *payload, size_t length);

#endif
