/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * Users with a session here, and what that means at the broker: their frames are subscribed to with the first
 * session and given up some time after the last; 3 s after the last the user is said to have left. Loop
 * thread.
 *
 * Memory: a user 96 bytes and its room; where the broker's library reads (reader.h) that has a subscription
 * more.
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

/* A session has joined its user's room: subscribes where it is the first. */
enum status users_enter(struct gateway *gateway, struct room *room);

/* A session has left the room: starts the end of the subscription where it was the last. */
void users_exit(struct gateway *gateway, struct room *room);

/* Notes that the frame of the user's history has come. Whether some before it have not, for the first time
 * since users_forget. */
bool users_missed(struct room *room, const struct delivery *delivery);

/* Whether all before the newest have come by now; takes it that they have. */
bool users_whole(const struct room *room);
void users_forget(struct room *room);

/* The newest number in the user's history that has come; 0: none. */
uint64_t users_newest(const struct room *room);

/* The identity the user's sessions share where `identity` says the same; takes the reference given and
 * returns one. */
struct identity *users_share(struct room *room, struct identity *identity);

/* Subscribes to every user again: the broker has forgotten us. */
void users_renew(struct gateway *gateway);

/* Gives every lingering subscription up at once (the end of the process). */
void users_end(struct gateway *gateway);

#endif
