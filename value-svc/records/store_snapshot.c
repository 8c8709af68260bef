/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * SCAN -> the users of its keys -> a pipeline of dumps for some of them -> each user to the caller. A large
 * user is noted and then read in parts: large hashes by HSCAN, then along the order of its event keys
 * (lua/dump_part.lua).
 */
#include "records/store_snapshot.h"

#include <inttypes.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/buf.h"
#include "common/clock.h"
#include "store/store_internal.h"

#define SCAN_KEYS    "200"  /* asked of one SCAN */
#define WHOLE_ITEMS  "2000" /* more of one user are read in parts */
#define PART_ENTRIES "500"  /* of the order, in a part */
#define HASH_FIELDS  "1000" /* of a hash, in a part */
#define GROUP        32     /* users asked for at once */
#define USER_KEYS    4
#define NAMES        16 /* fields of net except marks of imports */
#define NAME_SIZE    64
#define ENTRY_SIZE   512 /* of the order */

enum user_key { KEY_NET, KEY_SEEN, KEY_ORDER, KEY_KEPT };
static const char *const suffixes[USER_KEYS] = {":net", ":seen", ":seen.order", ":kept"};

/* A user that is read in parts. */
struct large {
    char user[STORE_USER_SIZE];
    bool begun;      /* something of it was given */
    bool large_net;  /* its fields except marks, by name at the end */
    bool scan[2];    /* net and seen are still to be scanned */
    uint64_t cursor; /* of that */
    uint64_t entries;
    struct buf last; /* entry */
    size_t name_count;
    char names[NAMES][NAME_SIZE];
};

struct store_walk {
    uint64_t cursor;
    bool begun;
    redisReply *found; /* of SCAN; NULL: none */
    size_t at;         /* in it */
    size_t large_count;
    struct large large[GROUP]; /* the last one is being read */
};

struct give {
    store_piece_fn *each;
    void *context;
};

enum status store_walk_create(struct store_walk **ret_walk)
{
    struct store_walk *walk = calloc(1, sizeof(*walk));
    if (!walk)
        return STATUS_NO_MEMORY;
    for (size_t i = 0; i < GROUP; i++)
        buf_init(&walk->large[i].last, ENTRY_SIZE);
    *ret_walk = walk;
    return STATUS_OK;
}

void store_walk_free(struct store_walk *walk)
{
    if (!walk)
        return;
    for (size_t i = 0; i < GROUP; i++)
        buf_done(&walk->large[i].last);
    freeReplyObject(walk->found);
    free(walk);
}

/* "p8:{u.<user>}:net" -> the user, and whether that name causes the dump. ":seen" stands for users without a
 * net. Other keys: STATUS_NOT_FOUND. */
static enum status user_of(const redisReply *key, char user[STORE_USER_SIZE], bool *ret_by_net)
{
    static const char prefix[] = "p8:{u.";
    if (key->type != REDIS_REPLY_STRING || (size_t)key->len >= STORE_KEY_SIZE ||
        strncmp(key->str, prefix, sizeof(prefix) - 1) != 0)
        return STATUS_NOT_FOUND;
    const char *end = strchr(key->str, '}');
    if (!end || (strcmp(end + 1, ":net") != 0 && strcmp(end + 1, ":seen") != 0))
        return STATUS_NOT_FOUND;
    *ret_by_net = strcmp(end + 1, ":net") == 0;
    if (end - key->str - (ptrdiff_t)(sizeof(prefix) - 1) >= (ptrdiff_t)STORE_USER_SIZE)
        return STATUS_NOT_FOUND;
    snprintf(user, STORE_USER_SIZE, "%.*s", (int)(end - key->str - (int)(sizeof(prefix) - 1)),
             key->str + sizeof(prefix) - 1);
    return STATUS_OK;
}

/* The number of an entry's texts, at most 9 digits. */
static size_t number_of(struct slice text)
{
    size_t number = 0;
    for (size_t i = 0; i < text.length && i < 9 && text.data[i] >= '0' && text.data[i] <= '9'; i++)
        number = 10 * number + (size_t)(text.data[i] - '0');
    return number;
}

