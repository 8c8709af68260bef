/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * Rate limits: token buckets in whole numbers, one embedded in each session, and a bounded table of them by
 * client address for handshakes. Time is monotonic milliseconds, given by the caller. Loop thread.
 *
 * Memory: 16 bytes a bucket; the table is one allocation of about 32 bytes an entry, made at the start.
 */
#ifndef POLLEN8_GATEWAY_BASE_LIMITS_H
#define POLLEN8_GATEWAY_BASE_LIMITS_H

#include <stddef.h>
#include <stdint.h>

#include "common/status.h"

struct sockaddr;

struct token_rule {
    uint32_t per_minute; /* 0: no limit */
    uint32_t burst;      /* tokens a full bucket holds; 0 is taken as 1 */
};

/* Zeroed: full. */
struct token_bucket {
    uint64_t updated_ms;
    uint64_t missing; /* to a full bucket, in 1/60000 token: a millisecond gives back per_minute of these */
};

/* Takes one token. STATUS_RATE_LIMITED where there is none: nothing is taken, and *ret_retry_after_ms (may be
 * NULL, else untouched) says after how long there will be one. A clock that goes back gives nothing. */
enum status token_bucket_take(struct token_bucket *bucket, const struct token_rule *rule, uint64_t now_ms,
                              uint32_t *ret_retry_after_ms);

/* Buckets by address: IPv4 by /32 (also when mapped into IPv6), IPv6 by /64. */
struct address_limits;

/* At least `entries` addresses. `seed` is random, so that nobody can aim at a place in the table. NULL
 * where memory is short. */
struct address_limits *address_limits_create(const struct token_rule *rule, size_t entries, uint64_t seed);
void address_limits_free(struct address_limits *limits);

/* Takes a token of this address. An address new to a full place in the table takes over the entry there that
 * is nearest to full: a full one loses nothing, any other is forgiven early. An address that is
 * neither IPv4 nor IPv6 is not limited. */
enum status address_limits_take(struct address_limits *limits, const struct sockaddr *address,
                                uint64_t now_ms, uint32_t *ret_retry_after_ms);

#endif
