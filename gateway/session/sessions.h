/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * The table of all sessions: found by handle or by public id, walked in slices, and flushed in the order in
 * which they got something to write. Loop thread.
 */
#ifndef POLLEN8_GATEWAY_SESSION_SESSIONS_H
#define POLLEN8_GATEWAY_SESSION_SESSIONS_H

#include <stddef.h>
#include <stdint.h>

#include "common/slice.h"
#include "common/status.h"
#include "session/session.h"

struct sessions; /* opaque */

/* NULL when out of memory. */
struct sessions *sessions_create(void);
void sessions_free(struct sessions *sessions);
size_t sessions_count(const struct sessions *sessions);

/* The session of a handle; NULL: it is gone, or has left and opened again. */
struct session *sessions_find(const struct sessions *sessions, uint64_t handle);

/* Makes a public id, which contains the session's place in the table; finds the session that has it, or
 * NULL. */
void sessions_make_id(const struct session *session, char out[SESSION_ID_SIZE]);
struct session *sessions_named(const struct sessions *sessions, struct slice id);

/* The session in slot `index` of `sessions_slots`, or NULL; for walks in slices. */
size_t sessions_slots(const struct sessions *sessions);
struct session *sessions_at(const struct sessions *sessions, size_t index);

/* The session has something to write. Does nothing if it is already marked, or closing. */
void session_mark_dirty(struct gateway *gateway, struct session *session);
/* Flushes the sessions marked, the oldest first, until the turn has taken TURN_WRITES_US; a few in any
 * case. */
void sessions_flush(struct gateway *gateway);
/* How many wait to be flushed; some of them may have closed since. */
size_t sessions_dirty(const struct sessions *sessions);

/* ---- for session.c alone ---- */

/* Gives the session a slot and a handle. STATUS_NO_MEMORY. */
enum status sessions_add(struct sessions *sessions, struct session *session);

/* A new handle: what was in flight for the old one no longer finds the session. */
void sessions_renew(struct sessions *sessions, struct session *session);

/* Takes it out of the table and puts it on the list of the dead. */
void sessions_remove(struct sessions *sessions, struct session *session);

/* Takes one off the list of the dead, for the caller to free; NULL: there is none. */
struct session *sessions_take_removed(struct sessions *sessions);

#endif
