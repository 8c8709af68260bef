/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * Two lru tables under one lock: results by user id, and flights by user id. A flight leaves its table when
 * it lands or when the cache is cleared. So a lookup after a clear never gets a result read before it.
 */
#include "users/user_cache.h"

#include <pthread.h>
#include <stdlib.h>

#include "base/lru.h"
#include "common/check.h"
#include "common/rng.h"

#define UNKNOWN_TTL_MS 2000 /* a new user should not be refused for long */

struct entry {
    struct lru_node node; /* first */
    uint64_t fresh_until_ms;
    struct user_result result;
    size_t id_length;
    char id[];
};

struct user_flight {
    struct lru_node node; /* first */
    bool listed;          /* in the table of flights */
    struct user_waiter *first;
    struct user_waiter **last;
    size_t id_length;
    char id[];
};

struct user_cache {
    uint64_t seed;
    int64_t ttl_ms;
    pthread_mutex_t lock;
    struct lru *entries; /* lock */
    struct lru *flights; /* lock */
};

enum status user_cache_create(const struct user_cache_options *options, struct user_cache **ret_cache)
{
    struct user_cache *cache = calloc(1, sizeof(*cache));

    if (!cache)
        return STATUS_NO_MEMORY;
    if (pthread_mutex_init(&cache->lock, NULL) != 0) {
        free(cache);
        return STATUS_NO_MEMORY;
    }
    cache->seed = rng_u64();
    cache->ttl_ms = options->ttl_ms;
    if (lru_create(options->entries, &cache->entries) != STATUS_OK ||
        lru_create(options->flights, &cache->flights) != STATUS_OK) {
        user_cache_free(cache);
        return STATUS_NO_MEMORY;
    }
    *ret_cache = cache;
    return STATUS_OK;
}

static void entry_free(struct entry *entry)
{
    if (entry)
        user_unref(entry->result.user);
    free(entry);
}

void user_cache_free(struct user_cache *cache)
{
    if (!cache)
        return;
    if (cache->entries && cache->flights)
        user_cache_clear(cache);
    lru_free(cache->entries);
    lru_free(cache->flights);
    pthread_mutex_destroy(&cache->lock);
    free(cache);
}

static bool entry_match(const struct lru_node *node, const void *key)
{
    const struct entry *entry = (const struct entry *)node;
    return slice_equal(slice_make(entry->id, entry->id_length), *(const struct slice *)key);
}

static bool flight_match(const struct lru_node *node, const void *key)
{
    const struct user_flight *flight = (const struct user_flight *)node;
    return slice_equal(slice_make(flight->id, flight->id_length), *(const struct slice *)key);
}

static bool get_locked(struct user_cache *cache, struct slice id, uint64_t hash, uint64_t now_ms,
                       struct user_result *ret_result)
{
    const struct entry *entry = (struct entry *)lru_find(cache->entries, hash, entry_match, &id);

    if (!entry || now_ms >= entry->fresh_until_ms)
        return false;
    *ret_result = entry->result;
    if (ret_result->user)
        user_ref(ret_result->user);
    return true;
}

bool user_cache_get(struct user_cache *cache, struct slice id, uint64_t now_ms,
                    struct user_result *ret_result)
{
    bool found;

    pthread_mutex_lock(&cache->lock);
    found = get_locked(cache, id, hash64(id.data, id.length, cache->seed), now_ms, ret_result);
    pthread_mutex_unlock(&cache->lock);
    return found;
}

static struct user_flight *flight_create(struct slice id, uint64_t hash)
{
    struct user_flight *flight = calloc(1, sizeof(*flight) + id.length);

    if (!flight)
        return NULL;
    flight->node.hash = hash;
    flight->last = &flight->first;
    flight->id_length = id.length;
    memcpy(flight->id, id.data, id.length);
    return flight;
}

static enum user_cache_outcome fly_locked(struct user_cache *cache, struct slice id, uint64_t hash,
                                          struct user_waiter *waiter, struct user_result *ret_result,
                                          struct user_flight **ret_flight)
{
    struct user_flight *flight = (struct user_flight *)lru_find(cache->flights, hash, flight_match, &id);

    if (flight) {
        waiter->next = NULL;
        *flight->last = waiter;
        flight->last = &waiter->next;
        return USER_JOINED;
    }
    flight = flight_create(id, hash);
    if (!flight) {
        *ret_result = (struct user_result){.status = STATUS_NO_MEMORY};
        return USER_CACHED;
    }
    flight->listed = true;
    CHECK(lru_insert(cache->flights, &flight->node) == NULL);
    *ret_flight = flight;
    return USER_LEADING;
}

enum user_cache_outcome user_cache_join(struct user_cache *cache, struct slice id, uint64_t now_ms,
                                        struct user_waiter *waiter, struct user_result *ret_result,
                                        struct user_flight **ret_flight)
{
    enum user_cache_outcome outcome = USER_CACHED;
    uint64_t hash = hash64(id.data, id.length, cache->seed);

    pthread_mutex_lock(&cache->lock);
    if (!get_locked(cache, id, hash, now_ms, ret_result))
        outcome = fly_locked(cache, id, hash, waiter, ret_result, ret_flight);
    pthread_mutex_unlock(&cache->lock);
    return outcome;
}

/* The entry to remember; NULL if the result is not to be remembered, or when out of memory. */
static struct entry *entry_create(const struct user_cache *cache, const struct user_flight *flight,
                                  const struct user_result *result, uint64_t now_ms)
{
    int64_t ttl_ms = cache->ttl_ms;
    struct entry *entry;

    if (result->status != STATUS_OK && result->status != STATUS_NOT_FOUND)
        return NULL;
    if (result->status == STATUS_NOT_FOUND && ttl_ms > UNKNOWN_TTL_MS)
        ttl_ms = UNKNOWN_TTL_MS;
    if (ttl_ms <= 0)
        return NULL;
    entry = calloc(1, sizeof(*entry) + flight->id_length);
    if (!entry)
        return NULL;
    entry->node.hash = flight->node.hash;
    entry->fresh_until_ms = now_ms + (uint64_t)ttl_ms;
    entry->result = *result;
    if (entry->result.user)
        user_ref(entry->result.user);
    entry->id_length = flight->id_length;
    memcpy(entry->id, flight->id, flight->id_length);
    return entry;
}

struct user_waiter *user_cache_finish(struct user_cache *cache, struct user_flight *flight,
                                      const struct user_result *result, uint64_t now_ms)
{
    struct entry *entry = entry_create(cache, flight, result, now_ms);
    struct entry *stale = NULL, *out = entry;
    struct user_waiter *waiters;
    struct slice id = slice_make(flight->id, flight->id_length);

    pthread_mutex_lock(&cache->lock);
    if (flight->listed) {
        lru_remove(cache->flights, &flight->node);
        stale = (struct entry *)lru_find(cache->entries, flight->node.hash, entry_match, &id);
        if (stale)
            lru_remove(cache->entries, &stale->node);
        if (entry)
            out = (struct entry *)lru_insert(cache->entries, &entry->node);
    }
    waiters = flight->first;
    pthread_mutex_unlock(&cache->lock);
    entry_free(stale);
    entry_free(out);
    free(flight);
    return waiters;
}

void user_cache_clear(struct user_cache *cache)
{
    struct lru_node *node;

    pthread_mutex_lock(&cache->lock);
    while ((node = lru_take_oldest(cache->entries)))
        entry_free((struct entry *)node);
    while ((node = lru_take_oldest(cache->flights)))
        ((struct user_flight *)node)->listed = false;
    pthread_mutex_unlock(&cache->lock);
}
