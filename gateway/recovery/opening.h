/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * How a session opens, and what value-svc knows about it and its user (pollen8.session.open). Every open
 * session asks for a snapshot, which also records its pid. A claimed pid is checked. Changes of the rooms
 * recorded with a pid are reported. Loop thread.
 */
#ifndef POLLEN8_GATEWAY_RECOVERY_OPENING_H
#define POLLEN8_GATEWAY_RECOVERY_OPENING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/slice.h"
#include "common/status.h"

struct gateway;
struct identity;
struct session;

/* The token was good. AUTHENTICATING -> OPEN, or the transport's reaction to a refusal. Takes the reference
 * to the identity. `id`: of the client's authentication message, may be empty. */
void opening_anew(struct gateway *gateway, struct session *session, struct identity *identity,
                  struct slice id);

/* RECOVERING -> OPEN, with the pid that the client claimed (taken); NULL: with a new pid, like any other
 * session. On failure the session must be closed. */
enum status opening_recovered(struct gateway *gateway, struct session *session, char *pid);

/* snapshot_ms has come: asks value-svc for the user's current state. */
void opening_due(struct gateway *gateway, struct session *session);

/* The rooms of the session have changed: records them. Does nothing without a pid; the next snapshot makes up
 * for a lost message. */
void opening_record(struct gateway *gateway, const struct session *session);

struct opening_claimed {
    enum status status; /* not STATUS_OK: value-svc did not answer */
    bool known;         /* the pid is this user's; a session that still has it is being closed */
    bool narrowed;      /* it was in these industries only; else in those of its identity */
    size_t count;
    char **industries;
};

typedef void opening_fn(struct gateway *gateway, uint64_t handle, const struct opening_claimed *claimed);

/* Asks who owns the pid. `done` is called once, later; never if this fails. */
enum status opening_claim(struct gateway *gateway, const struct session *session, const char *user,
                          const char *pid, opening_fn *done);

#endif
