/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * A batch of openings is one pipeline: a script for a pid, a read of what is kept.
 */
#include "records/store_session.h"

#include <inttypes.h>
#include <stdio.h>

#include "common/clock.h"
#include "store/store_internal.h"

#define KEPT_MS         INT64_C(2592000000)     /* 30 days, as apply_event.lua has it */
#define PID_KEY_SIZE    (STORE_PID_MAXIMUM + 8) /* p8:{p.<pid>} */
#define WRITTEN_AT_ONCE 24                      /* event ids of one command */
#define NUMBER_SIZE     24

bool store_pid_valid(struct slice pid)
{
    if (pid.length == 0 || pid.length > STORE_PID_MAXIMUM)
        return false;
    for (size_t i = 0; i < pid.length; i++) {
        char c = pid.data[i];
        if (!(c >= 'a' && c <= 'z') && !(c >= 'A' && c <= 'Z') && !(c >= '0' && c <= '9') && c != '-' &&
            c != '_')
            return false;
    }
    return true;
}

/* ---- openings --------------------------------------------------------------------------------------- */

static bool has_pid(const struct store_opening *opening)
{
    return opening->pid[0] != '\0';
}

static bool is_fresh(const struct store_opening *opening)
{
    return opening->fresh && opening->kind == OPENING_SNAPSHOT && !opening->narrowed;
}

/* As pid_record.lua, if there is nothing to compare with. */
static enum status send_fresh_pid(struct store *store, const struct store_opening *opening, const char *key,
                                  const char *expiry)
{
    enum status status =
        store_send(store, (const char *const[]){"HSET", key, "u", opening->user_id, "g", opening->gateway,
                                                "s", opening->session, NULL});
    return status == STATUS_OK ? store_send(store, (const char *const[]){"PEXPIRE", key, expiry, NULL})
                               : status;
}

static enum status send_pid(struct store *store, const struct store_opening *opening)
{
    char key[PID_KEY_SIZE];
    snprintf(key, sizeof(key), "p8:{p.%s}", opening->pid);
    char expiry[NUMBER_SIZE];
    snprintf(expiry, sizeof(expiry), "%" PRId64, opening->expires_ms);
    if (is_fresh(opening))
        return send_fresh_pid(store, opening, key, expiry);
    if (opening->kind == OPENING_CLAIM)
        return store_send_script(store, SCRIPT_PID_CLAIM,
                                 (const char *const[]){"1", key, opening->user_id, opening->gateway,
                                                       opening->session, expiry, NULL});
    return store_send_script_slices(
        store, SCRIPT_PID_RECORD,
        (const struct slice[]){SLICE_LITERAL("1"), slice_from_string(key),
                               slice_from_string(opening->user_id), slice_from_string(opening->gateway),
                               slice_from_string(opening->session), slice_from_string(expiry),
                               opening->narrowed ? SLICE_LITERAL("1") : SLICE_LITERAL(""),
                               opening->rooms.length > 0 ? opening->rooms : SLICE_LITERAL("")},
        8);
}

static enum status send_kept(struct store *store, const struct store_opening *opening)
{
    char key[STORE_KEY_SIZE];
    store_user_key(key, opening->user_id, ":kept");
    char from[NUMBER_SIZE];
    snprintf(from, sizeof(from), "%" PRId64, clock_wall_ms() - KEPT_MS);
    return store_send(store, (const char *const[]){"XRANGE", key, from, "+", "COUNT", "100", NULL});
}

static enum status send_opening(struct store *store, const struct store_opening *opening)
{
    enum status status = has_pid(opening) ? send_pid(store, opening) : STATUS_OK;
    return status == STATUS_OK && opening->kind == OPENING_SNAPSHOT ? send_kept(store, opening) : status;
}

static struct slice text_of(const redisReply *reply)
{
    return reply->type == REDIS_REPLY_STRING ? slice_make(reply->str, (size_t)reply->len) : slice_make("", 0);
}

static void take_claim(const redisReply *reply, struct store_opened *opened)
{
    if (reply->type != REDIS_REPLY_ARRAY || reply->elements != 5)
        return;
    opened->known = true;
    opened->gateway = text_of(reply->element[1]);
    opened->session = text_of(reply->element[2]);
    opened->narrowed = store_integer(reply->element[3]) == 1;
    opened->rooms = text_of(reply->element[4]);
}

/* [[id, [name, value]...]...] */
static void take_kept(const redisReply *reply, struct store_opened *opened)
{
    for (size_t i = 0; reply->type == REDIS_REPLY_ARRAY && i < reply->elements; i++) {
        const redisReply *entry = reply->element[i];
        const redisReply *fields =
            entry->type == REDIS_REPLY_ARRAY && entry->elements == 2 ? entry->element[1] : NULL;
        for (size_t field = 0; fields && field + 1 < fields->elements; field += 2) {
            if (opened->kept_count < STORE_KEPT_MAXIMUM &&
                slice_equal_string(text_of(fields->element[field]), "f"))
                opened->kept[opened->kept_count++] = text_of(fields->element[field + 1]);
        }
    }
}

