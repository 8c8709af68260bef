/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * What value-svc knows of a session and its user (pollen8.session.open): the snapshot every open session asks
 * for, which also records its pid; whose a claimed pid is; what has changed about the rooms recorded with
 * one. Loop thread.
 */
#ifndef POLLEN8_GATEWAY_RECOVERY_OPENING_H
#define POLLEN8_GATEWAY_RECOVERY_OPENING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/status.h"

struct gateway;
struct session;

/* Asks for the user's current state. Its answer goes to the session, stamped with where the session stands;
 * the first one after it opened anew brings what is kept for the user, too. */
enum status opening_snapshot(struct gateway *gateway, struct session *session);

/* The rooms of the session have changed. Nothing without a pid; a loss is made good by the next snapshot. */
void opening_record(struct gateway *gateway, const struct session *session);

struct recalled {
    enum status status; /* not STATUS_OK: value-svc did not answer */
    bool known;         /* the pid is this user's; a session that has it is being closed */
    bool narrowed;      /* it was in these industries, else in those of its identity */
    size_t count;
    char **industries;
};

typedef void opening_fn(struct gateway *gateway, uint64_t handle, const struct recalled *recalled);

/* Asks whose the pid is. `done` is called once, later; a failure: never. */
enum status opening_claim(struct gateway *gateway, const struct session *session, const char *user,
                          const char *pid, opening_fn *done);

#endif
