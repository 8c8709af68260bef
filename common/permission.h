/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * The grammar of permissions, judged alike by auth-svc (which grants), gateway (which asks before relaying)
 * and value-svc (which asks about whom):
 *
 *   permission = verb ":" pattern [ "@own" ]     verb = "emit" | "subscribe" | "rate"
 *   pattern    = "*" | name | prefix "*"
 *
 * `emit:connection.new` lets a session emit the event about anyone; with `@own` only about its own user id
 * and its own industries. `subscribe:<industry>` (normalised) beyond the user's own. `rate:none`: no event
 * rate limit. Pure; any thread.
 */
#ifndef POLLEN8_COMMON_PERMISSION_H
#define POLLEN8_COMMON_PERMISSION_H

#include "common/slice.h"

enum permission_scope {
    PERMISSION_NONE = 0,
    PERMISSION_OWN, /* only about itself */
    PERMISSION_ANY
};

/* Whether the text follows the grammar: what ROLES_FILE may hold. */
bool permission_valid(struct slice permission);

/* The widest scope that the `count` permissions give for verb ("emit") and name ("connection.new"). */
enum permission_scope permission_scope(char *const *permissions, size_t count, const char *verb,
                                       struct slice name);

/* Whether some permission names exactly this, without a pattern. */
bool permission_literal(char *const *permissions, size_t count, const char *verb, struct slice name);

#endif
