/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * A bucket stores what is missing to be full, so that zeroed memory is a full bucket and an idle bucket needs
 * no attention. An address hashes to a set of WAYS entries, and nothing else is looked at: no chains, no
 * sweeps, the same small cost under attack.
 */
#include "base/limits.h"

#include <netinet/in.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "common/names.h"

#define TOKEN UINT64_C(60000) /* units of one token: the milliseconds of a minute */
#define WAYS  8

/* What is still missing after the time since the last update. */
static uint64_t missing_now(const struct token_bucket *bucket, const struct token_rule *rule, uint64_t now_ms)
{
    uint64_t elapsed = now_ms > bucket->updated_ms ? now_ms - bucket->updated_ms : 0;

    if (rule->per_minute == 0 || elapsed > bucket->missing / rule->per_minute)
        return 0;
    return bucket->missing - elapsed * rule->per_minute;
}

static uint64_t capacity(const struct token_rule *rule)
{
    return (rule->burst > 0 ? rule->burst : 1) * TOKEN;
}

enum status token_bucket_take(struct token_bucket *bucket, const struct token_rule *rule, uint64_t now_ms,
                              uint32_t *ret_retry_after_ms)
{
    uint64_t missing = missing_now(bucket, rule, now_ms);

    if (rule->per_minute == 0)
        return STATUS_OK;
    if (missing + TOKEN > capacity(rule)) {
        uint64_t wait = (missing + TOKEN - capacity(rule) + rule->per_minute - 1) / rule->per_minute;

        if (ret_retry_after_ms)
            *ret_retry_after_ms = wait > UINT32_MAX ? UINT32_MAX : (uint32_t)wait;
        return STATUS_RATE_LIMITED;
    }
    bucket->missing = missing + TOKEN;
    if (now_ms > bucket->updated_ms)
        bucket->updated_ms = now_ms;
    return STATUS_OK;
}

/* An address cut to what one subscriber has: 4 bytes of IPv4, or the first 8 of IPv6. */
struct entry {
    uint64_t address;
    uint32_t family; /* 4 or 6; 0: free */
    struct token_bucket bucket;
};

struct address_limits {
    struct token_rule rule;
    uint64_t seed;
    size_t sets; /* a power of two */
    struct entry entries[];
};

struct address_limits *address_limits_create(const struct token_rule *rule, size_t entries, uint64_t seed)
{
    struct address_limits *limits;
    size_t sets = 1;

    while (sets < (SIZE_MAX >> 8) / sizeof(struct entry) / WAYS && sets * WAYS < entries)
        sets *= 2;
    limits = calloc(1, sizeof(*limits) + sets * WAYS * sizeof(struct entry));
    if (!limits)
        return NULL;
    limits->rule = *rule;
    limits->seed = seed;
    limits->sets = sets;
    return limits;
}

void address_limits_free(struct address_limits *limits)
{
    free(limits);
}

static bool address_key(const struct sockaddr *address, uint64_t *ret_key, uint32_t *ret_family)
{
    if (address->sa_family == AF_INET) {
        struct sockaddr_in v4;

        memcpy(&v4, address, sizeof(v4));
        *ret_key = v4.sin_addr.s_addr;
        *ret_family = 4;
        return true;
    }
    if (address->sa_family == AF_INET6) {
        struct sockaddr_in6 v6;
        bool mapped;

        memcpy(&v6, address, sizeof(v6));
        mapped = IN6_IS_ADDR_V4MAPPED(&v6.sin6_addr);
        *ret_key = 0;
        memcpy(ret_key, v6.sin6_addr.s6_addr + (mapped ? 12 : 0), mapped ? 4 : 8);
        *ret_family = mapped ? 4 : 6;
        return true;
    }
    return false;
}

/* The address's entry, made if there is none: in a free place, otherwise in place of the fullest. */
static struct entry *find_entry(struct address_limits *limits, uint64_t key, uint32_t family, uint64_t now_ms)
{
    size_t set = hash64(&key, sizeof(key), limits->seed + family) & (limits->sets - 1);
    struct entry *entries = limits->entries + set * WAYS;
    struct entry *victim = entries;
    uint64_t victim_missing = UINT64_MAX;

    for (size_t i = 0; i < WAYS; i++) {
        struct entry *entry = entries + i;
        uint64_t missing = entry->family ? missing_now(&entry->bucket, &limits->rule, now_ms) : 0;

        if (entry->family == family && entry->address == key)
            return entry;
        if (missing < victim_missing || (missing == victim_missing && entry->family == 0)) {
            victim = entry;
            victim_missing = missing;
        }
    }
    *victim = (struct entry){.address = key, .family = family};
    return victim;
}

enum status address_limits_take(struct address_limits *limits, const struct sockaddr *address,
                                uint64_t now_ms, uint32_t *ret_retry_after_ms)
{
    uint64_t key;
    uint32_t family;

    if (limits->rule.per_minute == 0 || !address_key(address, &key, &family))
        return STATUS_OK;
    return token_bucket_take(&find_entry(limits, key, family, now_ms)->bucket, &limits->rule, now_ms,
                             ret_retry_after_ms);
}