size_t store_piece_unit(struct slice type, const struct slice *items, size_t count)
{
    size_t unit = 1;
    if (slice_equal_string(type, "hash"))
        unit = 2;
    else if (slice_equal_string(type, "stream")) /* id, count, that many texts */
        unit = count < 2 ? 2 : 2 + number_of(items[1]);
    return unit <= count ? unit : 0;
}

static void write_keys(const char *user, char keys[USER_KEYS][STORE_KEY_SIZE])
{
    for (size_t i = 0; i < USER_KEYS; i++)
        snprintf(keys[i], STORE_KEY_SIZE, "p8:{u.%.*s}%s", (int)STORE_USER_SIZE, user, suffixes[i]);
}

/* ---- a reply's keys ----------------------------------------------------------------------------------- */

static enum status give_texts(struct store *store, const struct give *give, struct store_piece *piece,
                              const redisReply *items)
{
    struct slice *texts = calloc(items->elements + 1, sizeof(*texts));
    if (!texts)
        return store_fail(store, "out of memory for a user's dump");
    for (size_t i = 0; i < items->elements; i++)
        texts[i] = slice_make(items->element[i]->str, items->element[i]->len);
    piece->items = texts;
    piece->count = items->elements;
    enum status status = give->each(give->context, piece);
    free(texts);
    return status;
}

/* {index of the key, type, ms until it expires, {items}} */
static enum status give_key(struct store *store, const struct give *give, const redisReply *element,
                            struct store_piece *piece)
{
    if (element->type != REDIS_REPLY_ARRAY || element->elements != 4 ||
        element->element[1]->type != REDIS_REPLY_STRING || element->element[3]->type != REDIS_REPLY_ARRAY)
        return store_fail(store, "a user's dump is not what it should be");
    int64_t index = store_integer(element->element[0]) - 1;
    int64_t left_ms = store_integer(element->element[2]);
    if (index < 0 || index >= USER_KEYS)
        return store_fail(store, "a user's dump has an unknown key");
    piece->suffix = slice_from_string(suffixes[index]);
    piece->type = slice_from_string(element->element[1]->str);
    piece->expires_at_ms = left_ms >= 0 ? clock_wall_ms() + left_ms : 0;
    return give_texts(store, give, piece, element->element[3]);
}

/* The keys of a user, or of a part of one. */
static enum status give_keys(struct store *store, const struct give *give, const char *user,
                             const redisReply *keys, bool first, bool last)
{
    enum status status = STATUS_OK;
    for (size_t i = 0; i < keys->elements && status == STATUS_OK; i++) {
        struct store_piece piece = {
            .user = user, .first = first && i == 0, .last = last && i + 1 == keys->elements};
        status = give_key(store, give, keys->element[i], &piece);
    }
    return status;
}

/* ---- users with much ---------------------------------------------------------------------------------- */

/* {fields of net, fields of seen, entries of the order}. If the order was damaged, older records are missing
 * from it. They are scanned, as a large net is. */
static void note_large(struct store_walk *walk, const char *user, const redisReply *sizes)
{
    struct large *large = &walk->large[walk->large_count++];
    struct buf last = large->last;
    int64_t net = store_integer(sizes->element[0]);
    int64_t seen = store_integer(sizes->element[1]);
    int64_t order = store_integer(sizes->element[2]);
    *large = (struct large){.last = last,
                            .large_net = net > strtoll(HASH_FIELDS, NULL, 10),
                            .scan = {net > strtoll(HASH_FIELDS, NULL, 10), seen > order}};
    buf_clear(&large->last);
    snprintf(large->user, sizeof(large->user), "%s", user);
}

static bool note_name(struct large *large, const redisReply *name)
{
    if (strncmp(name->str, "i:", 2) == 0 || name->len >= NAME_SIZE || large->name_count == NAMES)
        return false;
    snprintf(large->names[large->name_count++], NAME_SIZE, "%s", name->str);
    return true;
}

