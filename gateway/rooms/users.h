/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * Users with a session here, and their subscriptions at the broker. The first session subscribes to the
 * user's frames; the subscription ends some time after the last session. 3 s after the last session the user
 * is reported as having left. Loop thread.
 *
 * Memory: 96 bytes per user and its room; plus a subscription if the broker's library reads (reader.h).
 */
#ifndef POLLEN8_GATEWAY_ROOMS_USERS_H
#define POLLEN8_GATEWAY_ROOMS_USERS_H

#include <stdbool.h>
#include <stdint.h>

#include "common/slice.h"
#include "common/status.h"

struct delivery;
struct gateway;
struct identity;
struct room;
struct session;

/* A session has joined its user's room: subscribes if it is the first. */
enum status users_enter(struct gateway *gateway, struct room *room);

/* A session has left the room: starts the end of the subscription if it was the last. */
void users_exit(struct gateway *gateway, struct room *room);

/* Notes that the frame of the user's history has been received. True if earlier ones are missing, for the
 * first time since users_forget. */
bool users_missed(struct room *room, const struct delivery *delivery);

/* Whether everything before the newest number has been received by now. users_forget assumes so from now
 * on. */
bool users_whole(const struct room *room);
void users_forget(struct room *room);

/* The newest received number in the user's history; 0: none. */
uint64_t users_newest(const struct room *room);

/* The identity that the user's sessions share if `identity` is equal to it; takes the reference given and
 * returns one. */
struct identity *users_share(struct room *room, struct identity *identity);

/* Subscribes to every user again: the broker has lost our subscriptions. */
void users_renew(struct gateway *gateway);

/* Ends every lingering subscription at once (the end of the process). */
void users_end(struct gateway *gateway);

#endif
