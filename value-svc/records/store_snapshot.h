/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * Reads every user's state out of Redis while it changes. Each user is read as of one moment, whatever fields
 * and types its keys have. It is given in pieces, so that neither Redis nor this process ever holds all of a
 * large user. Data that expires within minutes (the history) is not part of the state. Statuses as in
 * store.h.
 */
#ifndef POLLEN8_VALUE_SVC_RECORDS_STORE_SNAPSHOT_H
#define POLLEN8_VALUE_SVC_RECORDS_STORE_SNAPSHOT_H

#include "common/base64url.h"
#include "common/names.h"
#include "store/store.h"

#define STORE_USER_SIZE (BASE64URL_LENGTH(ID_MAXIMUM_BYTES) + 1) /* as in keys */

/* Some items of one key of one user. A key's items may come in several pieces, with other keys' between them.
 * A hash's field may come more than once: the last one holds. */
struct store_piece {
    const char *user;
    struct slice suffix;   /* ":net" */
    struct slice type;     /* "hash", "list", "stream", "string" */
    int64_t expires_at_ms; /* Unix milliseconds; 0: never */
    const struct slice *items;
    size_t count; /* of items; lua/dump_user.lua says how they stand for each type. Never a part of a field or
                     of an entry */
    bool first;   /* of this user */
    bool last;    /* the pieces since `first` are the whole user */
};

/* How many items the field (of a hash) or entry at items[0] has; 0: it is incomplete. */
size_t store_piece_unit(struct slice type, const struct slice *items, size_t count);

/* The piece is borrowed for the call. Any status but STATUS_OK ends the step with that status. */
typedef enum status store_piece_fn(void *context, const struct store_piece *piece);

/* A walk over all users. */
struct store_walk; /* opaque */
enum status store_walk_create(struct store_walk **ret_walk);
void store_walk_free(struct store_walk *walk); /* NULL is accepted */

/* One bounded step: gives some users, or a part of one. Every user that existed throughout the walk is given,
 * occasionally twice. *ret_done: it was the last step. STATUS_AGAIN: the user being read is gone. After a
 * failure the walk can only be freed. */
enum status store_walk_step(struct store *store, struct store_walk *walk, store_piece_fn *each, void *context,
                            bool *ret_done);

#endif
