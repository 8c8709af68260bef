/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * The room of tokens: the text of a token comes in, with the keys (keys.h), the rules and the time; its
 * claims go out, or why it is refused. verdicts.h remembers the claims of tokens seen before.
 *
 * This header checks signature, times, issuer and audience. It is the only user of the JWT library, and uses
 * it for the signature only: the key pins the algorithm, and header and claims are read here from the signed
 * bytes. Pure except for the time passed in; any thread.
 */
#ifndef POLLEN8_AUTH_SVC_TOKEN_TOKEN_H
#define POLLEN8_AUTH_SVC_TOKEN_TOKEN_H

#include <stdint.h>

#include "common/names.h"
#include "common/slice.h"
#include "common/status.h"
#include "token/keys.h"

#define TOKEN_MAXIMUM_BYTES      (8 * 1024)
#define TOKEN_ROLE_MAXIMUM_BYTES 64

struct token_rules {
    int64_t leeway_ms;    /* tolerated for exp, nbf and iat */
    bool require_expiry;  /* refuse tokens without exp */
    const char *issuer;   /* borrowed; NULL or empty: any */
    const char *audience; /* borrowed; NULL or empty: any */
};

struct token_claims {
    char subject[ID_MAXIMUM_BYTES + 1];
    char role[TOKEN_ROLE_MAXIMUM_BYTES + 1]; /* empty: no such claim */
    int64_t expires_at_ms;                   /* Unix milliseconds; 0: never */
    int64_t issued_at_ms;                    /* Unix milliseconds; -1: the token does not say */
};

/* AUTH_REQUIRED (empty), AUTH_INVALID, AUTH_EXPIRED or STATUS_NO_MEMORY; `ret_message` then gets a static
 * sentence for a developer that repeats nothing of the token. */
enum status token_verify(struct slice token, const struct keys *keys, const struct token_rules *rules,
                         int64_t now_ms, struct token_claims *ret_claims, const char **ret_message);

/* Whether claims verified earlier are past their exp, leeway included. */
bool token_expired(const struct token_claims *claims, const struct token_rules *rules, int64_t now_ms);

#endif
