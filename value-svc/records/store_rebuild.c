/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * Plain commands restore a user piece by piece, so it may be of any size. No event finds half a user: none is
 * applied while the state is STORE_REBUILD.
 */
#include "records/store_rebuild.h"

#include <inttypes.h>
#include <stdio.h>

#include "common/clock.h"
#include "store/store_internal.h"

#define SCAN_KEYS     "500"
#define ITEMS_AT_ONCE 512 /* of one command; even, for hashes */

/* ---- steps ------------------------------------------------------------------------------------------- */

static enum status run_step(struct store *store, const char *const *arguments,
                            char note[STORE_REBUILD_NOTE_SIZE])
{
    enum status status = store_send_script(store, SCRIPT_REBUILD, arguments);
    redisReply *reply = NULL;
    if (status == STATUS_OK)
        status = store_receive(store, &reply);
    if (status != STATUS_OK)
        return status;
    store_measure(store);
    if (reply->type != REDIS_REPLY_ARRAY || reply->elements != 3)
        status = store_fail(store, "the rebuild's script gave an unexpected reply");
    else if (store_integer(reply->element[0]) != 1)
        status = STATUS_NOT_FOUND;
    else if (note)
        snprintf(note, STORE_REBUILD_NOTE_SIZE, "%s", reply->element[2]->str);
    freeReplyObject(reply);
    return status;
}

/* A server may refuse this. The others then notice within a second, when they ask for the epoch. */
static enum status close_others(struct store *store)
{
    enum status status =
        store_send(store, (const char *const[]){"CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes", NULL});
    redisReply *reply = NULL;
    if (status == STATUS_OK)
        status = store_receive_any(store, &reply);
    if (status == STATUS_OK)
        freeReplyObject(reply);
    return status;
}

enum status store_rebuild_begin(struct store *store, const char *who, char note[STORE_REBUILD_NOTE_SIZE])
{
    char now[24];
    snprintf(now, sizeof(now), "%" PRId64, clock_wall_ms());
    enum status status =
        run_step(store, (const char *const[]){"1", STORE_KEY_EPOCH, "begin", who, now, NULL}, note);
    if (status == STATUS_OK)
        status = close_others(store);
    return status == STATUS_OK ? store_epoch_refresh(store) : status;
}

enum status store_rebuild_note(struct store *store, const char *who, const char *note)
{
    return run_step(store, (const char *const[]){"1", STORE_KEY_EPOCH, "note", who, note, NULL}, NULL);
}

/* ---- forgetting -------------------------------------------------------------------------------------- */

enum status store_clear_step(struct store *store, uint64_t *cursor, uint64_t *ret_deleted)
{
    redisReply *found = NULL;
    bool first = *cursor == 0;
    enum status status = store_scan(store, cursor, "p8:{u.*", SCAN_KEYS, &found);
    if (status != STATUS_OK)
        return status;
    size_t sent = 0;
    if (first) {
        status = store_send(store, (const char *const[]){"UNLINK", STORE_KEY_DUE, NULL});
        sent++;
    }
    for (size_t i = 0; i < found->element[1]->elements && status == STATUS_OK; i++) {
        const redisReply *key = found->element[1]->element[i];
        const struct slice arguments[] = {SLICE_LITERAL("UNLINK"), slice_make(key->str, key->len)};
        status = store_send_slices(store, arguments, 2);
        sent++;
    }
    if (status == STATUS_OK)
        status = store_receive_done(store, sent);
    freeReplyObject(found);
    store_measure(store);
    *ret_deleted = sent;
    return status;
}

/* ---- values ------------------------------------------------------------------------------------------ */

static enum status take_value(struct store *store, const redisReply *key, store_value_fn *each, void *context)
{
    redisReply *reply = NULL;
    enum status status = store_receive(store, &reply);
    if (status != STATUS_OK)
        return status;
    char user[STORE_USER_SIZE];
    snprintf(user, sizeof(user), "%.*s", (int)(strcspn(key->str, "}") - strlen("p8:{u.")),
             key->str + strlen("p8:{u."));
    if (reply->type == REDIS_REPLY_ARRAY && reply->elements == 2)
        status =
            each(context, user, store_integer(reply->element[0]), (uint64_t)store_integer(reply->element[1]));
    freeReplyObject(reply);
    return status;
}

enum status store_values_step(struct store *store, uint64_t *cursor, store_value_fn *each, void *context)
{
    redisReply *found = NULL;
    enum status status = store_scan(store, cursor, "p8:{u.*}:net", SCAN_KEYS, &found);
    if (status != STATUS_OK)
        return status;
    for (size_t i = 0; i < found->element[1]->elements && status == STATUS_OK; i++)
        status = store_send(store, (const char *const[]){"HMGET", found->element[1]->element[i]->str,
                                                         "connections", "n", NULL});
    for (size_t i = 0; i < found->element[1]->elements && status == STATUS_OK; i++)
        status = take_value(store, found->element[1]->element[i], each, context);
    freeReplyObject(found);
    store_measure(store);
    if (status != STATUS_OK)
        store_close(store); /* replies may be left unread */
    return status;
}

