/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * The room of users: a user id comes in, the user's record goes out, or that there is no such user, or that
 * this cannot be known now. user_cache.h in front of it remembers records and joins concurrent queries;
 * store_watch.h reports whether the store answers and has changed.
 *
 * This header: the record, and the table of functions of a store: MongoDB (users_mongo.c) or a JSON file
 * (users_file.c). Records are immutable and shared by reference count.
 */
#ifndef POLLEN8_AUTH_SVC_USERS_USERS_H
#define POLLEN8_AUTH_SVC_USERS_USERS_H

#include <stdbool.h>
#include <stdint.h>

#include "common/industry.h"
#include "common/slice.h"
#include "common/status.h"
#include "token/token.h"

struct user {
    _Atomic uint32_t references;
    bool disabled;
    char role[TOKEN_ROLE_MAXIMUM_BYTES + 1]; /* empty: the record does not say */
    /* Tokens issued earlier are refused; Unix milliseconds, INT64_MIN: no limit. */
    int64_t tokens_valid_after_ms;
    uint32_t defects; /* members of the record that could not be used */
    size_t industry_count;
    char *industries[INDUSTRIES_MAXIMUM]; /* owned; normalised, each once */
};

/* An empty, enabled record with one reference; NULL when out of memory. */
struct user *user_create(void);

/* Adds an industry as written: normalised, and once only. It is dropped as a defect if it is not valid or
 * there are too many. STATUS_OK or STATUS_NO_MEMORY. Only before the record is shared. */
enum status user_add_industry(struct user *user, struct slice industry);

/* Sets the role. An unusable name is a defect and becomes `user`, the role with the fewest permissions. */
void user_set_role(struct user *user, struct slice role);

/* `tokensValidAfter` as a number: above 100,000,000,000 it is milliseconds, else seconds. */
void user_set_valid_after_number(struct user *user, double number);

struct user *user_ref(struct user *user);
void user_unref(struct user *user); /* NULL is accepted */

enum users_state {
    USERS_UP,
    USERS_CHANGED, /* up, and records may differ from what was read before */
    USERS_DOWN
};

struct users; /* a store: its own struct starts with struct users */

struct users_ops {
    const char *name; /* for logs */
    bool immediate;   /* find never waits: records are in memory */
    /* STATUS_OK with a record that the caller unrefs, STATUS_NOT_FOUND, or anything else for "not known now"
     * (never a reason to let somebody in or out). May block if the store is not immediate, bounded by its
     * timeouts. Any thread. */
    enum status (*find)(struct users *users, struct slice id, struct user **ret_user);
    /* Asks whether the store answers; `now`: also whether records changed, even if the last check was just
     * before. `error` gets one line without credentials or is emptied. May block. One thread at a time. */
    enum users_state (*poll)(struct users *users, bool now, char *error, size_t error_size);
    void (*free)(struct users *users);
};

struct users {
    const struct users_ops *ops;
};

/* The store of a file. STATUS_MALFORMED with one line in `error` if it cannot be read or is malformed. */
enum status users_file_create(const char *path, struct users **ret_users, char *error, size_t error_size);

struct users_mongo_options {
    const char *uri;
    const char *users_collection;
    const char *industries_collection;
    int64_t timeout_ms;
    uint32_t clients; /* connections at most: workers + 1 */
};

/* Does not wait for a server. STATUS_MALFORMED with one line in `error`, without credentials. */
enum status users_mongo_create(const struct users_mongo_options *options, struct users **ret_users,
                               char *error, size_t error_size);

#endif
