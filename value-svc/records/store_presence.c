/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * Heartbeats: each part of a gateway's replaces its keys whole and lets them expire. The sorted set
 * p8:gateways says which parts are fresh, so that no SCAN over all users is needed to find them.
 *
 *   p8:gw:<gateway>[:<part>]         "sessions" -> n, "i:<industry>" -> n
 *   p8:gw:<gateway>[:<part>]:users   user id -> n
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/clock.h"
#include "store/store_internal.h"

#define KEY_GATEWAYS     "p8:gateways"
#define GATEWAY_KEY_SIZE 160
#define NUMBER_SIZE      16
#define HSET_CHUNK       512 /* pairs of one HSET */
#define INDUSTRY_PREFIX  "i:"
#define FIELD_SIZE       (sizeof(INDUSTRY_PREFIX) + 256)

struct member_text {
    char name[FIELD_SIZE];
    char number[NUMBER_SIZE];
};

/* Sends HSET key (prefix + name) number..., in chunks. *sent counts commands whose replies are to be read. */
static enum status send_counts(struct store *store, const char *key, const char *prefix,
                               const struct store_count *counts, size_t count, size_t *sent)
{
    struct member_text *texts = malloc(HSET_CHUNK * sizeof(*texts));
    struct slice *arguments = malloc((2 + 2 * HSET_CHUNK) * sizeof(*arguments));
    enum status status = texts && arguments ? STATUS_OK : store_fail(store, "out of memory for a heartbeat");
    for (size_t at = 0; texts && arguments && at < count && status == STATUS_OK; at += HSET_CHUNK) {
        size_t pairs = count - at < HSET_CHUNK ? count - at : HSET_CHUNK;
        arguments[0] = SLICE_LITERAL("HSET");
        arguments[1] = slice_from_string(key);
        for (size_t i = 0; i < pairs; i++) {
            snprintf(texts[i].name, sizeof(texts[i].name), "%s%.*s", prefix, (int)counts[at + i].name.length,
                     counts[at + i].name.data);
            snprintf(texts[i].number, sizeof(texts[i].number), "%" PRIu32, counts[at + i].sessions);
            arguments[2 + 2 * i] = slice_from_string(texts[i].name);
            arguments[3 + 2 * i] = slice_from_string(texts[i].number);
        }
        status = store_send_slices(store, arguments, 2 + 2 * pairs);
        if (status == STATUS_OK)
            (*sent)++;
    }
    free(texts);
    free(arguments);
    return status;
}

static enum status send_key(struct store *store, const char *key, const char *prefix,
                            const struct store_count *counts, size_t count, const char *expiry, size_t *sent)
{
    enum status status = store_send(store, (const char *const[]){"DEL", key, NULL});
    if (status == STATUS_OK) {
        (*sent)++;
        status = send_counts(store, key, prefix, counts, count, sent);
    }
    if (status == STATUS_OK)
        status = store_send(store, (const char *const[]){"PEXPIRE", key, expiry, NULL});
    if (status == STATUS_OK)
        (*sent)++;
    return status;
}

static enum status send_heartbeat(struct store *store, const struct store_heartbeat *heartbeat, size_t *sent)
{
    char member[GATEWAY_KEY_SIZE];
    if (heartbeat->part == 0)
        snprintf(member, sizeof(member), "%.*s", (int)heartbeat->gateway.length, heartbeat->gateway.data);
    else
        snprintf(member, sizeof(member), "%.*s:%" PRIu32, (int)heartbeat->gateway.length,
                 heartbeat->gateway.data, heartbeat->part);
    char key[GATEWAY_KEY_SIZE + 8];
    snprintf(key, sizeof(key), "p8:gw:%s", member);
    char users[GATEWAY_KEY_SIZE + 16];
    snprintf(users, sizeof(users), "%s:users", key);
    char number[24];
    snprintf(number, sizeof(number), "%" PRId64, heartbeat->expires_ms);
    enum status status = send_key(store, users, "", heartbeat->users, heartbeat->user_count, number, sent);
    if (status == STATUS_OK)
        status = send_key(store, key, INDUSTRY_PREFIX, heartbeat->industries, heartbeat->industry_count,
                          number, sent);
    if (status != STATUS_OK)
        return status;
    snprintf(number, sizeof(number), "%" PRIu32, heartbeat->sessions);
    status = store_send(store, (const char *const[]){"HSET", key, "sessions", number, NULL});
    if (status != STATUS_OK)
        return status;
    (*sent)++;
    snprintf(number, sizeof(number), "%" PRId64, heartbeat->expires_ms);
    status = store_send(store, (const char *const[]){"PEXPIRE", key, number, NULL});
    if (status != STATUS_OK)
        return status;
    (*sent)++;
    snprintf(number, sizeof(number), "%" PRId64, clock_wall_ms() + heartbeat->expires_ms);
    status = store_send(store, (const char *const[]){"ZADD", KEY_GATEWAYS, number, member, NULL});
    if (status == STATUS_OK)
        (*sent)++;
    return status;
}

/* In one transaction, so that totals see either the old heartbeat or the new one. */
enum status store_heartbeat(struct store *store, const struct store_heartbeat *heartbeat)
{
    enum status status = store_send(store, (const char *const[]){"MULTI", NULL});
    size_t sent = 2; /* MULTI and EXEC */
    if (status == STATUS_OK)
        status = send_heartbeat(store, heartbeat, &sent);
    if (status == STATUS_OK)
        status = store_send(store, (const char *const[]){"EXEC", NULL});
    if (status == STATUS_OK)
        status = store_receive_done(store, sent);
    if (status == STATUS_OK)
        store_measure(store);
    return status;
}

/* ---- users ------------------------------------------------------------------------------------------ */

