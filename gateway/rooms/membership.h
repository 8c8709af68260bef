/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * Which rooms a session is in: everyone, its user, then its industries; the list is allocated for exactly
 * what it holds. Loop thread.
 */
#ifndef POLLEN8_GATEWAY_ROOMS_MEMBERSHIP_H
#define POLLEN8_GATEWAY_ROOMS_MEMBERSHIP_H

#include <stdbool.h>

#include "common/slice.h"
#include "common/status.h"

struct gateway;
struct session;

#define MEMBERSHIP_EVERYONE   0
#define MEMBERSHIP_USER       1
#define MEMBERSHIP_INDUSTRIES 2  /* the first industry */
#define MEMBERSHIP_MAXIMUM    66 /* the two and at most 64 industries */

/* Into everyone, its user and its own industries. All or nothing: STATUS_NO_MEMORY. */
enum status membership_enter(struct gateway *gateway, struct session *session);

/* Out of every room. */
void membership_leave_all(struct gateway *gateway, struct session *session);

/* Into an industry (normalised); STATUS_OK where it is in already, STATUS_FULL at the bound. */
enum status membership_join(struct gateway *gateway, struct session *session, struct slice industry);
void membership_leave(struct gateway *gateway, struct session *session, struct slice industry);

/* The industries it is in, borrowed until it leaves one; returns how many. */
size_t membership_industries(const struct session *session, char *ret_industries[MEMBERSHIP_MAXIMUM]);

/* Whether these are others than its identity's own. */
bool membership_narrowed(const struct session *session);

/* Called by rooms when a member's place changed. */
struct room;
void membership_moved(struct session *session, struct room *room, unsigned index);

#endif