/* ---- putting back ------------------------------------------------------------------------------------ */

static enum status send_counted(struct store *store, const struct slice *arguments, size_t count)
{
    store->restoring++;
    return store_send_slices(store, arguments, count);
}

static enum status send_items(struct store *store, struct slice command, struct slice name,
                              const struct store_piece *piece)
{
    struct slice arguments[ITEMS_AT_ONCE + 2] = {command, name};
    enum status status = STATUS_OK;
    for (size_t at = 0; at < piece->count && status == STATUS_OK; at += ITEMS_AT_ONCE) {
        size_t count = piece->count - at < ITEMS_AT_ONCE ? piece->count - at : ITEMS_AT_ONCE;
        memcpy(arguments + 2, piece->items + at, count * sizeof(arguments[0]));
        status = send_counted(store, arguments, count + 2);
    }
    return status;
}

static enum status send_entries(struct store *store, struct slice name, const struct store_piece *piece)
{
    struct slice arguments[ITEMS_AT_ONCE + 3] = {SLICE_LITERAL("XADD"), name};
    enum status status = STATUS_OK;
    size_t at = 0;
    while (at < piece->count && status == STATUS_OK) {
        size_t unit = store_piece_unit(piece->type, piece->items + at, piece->count - at);
        if (unit < 3 || unit - 2 > ITEMS_AT_ONCE)
            return STATUS_MALFORMED;
        arguments[2] = piece->items[at];
        memcpy(arguments + 3, piece->items + at + 2, (unit - 2) * sizeof(arguments[0]));
        status = send_counted(store, arguments, unit + 1);
        at += unit;
    }
    return status;
}

/* For a piece of event keys: tells the sweep about the user; the sweep finds out when it is due. */
static enum status send_due(struct store *store, const struct store_piece *piece)
{
    if (!slice_equal_string(piece->suffix, ":seen.order"))
        return STATUS_OK;
    return send_counted(store,
                        (const struct slice[]){SLICE_LITERAL("ZADD"), SLICE_LITERAL(STORE_KEY_DUE),
                                               SLICE_LITERAL("NX"), SLICE_LITERAL("0"),
                                               slice_from_string(piece->user)},
                        5);
}

static enum status send_piece(struct store *store, const struct store_piece *piece)
{
    char name[STORE_KEY_SIZE];
    snprintf(name, sizeof(name), "p8:{u.%s}%.*s", piece->user, (int)piece->suffix.length, piece->suffix.data);
    struct slice key_name = slice_from_string(name);
    enum status status;
    if (slice_equal_string(piece->type, "hash"))
        status = send_items(store, SLICE_LITERAL("HSET"), key_name, piece);
    else if (slice_equal_string(piece->type, "list"))
        status = send_items(store, SLICE_LITERAL("RPUSH"), key_name, piece);
    else if (slice_equal_string(piece->type, "stream"))
        status = send_entries(store, key_name, piece);
    else if (slice_equal_string(piece->type, "string") && piece->count == 1)
        status = send_items(store, SLICE_LITERAL("SET"), key_name, piece);
    else
        status = STATUS_MALFORMED;
    char text[24];
    if (status == STATUS_OK && piece->expires_at_ms > 0) {
        snprintf(text, sizeof(text), "%" PRId64, piece->expires_at_ms);
        status = send_counted(
            store, (const struct slice[]){SLICE_LITERAL("PEXPIREAT"), key_name, slice_from_string(text)}, 3);
    }
    return status == STATUS_OK ? send_due(store, piece) : status;
}

static enum status send_clear(struct store *store, const char *user)
{
    static const char *const suffixes[] = {":net", ":seen", ":seen.order", ":kept", ":history"};
    enum { KEYS = sizeof(suffixes) / sizeof(suffixes[0]) };
    char names[KEYS][STORE_KEY_SIZE];
    struct slice clear[KEYS + 1] = {SLICE_LITERAL("UNLINK")};

    for (size_t i = 0; i < KEYS; i++) {
        snprintf(names[i], sizeof(names[i]), "p8:{u.%s}%s", user, suffixes[i]);
        clear[i + 1] = slice_from_string(names[i]);
    }
    return send_counted(store, clear, KEYS + 1);
}

enum status store_restore(struct store *store, const struct store_piece *piece)
{
    enum status status = piece->first ? send_clear(store, piece->user) : STATUS_OK;
    if (status == STATUS_OK && piece->count > 0)
        status = send_piece(store, piece);
    if (status != STATUS_OK)
        store_close(store); /* replies may be left unread */
    return status;
}

enum status store_restored(struct store *store)
{
    size_t count = store->restoring;
    store->restoring = 0;
    enum status status = store_receive_done(store, count);
    store_measure(store);
    return status;
}