/* Gives marks of imports. Other fields are only noted, and read at the end. */
static enum status give_marks(struct store *store, const struct give *give, struct large *large,
                              struct store_piece *piece, const redisReply *fields)
{
    struct slice *texts = calloc(fields->elements + 1, sizeof(*texts));
    if (!texts)
        return store_fail(store, "out of memory for a user's dump");
    for (size_t i = 0; i + 1 < fields->elements; i += 2) {
        const redisReply *value = fields->element[i + 1];
        if (note_name(large, fields->element[i]))
            continue;
        texts[piece->count++] = slice_make(fields->element[i]->str, fields->element[i]->len);
        texts[piece->count++] = slice_make(value->str, value->len);
    }
    piece->items = texts;
    enum status status = STATUS_OK;
    if (piece->count > 0)
        status = give->each(give->context, piece);
    free(texts);
    return status;
}

static enum status scan_hash(struct store *store, struct large *large, enum user_key key,
                             const struct give *give)
{
    struct store_piece piece = {.user = large->user,
                                .suffix = slice_from_string(suffixes[key]),
                                .type = SLICE_LITERAL("hash"),
                                .first = !large->begun};
    char keys[USER_KEYS][STORE_KEY_SIZE];
    write_keys(large->user, keys);
    char cursor[24];
    snprintf(cursor, sizeof(cursor), "%" PRIu64, large->cursor);
    enum status status =
        store_send(store, (const char *const[]){"HSCAN", keys[key], cursor, "COUNT", HASH_FIELDS, NULL});
    redisReply *reply = NULL;
    if (status == STATUS_OK)
        status = store_receive(store, &reply);
    if (status != STATUS_OK)
        return status;
    if (reply->type != REDIS_REPLY_ARRAY || reply->elements != 2 ||
        reply->element[0]->type != REDIS_REPLY_STRING || reply->element[1]->type != REDIS_REPLY_ARRAY) {
        status = store_fail(store, "HSCAN gave an unexpected reply");
    } else {
        large->cursor = strtoull(reply->element[0]->str, NULL, 10);
        large->scan[key] = large->cursor != 0;
        if (key == KEY_NET)
            status = give_marks(store, give, large, &piece, reply->element[1]);
        else if (reply->element[1]->elements > 0)
            status = give_texts(store, give, &piece, reply->element[1]);
        large->begun = large->begun || piece.count > 0;
    }
    freeReplyObject(reply);
    return status;
}

static enum status send_part(struct store *store, const struct large *large)
{
    struct slice arguments[1 + USER_KEYS + 4 + NAMES] = {SLICE_LITERAL("4")};
    char keys[USER_KEYS][STORE_KEY_SIZE];
    write_keys(large->user, keys);
    char entries[24];
    snprintf(entries, sizeof(entries), "%" PRIu64, large->entries);
    size_t count = 1;
    for (size_t i = 0; i < USER_KEYS; i++)
        arguments[count++] = slice_from_string(keys[i]);
    arguments[count++] = slice_from_string(entries);
    arguments[count++] = large->last.length > 0 ? buf_slice(&large->last) : SLICE_LITERAL("");
    arguments[count++] = SLICE_LITERAL(PART_ENTRIES);
    arguments[count++] = large->large_net ? SLICE_LITERAL("1") : SLICE_LITERAL("0");
    for (size_t i = 0; i < large->name_count; i++)
        arguments[count++] = slice_from_string(large->names[i]);
    return store_send_script_slices(store, SCRIPT_DUMP_PART, arguments, count);
}

static enum status take_part(struct store *store, struct large *large, const redisReply *reply,
                             const struct give *give, bool *ret_done)
{
    if (reply->type != REDIS_REPLY_ARRAY || reply->elements != 4 ||
        reply->element[2]->type != REDIS_REPLY_STRING || reply->element[3]->type != REDIS_REPLY_ARRAY)
        return store_fail(store, "a part of a user is not what it should be");
    bool done = store_integer(reply->element[0]) == 1;
    large->entries = (uint64_t)store_integer(reply->element[1]);
    buf_clear(&large->last);
    if (buf_append(&large->last, reply->element[2]->str, reply->element[2]->len) != STATUS_OK)
        return store_fail(store, "an entry of a user's event keys is not ours");
    if (done && reply->element[3]->elements == 0 && large->begun)
        return STATUS_AGAIN; /* gone in the meantime: the pieces given of it are void */
    enum status status = give_keys(store, give, large->user, reply->element[3], !large->begun, done);
    large->begun = large->begun || reply->element[3]->elements > 0;
    *ret_done = done;
    return status;
}

