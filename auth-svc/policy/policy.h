/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * The room of permissions: a role's name comes in, its list of permissions (common/permission.h) goes out.
 * The table is built in, or comes from ROLES_FILE instead:
 *
 *   {"roles": {"user": ["emit:value.get"], "service": ["emit:*", "subscribe:*", "rate:none"]}}
 *
 * A role that the table does not name has no permissions. A policy is immutable; a reload makes a new one.
 * Any thread.
 */
#ifndef POLLEN8_AUTH_SVC_POLICY_POLICY_H
#define POLLEN8_AUTH_SVC_POLICY_POLICY_H

#include "common/slice.h"
#include "common/status.h"

#define POLICY_ROLES_MAXIMUM       64
#define POLICY_PERMISSIONS_MAXIMUM 256 /* of one role */

struct policy; /* opaque */

/* `roles_file` NULL or empty: the built-in table. `client_submit` lets the role `user` submit events about
 * itself. STATUS_MALFORMED with one line in `error` that names the file, role and item; STATUS_NO_MEMORY. */
enum status policy_create(const char *roles_file, bool client_submit, struct policy **ret_policy, char *error,
                          size_t error_size);
void policy_free(struct policy *policy); /* NULL is accepted */

/* Borrowed from the policy; NULL and a count of 0 for a role without permissions. `ret_known` says whether
 * the table names the role. */
char **policy_permissions(const struct policy *policy, const char *role, size_t *ret_count, bool *ret_known);

#endif
