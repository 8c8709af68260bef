/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * Packs a VerifyReply. Pure; any thread.
 */
#ifndef POLLEN8_AUTH_SVC_REPLY_H
#define POLLEN8_AUTH_SVC_REPLY_H

#include "common/buf.h"
#include "policy/policy.h"
#include "token/token.h"
#include "users/users.h"

#define REPLY_MAXIMUM_BYTES (256 * 1024)

/* The identity that the claims and the record (NULL: none is needed) describe. The role is the record's, else
 * the token's, else `user`. `ret_known_role` says whether the policy names that role. */
enum status reply_pack_identity(struct buf *buf, const struct token_claims *claims, const struct user *user,
                                const struct policy *policy, int64_t expires_at_ms, bool *ret_known_role);

/* A refusal with a sentence for a developer; retry_after_ms 0: no hint. */
enum status reply_pack_error(struct buf *buf, enum status refusal, const char *message,
                             uint32_t retry_after_ms);

#endif
