/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * Rate limits: token buckets in whole numbers, one embedded in each session, and a bounded table of them by
 * client address for handshakes. The caller passes the time in monotonic milliseconds. Loop thread.
 *
 * Memory: 16 bytes per bucket. The table is one allocation of about 32 bytes per entry, made at the start.
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

/* Takes one token. STATUS_RATE_LIMITED if there is none: nothing is taken, and *ret_retry_after_ms (may be
 * NULL; otherwise untouched) is the time until there is one. A clock that goes back adds nothing. */
enum status token_bucket_take(struct token_bucket *bucket, const struct token_rule *rule, uint64_t now_ms,
                              uint32_t *ret_retry_after_ms);

/* Buckets by address: IPv4 by /32 (also when mapped into IPv6), IPv6 by /64. */
struct address_limits;

/* For at least `entries` addresses. `seed` is random, so that nobody can aim at a place in the table. NULL
 * when out of memory. */
struct address_limits *address_limits_create(const struct token_rule *rule, size_t entries, uint64_t seed);
void address_limits_free(struct address_limits *limits);

/* Takes a token of this address. If an address is new to a full set of entries, it replaces the entry that is
 * nearest to full: a full one loses nothing, any other is forgiven early. An address that is neither IPv4 nor
 * IPv6 is not limited. */
enum status address_limits_take(struct address_limits *limits, const struct sockaddr *address,
                                uint64_t now_ms, uint32_t *ret_retry_after_ms);

#endif
