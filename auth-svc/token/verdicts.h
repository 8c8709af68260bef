/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * Remembers tokens whose signature was valid: SHA-256 of the token -> its claims. Bounded; drops the least
 * recently used first. The tokens themselves are not kept. The caller checks at every use whether the claims
 * have expired. Any thread; never blocks for longer than a table operation.
 */
#ifndef POLLEN8_AUTH_SVC_TOKEN_VERDICTS_H
#define POLLEN8_AUTH_SVC_TOKEN_VERDICTS_H

#include <stdint.h>

#include "token/token.h"

#define VERDICT_DIGEST_BYTES 32

struct verdicts; /* opaque */

struct verdict_digest {
    unsigned char bytes[VERDICT_DIGEST_BYTES];
};

enum status verdicts_create(size_t capacity, struct verdicts **ret_verdicts);
void verdicts_free(struct verdicts *verdicts); /* NULL is accepted */

/* STATUS_NO_MEMORY if the digest cannot be made. */
enum status verdicts_digest(const struct verdicts *verdicts, struct slice token,
                            struct verdict_digest *ret_digest);

/* Copies the claims out; STATUS_NOT_FOUND. */
enum status verdicts_get(struct verdicts *verdicts, const struct verdict_digest *digest,
                         struct token_claims *ret_claims);

/* Remembers the claims. Does nothing when out of memory: it is only a cache. */
void verdicts_put(struct verdicts *verdicts, const struct verdict_digest *digest,
                  const struct token_claims *claims);

/* Forgets one (expired), or everything (keys changed). */
void verdicts_forget(struct verdicts *verdicts, const struct verdict_digest *digest);
void verdicts_clear(struct verdicts *verdicts);

#endif
