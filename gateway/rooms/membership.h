/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * Which rooms a session is in, by its identity: everyone, its user, then its industries. The list is
 * allocated for exactly what it holds. Loop thread.
 */
#ifndef POLLEN8_GATEWAY_ROOMS_MEMBERSHIP_H
#define POLLEN8_GATEWAY_ROOMS_MEMBERSHIP_H

#include <stdbool.h>

#include "common/buf.h"
#include "common/slice.h"
#include "common/status.h"
#include "rooms/rooms.h"
#include "session/session.h"

#define MEMBERSHIP_EVERYONE   0
#define MEMBERSHIP_USER       1
#define MEMBERSHIP_INDUSTRIES 2  /* the first industry */
#define MEMBERSHIP_MAXIMUM    66 /* the two and at most 64 industries */

/* Gives the session its identity and enters its rooms: everyone, its user and its own industries. Then the
 * state becomes `state`: OPEN, or RECOVERING, in which the client is sent nothing yet. Takes the reference.
 * All or nothing: STATUS_AUTH_EXPIRED, STATUS_NO_MEMORY, or the broker's reason. */
enum status membership_enter(struct gateway *gateway, struct session *session, struct identity *identity,
                             enum session_state state);

/* CONNECTED -> OPEN: it was open at another gateway. Nothing else happens yet. Takes the reference. */
enum status membership_arrive(struct gateway *gateway, struct session *session, struct identity *identity);

/* Replaces the identity of an open session; its rooms follow. The reference stays the caller's. */
enum status membership_replace_identity(struct gateway *gateway, struct session *session,
                                        struct identity *identity);

/* Leaves every room. */
void membership_leave_all(struct gateway *gateway, struct session *session);

/* Joins an industry (normalised). STATUS_OK if it is in already, STATUS_FULL at the bound. */
enum status membership_join(struct gateway *gateway, struct session *session, struct slice industry);
void membership_leave(struct gateway *gateway, struct session *session, struct slice industry);

/* The industries it is in, borrowed until it leaves one; returns how many. */
size_t membership_industries(const struct session *session, char *ret_industries[MEMBERSHIP_MAXIMUM]);

/* Appends the member "industries":["...",...] of a JSON object. */
enum status membership_append(struct buf *buf, const struct session *session);

/* Whether these differ from its identity's own. */
bool membership_narrowed(const struct session *session);

/* Whether it may be in the industry: one of its own, or permitted. */
bool membership_permitted(const struct session *session, struct slice industry);

/* Called by rooms when a member's place changed. */
void membership_moved(struct session *session, struct room *room, unsigned index);

#endif
