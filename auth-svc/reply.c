/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * The messages on the stack borrow everything that they point to. Only the packed bytes are new.
 */
#include "reply.h"

#include "common/wire.h"
#include "identity.pb-c.h"

/* The generated structs take non-const pointers, although packing only reads the text. */
static char *borrow(const char *text)
{
    union {
        const char *constant;
        char *plain;
    } pointer = {.constant = text};
    return pointer.plain;
}

static const char *role_of(const struct token_claims *claims, const struct user *user)
{
    if (user && user->role[0])
        return user->role;
    return claims->role[0] ? claims->role : "user";
}

enum status reply_pack_identity(struct buf *buf, const struct token_claims *claims, const struct user *user,
                                const struct policy *policy, int64_t expires_at_ms, bool *ret_known_role)
{
    Pollen8__Identity identity;
    Pollen8__VerifyReply reply;
    char *industries[INDUSTRIES_MAXIMUM];
    const char *role = role_of(claims, user);

    pollen8__identity__init(&identity);
    pollen8__verify_reply__init(&reply);
    for (size_t i = 0; user && i < user->industry_count; i++)
        industries[i] = user->industries[i];
    identity.user_id = borrow(claims->subject);
    identity.role = borrow(role);
    identity.n_industries = user ? user->industry_count : 0;
    identity.industries = industries;
    identity.permissions = policy_permissions(policy, role, &identity.n_permissions, ret_known_role);
    identity.expires_at_ms = expires_at_ms;
    reply.result_case = POLLEN8__VERIFY_REPLY__RESULT_IDENTITY;
    reply.identity = &identity;
    return wire_pack(buf, &reply.base);
}

enum status reply_pack_error(struct buf *buf, enum status refusal, const char *message,
                             uint32_t retry_after_ms)
{
    Pollen8__Error error;
    Pollen8__VerifyReply reply;

    pollen8__error__init(&error);
    pollen8__verify_reply__init(&reply);
    error.code = borrow(status_code(refusal));
    error.message = borrow(message);
    error.retry_after_ms = retry_after_ms;
    reply.result_case = POLLEN8__VERIFY_REPLY__RESULT_ERROR;
    reply.error = &error;
    return wire_pack(buf, &reply.base);
}
