/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * How session.c puts sessions into the table of all (sessions.c) and takes them out; nobody else includes
 * this. Loop thread.
 */
#ifndef POLLEN8_GATEWAY_SESSION_SESSIONS_H
#define POLLEN8_GATEWAY_SESSION_SESSIONS_H

#include "common/status.h"

struct session;
struct sessions;

/* Gives the session a slot and a handle. */
enum status sessions_add(struct sessions *sessions, struct session *session);

/* A new handle: what was in flight for the old one no longer finds the session. */
void sessions_renew(struct sessions *sessions, struct session *session);

/* Out of the table and onto the list of the dead. */
void sessions_remove(struct sessions *sessions, struct session *session);

/* Takes one off the list of the dead, for the caller to free; NULL: there is none. */
struct session *sessions_take_removed(struct sessions *sessions);

#endif
