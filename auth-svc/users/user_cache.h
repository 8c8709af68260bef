/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * Remembers for a short time what the user store returned for a user, and turns concurrent lookups of one
 * user into one query. The first lookup leads a flight, the others join it, and the leader gets them back
 * when the flight lands. Nothing here blocks. Any thread.
 */
#ifndef POLLEN8_AUTH_SVC_USERS_USER_CACHE_H
#define POLLEN8_AUTH_SVC_USERS_USER_CACHE_H

#include <stdint.h>

#include "users/users.h"

struct user_cache;  /* opaque */
struct user_flight; /* opaque: one query in progress */

/* What the store returned: STATUS_OK with a record, STATUS_NOT_FOUND, or any other status (never
 * remembered). */
struct user_result {
    enum status status;
    struct user *user; /* a reference, if status is STATUS_OK */
};

/* Embedded in whatever waits for a flight. */
struct user_waiter {
    struct user_waiter *next;
};

enum user_cache_outcome {
    USER_CACHED, /* the result was given */
    USER_JOINED, /* the flight owns the waiter: its leader gets it from user_cache_finish */
    USER_LEADING /* the caller must ask the store and then call user_cache_finish */
};

struct user_cache_options {
    size_t entries; /* maximum records kept */
    size_t flights; /* maximum queries in progress: one per thread that asks */
    int64_t ttl_ms; /* 0: nothing is kept */
};

enum status user_cache_create(const struct user_cache_options *options, struct user_cache **ret_cache);

/* No flight may be in progress. NULL is accepted. */
void user_cache_free(struct user_cache *cache);

/* Whether there is a fresh result; returns it with a reference for the caller. */
bool user_cache_get(struct user_cache *cache, struct slice id, uint64_t now_ms,
                    struct user_result *ret_result);

/* As user_cache_get, else joins or starts the flight for this user. USER_CACHED with STATUS_NO_MEMORY if a
 * flight could not be started. */
enum user_cache_outcome user_cache_join(struct user_cache *cache, struct slice id, uint64_t now_ms,
                                        struct user_waiter *waiter, struct user_result *ret_result,
                                        struct user_flight **ret_flight);

/* Ends the flight with its result and returns those who joined, oldest first. The cache takes its own
 * reference if it remembers the result. */
struct user_waiter *user_cache_finish(struct user_cache *cache, struct user_flight *flight,
                                      const struct user_result *result, uint64_t now_ms);

/* Forgets everything. A flight in progress still lands for those who joined it, but is not remembered. */
void user_cache_clear(struct user_cache *cache);

#endif