static enum status read_part(struct store *store, struct large *large, const struct give *give,
                             bool *ret_done)
{
    if (large->scan[KEY_NET])
        return scan_hash(store, large, KEY_NET, give);
    if (large->scan[KEY_SEEN])
        return scan_hash(store, large, KEY_SEEN, give);
    enum status status = send_part(store, large);
    redisReply *reply = NULL;
    if (status == STATUS_OK)
        status = store_receive(store, &reply);
    if (status == STATUS_OK)
        status = take_part(store, large, reply, give, ret_done);
    freeReplyObject(reply);
    return status;
}

/* ---- all others --------------------------------------------------------------------------------------- */

static enum status send_dump(struct store *store, const char *user, bool by_net)
{
    const char *arguments[USER_KEYS + 4] = {"4"};
    char keys[USER_KEYS][STORE_KEY_SIZE];
    write_keys(user, keys);
    for (size_t i = 0; i < USER_KEYS; i++)
        arguments[i + 1] = keys[i];
    arguments[USER_KEYS + 1] = by_net ? "0" : "1";
    arguments[USER_KEYS + 2] = WHOLE_ITEMS;
    return store_send_script(store, SCRIPT_DUMP_USER, arguments);
}

static enum status take_dump(struct store *store, struct store_walk *walk, const char *user,
                             const struct give *give)
{
    redisReply *reply = NULL;
    enum status status = store_receive(store, &reply);
    if (status != STATUS_OK)
        return status;
    if (reply->type != REDIS_REPLY_ARRAY || reply->elements > USER_KEYS)
        status = store_fail(store, "a user's dump is not what it should be");
    else if (reply->elements == 3 && reply->element[0]->type == REDIS_REPLY_INTEGER)
        note_large(walk, user, reply);
    else
        status = give_keys(store, give, user, reply, true, true);
    freeReplyObject(reply);
    return status;
}

static enum status dump_group(struct store *store, struct store_walk *walk, const struct give *give)
{
    size_t end = walk->found->elements - walk->at < GROUP ? walk->found->elements : walk->at + GROUP;
    char user[STORE_USER_SIZE];
    bool by_net;
    enum status status = STATUS_OK;
    for (size_t i = walk->at; i < end && status == STATUS_OK; i++)
        if (user_of(walk->found->element[i], user, &by_net) == STATUS_OK)
            status = send_dump(store, user, by_net);
    for (size_t i = walk->at; i < end && status == STATUS_OK; i++)
        if (user_of(walk->found->element[i], user, &by_net) == STATUS_OK)
            status = take_dump(store, walk, user, give);
    walk->at = end;
    /* If the caller refused a piece, replies are left unread. */
    if (status != STATUS_OK && store_connected(store))
        store_close(store);
    return status;
}

/* Only element[1] of SCAN's reply, the keys, is kept. */
static enum status scan(struct store *store, struct store_walk *walk)
{
    redisReply *reply = NULL;
    enum status status = store_scan(store, &walk->cursor, "p8:{u.*", SCAN_KEYS, &reply);
    if (status != STATUS_OK)
        return status;
    walk->found = reply->element[1];
    reply->element[1] = NULL;
    freeReplyObject(reply);
    walk->at = 0;
    walk->begun = true;
    return STATUS_OK;
}

enum status store_walk_step(struct store *store, struct store_walk *walk, store_piece_fn *each, void *context,
                            bool *ret_done)
{
    const struct give give = {.each = each, .context = context};
    bool done = false;
    enum status status = STATUS_OK;
    if (walk->large_count > 0) {
        status = read_part(store, &walk->large[walk->large_count - 1], &give, &done);
        walk->large_count -= done;
    } else if (walk->found && walk->at < walk->found->elements) {
        status = dump_group(store, walk, &give);
    } else if (!walk->begun || walk->cursor != 0) {
        freeReplyObject(walk->found);
        walk->found = NULL;
        status = scan(store, walk);
    }
    if (status == STATUS_OK)
        store_measure(store);
    *ret_done = walk->large_count == 0 && walk->begun && walk->cursor == 0 &&
                (!walk->found || walk->at == walk->found->elements);
    return status;
}
