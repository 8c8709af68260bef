/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * Reading every user's state out of Redis while it changes: each user at one moment, whatever fields and
 * kinds its keys have, in pieces: neither Redis nor this process ever holds all of a user with many keys.
 * What expires within minutes (the history) is not a user's state. Statuses as in store.h.
 */
#ifndef POLLEN8_VALUE_SVC_RECORDS_STORE_SNAPSHOT_H
#define POLLEN8_VALUE_SVC_RECORDS_STORE_SNAPSHOT_H

#include "common/base64url.h"
#include "common/names.h"
#include "store/store.h"

#define STORE_USER_SIZE (BASE64URL_LENGTH(ID_MAXIMUM_BYTES) + 1) /* as in keys */

/* Some items of one key of one user. Those of a key may come in several pieces, other keys' between them, and
 * a hash's field more than once: the last holds. */
struct store_piece {
    const char *user;
    struct slice suffix;   /* ":net" */
    struct slice type;     /* "hash", "list", "stream", "string" */
    int64_t expires_at_ms; /* Unix milliseconds; 0: never */
    const struct slice *items;
    size_t count; /* of items; lua/dump_user.lua says how they stand for each type. Never a part of a field or
                     of an entry */
    bool first;   /* of this user */
    bool last;    /* what came of the user since `first` is the user */
};

/* How many items one field (of a hash) or one entry has that begins with items[0]; 0: it is not whole. */
size_t store_piece_unit(struct slice type, const struct slice *items, size_t count);

/* The piece is borrowed for the call. Not STATUS_OK ends the step with it. */
typedef enum status store_piece_fn(void *context, const struct store_piece *piece);

/* A walk over all users. */
struct store_walk; /* opaque */
enum status store_walk_create(struct store_walk **ret_walk);
void store_walk_free(struct store_walk *walk); /* NULL is accepted */

/* A bounded step: gives some users, or a part of one. Whoever was there from the start to the end is given;
 * now and then one is given twice. *ret_done: it was the last. STATUS_AGAIN: the user being read is gone.
 * After a failure the walk can only be freed. */
enum status store_walk_step(struct store *store, struct store_walk *walk, store_piece_fn *each, void *context,
                            bool *ret_done);

#endif
