/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * Reading every user's state out of Redis while it changes: each user at one moment, whatever fields and
 * kinds its keys have. What expires within minutes (the history) is not a user's state. Statuses as in
 * store.h.
 */
#ifndef POLLEN8_VALUE_STORE_SNAPSHOT_H
#define POLLEN8_VALUE_STORE_SNAPSHOT_H

#include "common/base64url.h"
#include "common/names.h"
#include "store.h"

#define STORE_USER_KEYS 4
#define STORE_USER_SIZE (BASE64URL_LENGTH(ID_MAXIMUM_BYTES) + 1) /* as in keys */

struct store_key {
    struct slice suffix;   /* ":net" */
    struct slice type;     /* "hash", "list", "stream", "string" */
    int64_t expires_at_ms; /* Unix milliseconds; 0: never */
    const struct slice *items;
    size_t count; /* of items; lua/dump_user.lua says how they stand for each type */
};

/* One user's keys (at least one), borrowed for the call. Not STATUS_OK ends the step with it. */
typedef enum status store_user_fn(void *context, const char *user, const struct store_key *keys,
                                  size_t count);

/* Looks at some keys from *cursor on (0: start; 0 again when round) and gives the users they belong to.
 * Whoever was there from the start to the end is given; now and then one is given twice. */
enum status store_snapshot_step(struct store *store, uint64_t *cursor, store_user_fn *each, void *context);

#endif