enum status store_users_entered(struct store *store, const struct store_entered *entered, size_t count,
                                int64_t expires_ms)
{
    char number[24];
    snprintf(number, sizeof(number), "%" PRId64, expires_ms);
    char users[GATEWAY_KEY_SIZE + 16];
    size_t sent = 0;
    enum status status = STATUS_OK;
    for (size_t i = 0; i < count && status == STATUS_OK; i++) {
        bool last = i + 1 == count || strcmp(entered[i].gateway, entered[i + 1].gateway) != 0;
        snprintf(users, sizeof(users), "p8:gw:%s:users", entered[i].gateway);
        status = store_send(store, (const char *const[]){"HSETNX", users, entered[i].user_id, "1", NULL});
        sent++;
        if (status != STATUS_OK || !last)
            continue;
        status = store_send(store, (const char *const[]){"PEXPIRE", users, number, NULL});
        sent++;
    }
    if (status == STATUS_OK)
        status = store_receive_done(store, sent);
    return status;
}

/* A part of the gateway: "<gateway>" or "<gateway>:<part>". */
static bool part_of(const char *member, const char *gateway)
{
    size_t length = strlen(gateway);
    return strncmp(member, gateway, length) == 0 && (member[length] == '\0' || member[length] == ':');
}

static enum status fresh_parts(struct store *store, redisReply **ret_members)
{
    char now[24];
    snprintf(now, sizeof(now), "(%" PRId64, clock_wall_ms());
    enum status status =
        store_send(store, (const char *const[]){"ZRANGEBYSCORE", KEY_GATEWAYS, now, "+inf", NULL});
    return status == STATUS_OK ? store_receive(store, ret_members) : status;
}

enum status store_user_left(struct store *store, const char *gateway, const char *user_id,
                            bool *ret_elsewhere)
{
    redisReply *members = NULL;
    enum status status = fresh_parts(store, &members);
    size_t count = status == STATUS_OK && members->type == REDIS_REPLY_ARRAY ? members->elements : 0;
    char users[GATEWAY_KEY_SIZE + 16];
    for (size_t i = 0; i < count && status == STATUS_OK; i++) {
        const char *command = part_of(members->element[i]->str, gateway) ? "HDEL" : "HEXISTS";
        snprintf(users, sizeof(users), "p8:gw:%s:users", members->element[i]->str);
        status = store_send(store, (const char *const[]){command, users, user_id, NULL});
    }
    redisReply *reply = NULL;
    bool elsewhere = false;
    for (size_t i = 0; i < count && status == STATUS_OK; i++) {
        status = store_receive(store, &reply);
        if (status != STATUS_OK)
            break;
        if (!part_of(members->element[i]->str, gateway) && store_integer(reply) > 0)
            elsewhere = true;
        freeReplyObject(reply);
    }
    if (members)
        freeReplyObject(members);
    if (status == STATUS_OK)
        *ret_elsewhere = elsewhere;
    return status;
}

/* ---- totals ----------------------------------------------------------------------------------------- */

static void add_part(const redisReply *hash, struct store_totals *totals, store_industry_fn *add,
                     void *context)
{
    static const size_t prefix = sizeof(INDUSTRY_PREFIX) - 1;
    for (size_t i = 0; i + 1 < hash->elements; i += 2) {
        const redisReply *field = hash->element[i];
        uint64_t sessions = (uint64_t)store_integer(hash->element[i + 1]);
        if (field->type != REDIS_REPLY_STRING)
            continue;
        if (strncmp(field->str, INDUSTRY_PREFIX, prefix) == 0)
            add(context, slice_make(field->str + prefix, (size_t)field->len - prefix), sessions);
        else
            totals->sessions += sessions;
    }
}

static enum status read_parts(struct store *store, const redisReply *members, struct store_totals *totals,
                              store_industry_fn *add, void *context)
{
    char key[GATEWAY_KEY_SIZE + 8];
    enum status status = STATUS_OK;
    for (size_t i = 0; i < members->elements && status == STATUS_OK; i++) {
        snprintf(key, sizeof(key), "p8:gw:%s", members->element[i]->str);
        status = store_send(store, (const char *const[]){"HGETALL", key, NULL});
    }
    redisReply *reply = NULL;
    for (size_t i = 0; i < members->elements && status == STATUS_OK; i++) {
        status = store_receive(store, &reply);
        if (status != STATUS_OK)
            break;
        /* One part per gateway has no part number. */
        if (reply->type == REDIS_REPLY_ARRAY && reply->elements > 0) {
            add_part(reply, totals, add, context);
            totals->gateways += strchr(members->element[i]->str, ':') == NULL;
        }
        freeReplyObject(reply);
    }
    return status;
}

enum status store_presence_totals(struct store *store, struct store_totals *ret_totals,
                                  store_industry_fn *add, void *context)
{
    char now[24];
    snprintf(now, sizeof(now), "%" PRId64, clock_wall_ms());
    enum status status =
        store_send(store, (const char *const[]){"ZREMRANGEBYSCORE", KEY_GATEWAYS, "-inf", now, NULL});
    if (status == STATUS_OK)
        status = store_send(store, (const char *const[]){"ZRANGE", KEY_GATEWAYS, "0", "-1", NULL});
    redisReply *expired = NULL;
    if (status == STATUS_OK)
        status = store_receive(store, &expired);
    redisReply *members = NULL;
    if (status == STATUS_OK)
        status = store_receive(store, &members);
    struct store_totals totals = {0};
    if (status == STATUS_OK && members->type == REDIS_REPLY_ARRAY)
        status = read_parts(store, members, &totals, add, context);
    if (status == STATUS_OK) {
        store_measure(store);
        *ret_totals = totals;
    }
    if (expired)
        freeReplyObject(expired);
    if (members)
        freeReplyObject(members);
    return status;
}