/* A key of the wrong type counts as missing. */
static enum status receive(struct store *store, redisReply **ret_reply)
{
    enum status status = store_receive_any(store, ret_reply);
    if (status != STATUS_OK || (*ret_reply)->type != REDIS_REPLY_ERROR ||
        store_fault_of(*ret_reply) == FAULT_KEYS)
        return status;
    status = store_refuse_reply(store, *ret_reply);
    freeReplyObject(*ret_reply);
    *ret_reply = NULL;
    return status;
}

static enum status receive_opening(struct store *store, const struct store_opening *openings, size_t index,
                                   store_opened_fn *give, void *context)
{
    struct store_opened opened = {.known = false};
    redisReply *pid = NULL;
    enum status status = STATUS_OK;
    if (has_pid(&openings[index]))
        status = receive(store, &pid);
    if (status == STATUS_OK && has_pid(&openings[index]) && is_fresh(&openings[index])) {
        freeReplyObject(pid);
        status = receive(store, &pid);
    }
    redisReply *kept = NULL;
    if (status == STATUS_OK && openings[index].kind == OPENING_SNAPSHOT)
        status = receive(store, &kept);
    if (status == STATUS_OK) {
        if (pid)
            take_claim(pid, &opened);
        if (kept)
            take_kept(kept, &opened);
        give(context, index, &opened);
    }
    if (pid)
        freeReplyObject(pid);
    if (kept)
        freeReplyObject(kept);
    return status;
}

enum status store_open_sessions(struct store *store, const struct store_opening *openings, size_t count,
                                store_opened_fn *give, void *context)
{
    enum status status = STATUS_OK;
    for (size_t i = 0; i < count && status == STATUS_OK; i++)
        status = send_opening(store, &openings[i]);
    for (size_t i = 0; i < count && status == STATUS_OK; i++)
        status = receive_opening(store, openings, i, give, context);
    if (status == STATUS_OK)
        store_measure(store);
    return status;
}

/* ---- ends -------------------------------------------------------------------------------------------- */

enum status store_sessions_ended(struct store *store, const char *gateway, const struct store_ended *ended,
                                 size_t count, int64_t expires_ms)
{
    char expiry[NUMBER_SIZE];
    snprintf(expiry, sizeof(expiry), "%" PRId64, expires_ms);
    char key[PID_KEY_SIZE];
    enum status status = STATUS_OK;
    for (size_t i = 0; i < count && status == STATUS_OK; i++) {
        snprintf(key, sizeof(key), "p8:{p.%s}", ended[i].pid);
        status = store_send_script(store, SCRIPT_PID_END,
                                   (const char *const[]){"1", key, gateway, ended[i].session, expiry, NULL});
    }
    redisReply *reply = NULL;
    for (size_t i = 0; i < count && status == STATUS_OK; i++) {
        status = receive(store, &reply);
        if (status == STATUS_OK)
            freeReplyObject(reply);
    }
    if (status == STATUS_OK)
        store_measure(store);
    return status;
}

/* ---- kept frames ------------------------------------------------------------------------------------ */

static enum status forget(struct store *store, const char *user_id, const char *const *rest)
{
    const char *arguments[STORE_ARGUMENTS_MAXIMUM] = {"1"};
    char key[STORE_KEY_SIZE];
    store_user_key(key, user_id, ":kept");
    arguments[1] = key;
    size_t count = 2;
    for (; *rest && count + 3 < STORE_ARGUMENTS_MAXIMUM; rest++)
        arguments[count++] = *rest;
    enum status status = store_send_script(store, SCRIPT_FORGET_KEPT, arguments);
    redisReply *reply = NULL;
    if (status == STATUS_OK)
        status = receive(store, &reply);
    if (status != STATUS_OK)
        return status;
    store_measure(store);
    freeReplyObject(reply);
    return STATUS_OK;
}

enum status store_forget_written(struct store *store, const char *user_id, const uint64_t *event_ids,
                                 size_t count)
{
    char numbers[WRITTEN_AT_ONCE][NUMBER_SIZE];
    enum status status = STATUS_OK;
    for (size_t at = 0; at < count && status == STATUS_OK; at += WRITTEN_AT_ONCE) {
        const char *rest[WRITTEN_AT_ONCE + 2] = {"i"};
        size_t end = count - at < WRITTEN_AT_ONCE ? count - at : WRITTEN_AT_ONCE;
        for (size_t i = 0; i < end; i++) {
            snprintf(numbers[i], sizeof(numbers[i]), "%" PRIu64, event_ids[at + i]);
            rest[i + 1] = numbers[i];
        }
        status = forget(store, user_id, rest);
    }
    return status;
}

enum status store_forget_named(struct store *store, const char *user_id, const char *name)
{
    return forget(store, user_id, (const char *const[]){"k", name, NULL});
}
