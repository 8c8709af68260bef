/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * SCAN -> the users its keys belong to -> one pipeline of dumps -> each user to the caller.
 */
#include "store_snapshot.h"

#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/clock.h"
#include "store_internal.h"

#define SCAN_KEYS "200" /* asked of one SCAN */

static const char *const suffixes[STORE_USER_KEYS] = {":net", ":seen", ":seen.order", ":kept"};

struct dump {
    store_user_fn *each;
    void *context;
};

/* "p8:{u.<user>}:net" -> the user, and whether the dump is by that name. ":seen" stands for users without a
 * net. Other keys: STATUS_NOT_FOUND. */
static enum status user_of(const redisReply *key, char user[STORE_USER_SIZE], bool *ret_by_net)
{
    static const char prefix[] = "p8:{u.";
    const char *end;

    if (key->type != REDIS_REPLY_STRING || (size_t)key->len >= STORE_KEY_SIZE ||
        strncmp(key->str, prefix, sizeof prefix - 1) != 0)
        return STATUS_NOT_FOUND;
    end = strchr(key->str, '}');
    if (!end || (strcmp(end + 1, ":net") != 0 && strcmp(end + 1, ":seen") != 0))
        return STATUS_NOT_FOUND;
    *ret_by_net = strcmp(end + 1, ":net") == 0;
    if (end - key->str - (ptrdiff_t)(sizeof prefix - 1) >= (ptrdiff_t)STORE_USER_SIZE)
        return STATUS_NOT_FOUND;
    snprintf(user, STORE_USER_SIZE, "%.*s", (int)(end - key->str - (int)(sizeof prefix - 1)),
             key->str + sizeof prefix - 1);
    return STATUS_OK;
}

static enum status send_dump(struct store *store, const char *user, bool by_net)
{
    char keys[STORE_USER_KEYS][STORE_KEY_SIZE];
    const char *arguments[STORE_USER_KEYS + 3] = {"4"};

    for (size_t i = 0; i < STORE_USER_KEYS; i++) {
        snprintf(keys[i], sizeof keys[i], "p8:{u.%.*s}%s", (int)STORE_USER_SIZE, user, suffixes[i]);
        arguments[i + 1] = keys[i];
    }
    arguments[STORE_USER_KEYS + 1] = by_net ? "0" : "1";
    return store_send_script(store, SCRIPT_DUMP_USER, arguments);
}

/* One element of the dump's reply as a key whose items the caller frees. */
static enum status read_key(struct store *store, const redisReply *element, struct store_key *ret_key)
{
    const redisReply *items;
    struct slice *texts;
    int64_t index;
    int64_t left_ms;

    if (element->type != REDIS_REPLY_ARRAY || element->elements != 4 ||
        element->element[1]->type != REDIS_REPLY_STRING || element->element[3]->type != REDIS_REPLY_ARRAY)
        return store_fail(store, "a user's dump is not what it should be");
    index = store_integer(element->element[0]) - 1;
    left_ms = store_integer(element->element[2]);
    items = element->element[3];
    if (index < 0 || index >= STORE_USER_KEYS)
        return store_fail(store, "a user's dump has an unknown key");
    texts = calloc(items->elements + 1, sizeof *texts);
    if (!texts)
        return store_fail(store, "out of memory for a user's dump");
    for (size_t i = 0; i < items->elements; i++)
        texts[i] = slice_make(items->element[i]->str, items->element[i]->len);
    *ret_key = (struct store_key){.suffix = slice_from_string(suffixes[index]),
                                  .type = slice_from_string(element->element[1]->str),
                                  .expires_at_ms = left_ms >= 0 ? clock_wall_ms() + left_ms : 0,
                                  .items = texts,
                                  .count = items->elements};
    return STATUS_OK;
}

static enum status take_dump(struct store *store, const char *user, const struct dump *dump)
{
    struct store_key keys[STORE_USER_KEYS] = {0};
    redisReply *reply = NULL;
    size_t count = 0;
    enum status status = store_receive(store, &reply);

    if (status != STATUS_OK)
        return status;
    if (reply->type != REDIS_REPLY_ARRAY || reply->elements > STORE_USER_KEYS)
        status = store_fail(store, "a user's dump is not what it should be");
    while (status == STATUS_OK && count < reply->elements) {
        status = read_key(store, reply->element[count], &keys[count]);
        if (status == STATUS_OK)
            count++;
    }
    if (status == STATUS_OK && count > 0)
        status = dump->each(dump->context, user, keys, count);
    for (size_t i = 0; i < count; i++)
        free((void *)(uintptr_t)keys[i].items);
    freeReplyObject(reply);
    return status;
}

static enum status dump_users(struct store *store, const redisReply *found, const struct dump *dump)
{
    char user[STORE_USER_SIZE];
    bool by_net;
    enum status status = STATUS_OK;

    for (size_t i = 0; i < found->elements && status == STATUS_OK; i++)
        if (user_of(found->element[i], user, &by_net) == STATUS_OK)
            status = send_dump(store, user, by_net);
    for (size_t i = 0; i < found->elements && status == STATUS_OK; i++)
        if (user_of(found->element[i], user, &by_net) == STATUS_OK)
            status = take_dump(store, user, dump);
    /* What the caller refused leaves replies unread. */
    if (status != STATUS_OK && store_connected(store))
        store_close(store);
    return status;
}

enum status store_snapshot_step(struct store *store, uint64_t *cursor, store_user_fn *each, void *context)
{
    const struct dump dump = {.each = each, .context = context};
    redisReply *reply = NULL;
    enum status status = store_scan(store, cursor, "p8:{u.*", SCAN_KEYS, &reply);

    if (status != STATUS_OK)
        return status;
    status = dump_users(store, reply->element[1], &dump);
    freeReplyObject(reply);
    store_measure(store);
    return status;
}
