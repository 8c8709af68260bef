/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * What session.c and the table of sessions (sessions.c) owe each other; nobody else includes this. Loop
 * thread.
 */
#ifndef POLLEN8_GATEWAY_SESSION_SESSIONS_H
#define POLLEN8_GATEWAY_SESSION_SESSIONS_H

#include "common/status.h"

struct gateway;
struct session;
struct sessions;

/* Gives the session a slot and a handle. */
enum status sessions_add(struct sessions *sessions, struct session *session);

/* A new handle: what was in flight for the old one no longer finds the session. */
void sessions_renew(struct sessions *sessions, struct session *session);

/* Out of the table and onto the list of the dead, destroyed at the end of the turn. */
void sessions_remove(struct sessions *sessions, struct session *session);

/* Frees a removed session; the one place where its memory dies. */
void session_destroy(struct gateway *gateway, struct session *session);

#endif
