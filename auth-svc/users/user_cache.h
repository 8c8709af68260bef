/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * Remembers what the user store said of a user for a short time, and sees to it that concurrent questions
 * about one user become one query: the first to ask leads a flight, the others join it and are handed back
 * to the leader when it lands. Nothing here blocks. Any thread.
 */
#ifndef POLLEN8_AUTH_SVC_USERS_USER_CACHE_H
#define POLLEN8_AUTH_SVC_USERS_USER_CACHE_H

#include <stdint.h>

#include "users/users.h"

struct user_cache;  /* opaque */
struct user_flight; /* opaque: one query under way */

/* What the store said: STATUS_OK with a record, STATUS_NOT_FOUND, or another status (never remembered). */
struct user_result {
    enum status status;
    struct user *user; /* a reference, where status is STATUS_OK */
};

/* Put into whatever waits for a flight. */
struct user_waiter {
    struct user_waiter *next;
};

enum user_cache_outcome {
    USER_CACHED, /* the result was given */
    USER_JOINED, /* the waiter belongs to the flight: its leader gets it from user_cache_finish */
    USER_LEADING /* the caller must ask the store and then call user_cache_finish */
};

struct user_cache_options {
    size_t entries; /* records kept at most */
    size_t flights; /* queries under way at most: as many as threads that ask */
    int64_t ttl_ms; /* 0: nothing is kept */
};

enum status user_cache_create(const struct user_cache_options *options, struct user_cache **ret_cache);

/* No flight may be under way. NULL is accepted. */
void user_cache_free(struct user_cache *cache);

/* Whether a fresh result is there; gives it with a reference of the caller's own. */
bool user_cache_get(struct user_cache *cache, struct slice id, uint64_t now_ms,
                    struct user_result *ret_result);

/* As user_cache_get, else joins or starts the flight for this user. USER_CACHED with STATUS_NO_MEMORY where
 * a flight could not be started. */
enum user_cache_outcome user_cache_join(struct user_cache *cache, struct slice id, uint64_t now_ms,
                                        struct user_waiter *waiter, struct user_result *ret_result,
                                        struct user_flight **ret_flight);

/* Ends the flight with its result (kept by a reference of its own where it can be remembered) and returns
 * those who joined, oldest first. */
struct user_waiter *user_cache_finish(struct user_cache *cache, struct user_flight *flight,
                                      const struct user_result *result, uint64_t now_ms);

/* Forgets everything. A flight under way still lands for those who joined it, and is not remembered. */
void user_cache_clear(struct user_cache *cache);

#endif
