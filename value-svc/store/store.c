/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * Pipelining, and what an error reply means. Any error of a hiredis context is final for it, so every failure
 * closes.
 */
#include "store/store.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/check.h"
#include "common/clock.h"
#include "common/rng.h"
#include "store/store_internal.h"

#define RETRY_FIRST_MS   50
#define RETRY_LONGEST_MS 2000

enum status store_create(const struct store_options *options, struct store **ret_store)
{
    struct store *store = calloc(1, sizeof(*store));
    if (!store)
        return STATUS_NO_MEMORY;
    store->options = *options;
    *ret_store = store;
    return STATUS_OK;
}

void store_free(struct store *store)
{
    if (!store)
        return;
    store_close(store);
    free(store);
}

void store_close(struct store *store)
{
    if (store->redis)
        redisFree(store->redis);
    store->redis = NULL;
    store->sent_ns = 0;
    memset(store->tended, 0, sizeof(store->tended));
    store->restoring = 0;
}

bool store_connected(const struct store *store)
{
    return store->redis != NULL;
}

const char *store_error(const struct store *store)
{
    return store->error;
}

enum status store_fail(struct store *store, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(store->error, sizeof(store->error), format, arguments);
    va_end(arguments);
    store_close(store);
    return STATUS_DISCONNECTED;
}

enum status store_reject(struct store *store, const char *why)
{
    store->failures++;
    return store_fail(store, "%s", why);
}

int64_t store_retry_ms(struct store *store)
{
    int64_t wait = RETRY_FIRST_MS;
    for (unsigned i = 1; i < store->failures + store->refusals && wait < RETRY_LONGEST_MS; i++)
        wait *= 2;
    if (wait > RETRY_LONGEST_MS)
        wait = RETRY_LONGEST_MS;
    return wait / 2 + (int64_t)rng_below((uint64_t)(wait / 2 + 1));
}

/* ---- pipelining ------------------------------------------------------------------------------------- */

static enum status append(struct store *store, int count, const char **arguments, const size_t *lengths)
{
    if (!store->redis)
        return STATUS_DISCONNECTED;
    if (store->sent_ns == 0)
        store->sent_ns = clock_monotonic_ns();
    if (redisAppendCommandArgv(store->redis, count, arguments, lengths) != REDIS_OK)
        return store_fail(store, "Redis: out of memory for a command: %s", store->redis->errstr);
    return STATUS_OK;
}

enum status store_send(struct store *store, const char *const *arguments)
{
    const char *list[STORE_ARGUMENTS_MAXIMUM];
    int count = 0;
    while (arguments[count] && count < STORE_ARGUMENTS_MAXIMUM) {
        list[count] = arguments[count];
        count++;
    }
    return append(store, count, list, NULL);
}

enum status store_send_script(struct store *store, enum store_script script, const char *const *arguments)
{
    const char *list[STORE_ARGUMENTS_MAXIMUM] = {"EVALSHA", store->hashes[script]};
    int count = 2;
    for (; *arguments && count < STORE_ARGUMENTS_MAXIMUM; arguments++)
        list[count++] = *arguments;
    return append(store, count, list, NULL);
}

enum status store_send_script_slices(struct store *store, enum store_script script,
                                     const struct slice *arguments, size_t count)
{
    const char *list[STORE_ARGUMENTS_MAXIMUM] = {"EVALSHA", store->hashes[script]};
    size_t lengths[STORE_ARGUMENTS_MAXIMUM] = {strlen("EVALSHA"), strlen(store->hashes[script])};
    CHECK(count + 2 <= STORE_ARGUMENTS_MAXIMUM);
    for (size_t i = 0; i < count; i++) {
        list[i + 2] = arguments[i].data;
        lengths[i + 2] = arguments[i].length;
    }
    return append(store, (int)count + 2, list, lengths);
}

enum status store_send_slices(struct store *store, const struct slice *arguments, size_t count)
{
    const char *few[STORE_ARGUMENTS_MAXIMUM] = {NULL}; /* gcc 14 warns about a count of 0 */
    size_t few_lengths[STORE_ARGUMENTS_MAXIMUM] = {0};
    bool many = count > STORE_ARGUMENTS_MAXIMUM;
    const char **list = many ? calloc(count, sizeof(*list)) : few;
    size_t *lengths = many ? calloc(count, sizeof(*lengths)) : few_lengths;
    for (size_t i = 0; list && lengths && i < count; i++) {
        list[i] = arguments[i].data;
        lengths[i] = arguments[i].length;
    }
    enum status status;
    if (list && lengths)
        status = append(store, (int)count, list, lengths);
    else
        status = store_fail(store, "out of memory for a command");
    if (many) {
        free(list);
        free(lengths);
    }
    return status;
}

enum status store_receive_any(struct store *store, redisReply **ret_reply)
{
    if (!store->redis)
        return STATUS_DISCONNECTED;
    void *reply = NULL;
    if (redisGetReply(store->redis, &reply) != REDIS_OK || !reply)
        return store_fail(store, "Redis does not answer: %s", store->redis->errstr);
    *ret_reply = reply;
    return STATUS_OK;
}

enum store_fault store_fault_of(const redisReply *reply)
{
    /* Searched anywhere: before Redis 7 a script's error begins with its location. */
    static const char *const of_redis[] = {"OOM ",     "MISCONF ",     "NOREPLICAS ", "READONLY ",
                                           "LOADING ", "BUSY ",        "NOPERM ",     "MASTERDOWN ",
                                           "NOAUTH ",  "CLUSTERDOWN ", "UNKILLABLE "};
    /* BROKEN is from our scripts; the others are Redis' and Lua's texts for values of a wrong type. */
    static const char *const of_keys[] = {"BROKEN ",     "WRONGTYPE",      "not an integer",
                                          "attempt to ", "bad argument #", "last possible ID"};

    for (size_t i = 0; i < sizeof(of_redis) / sizeof(of_redis[0]); i++) {
        if (strstr(reply->str, of_redis[i]))
            return FAULT_REDIS;
    }
    for (size_t i = 0; i < sizeof(of_keys) / sizeof(of_keys[0]); i++) {
        if (strstr(reply->str, of_keys[i]))
            return FAULT_KEYS;
    }
    return strncmp(reply->str, "ERR ", 4) == 0 ? FAULT_UNKNOWN : FAULT_REDIS;
}

enum status store_refuse_reply(struct store *store, const redisReply *reply)
{
    if (strncmp(reply->str, "MOVED", 5) == 0 || strncmp(reply->str, "ASK ", 4) == 0 ||
        strncmp(reply->str, "CLUSTER", 7) == 0 || strncmp(reply->str, "CROSSSLOT", 9) == 0)
        return store_fail(store, "REDIS_URL names a Redis Cluster, which value-svc cannot use; use a "
                                 "primary with replicas under Sentinel");
    return store_fail(store, "Redis refuses: %.150s", reply->str);
}

enum status store_receive(struct store *store, redisReply **ret_reply)
{
    redisReply *reply = NULL;
    enum status status = store_receive_any(store, &reply);
    if (status != STATUS_OK || !reply)
        return status;
    if (reply->type == REDIS_REPLY_ERROR) {
        status = store_refuse_reply(store, reply);
        freeReplyObject(reply);
        return status;
    }
    *ret_reply = reply;
    return STATUS_OK;
}

enum status store_scan(struct store *store, uint64_t *cursor, const char *pattern, const char *count,
                       redisReply **ret_reply)
{
    char from[24];
    snprintf(from, sizeof(from), "%" PRIu64, *cursor);
    enum status status =
        store_send(store, (const char *const[]){"SCAN", from, "MATCH", pattern, "COUNT", count, NULL});
    redisReply *reply = NULL;
    if (status == STATUS_OK)
        status = store_receive(store, &reply);
    if (status != STATUS_OK)
        return status;
    if (!reply || reply->type != REDIS_REPLY_ARRAY || reply->elements != 2 ||
        reply->element[0]->type != REDIS_REPLY_STRING || reply->element[1]->type != REDIS_REPLY_ARRAY) {
        freeReplyObject(reply);
        return store_fail(store, "SCAN gave an unexpected reply");
    }
    *cursor = strtoull(reply->element[0]->str, NULL, 10);
    *ret_reply = reply;
    return STATUS_OK;
}

enum status store_receive_done(struct store *store, size_t count)
{
    enum status status = STATUS_OK;
    for (size_t i = 0; i < count && status == STATUS_OK; i++) {
        redisReply *reply = NULL;
        status = store_receive(store, &reply);
        if (status == STATUS_OK)
            freeReplyObject(reply);
    }
    return status;
}

enum status store_run_command(struct store *store, const char *const *arguments)
{
    enum status status = store_send(store, arguments);
    return status == STATUS_OK ? store_receive_done(store, 1) : status;
}

enum status store_receive_integer(struct store *store, int64_t *ret_integer)
{
    redisReply *reply = NULL;
    enum status status = store_receive(store, &reply);
    if (status != STATUS_OK)
        return status;
    *ret_integer = store_integer(reply);
    freeReplyObject(reply);
    return STATUS_OK;
}

enum status store_send_wait(struct store *store)
{
    char replicas[16];
    snprintf(replicas, sizeof(replicas), "%d", store->options.wait_replicas);
    char limit[24];
    snprintf(limit, sizeof(limit), "%" PRId64, store->options.timeout_ms / 2);
    return store_send(store, (const char *const[]){"WAIT", replicas, limit, NULL});
}

enum status store_receive_wait(struct store *store)
{
    int64_t replicas = 0;
    enum status status = store_receive_integer(store, &replicas);
    if (status != STATUS_OK || replicas >= store->options.wait_replicas)
        return status;
    return store_fail(store, "only %" PRId64 " of %d replicas have the batch (REDIS_WAIT_REPLICAS)", replicas,
                      store->options.wait_replicas);
}

void store_measure(struct store *store)
{
    if (store->options.latency && store->sent_ns != 0)
        metric_observe_ns(store->options.latency, clock_monotonic_ns() - store->sent_ns);
    store->sent_ns = 0;
}

int64_t store_integer(const redisReply *reply)
{
    if (reply && reply->type == REDIS_REPLY_INTEGER)
        return reply->integer;
    return reply && reply->type == REDIS_REPLY_STRING ? strtoll(reply->str, NULL, 10) : 0;
}

bool store_info_field(const char *info, const char *name, char *out, size_t size)
{
    const char *at = strstr(info, name);
    if (!at)
        return false;
    at += strlen(name);
    size_t length = strcspn(at, "\r\n");
    if (length == 0 || length >= size)
        return false;
    memcpy(out, at, length);
    out[length] = '\0';
    return true;
}

void store_user_key(char out[STORE_KEY_SIZE], const char *user_id, const char *suffix)
{
    char token[BASE64URL_LENGTH(ID_MAXIMUM_BYTES) + 1];
    base64url_encode(token, user_id, strlen(user_id));
    snprintf(out, STORE_KEY_SIZE, "p8:{u.%s}%s", token, suffix);
}

void store_industry_key(char out[STORE_ROOM_KEY_SIZE], const char *industry)
{
    char token[BASE64URL_LENGTH(INDUSTRY_NORMALISED_SIZE) + 1];
    base64url_encode(token, industry, strlen(industry));
    snprintf(out, STORE_ROOM_KEY_SIZE, "p8:{i.%s}:history", token);
}

/* ---- refused writes --------------------------------------------------------------------------------- */

void store_note_applied(struct store *store, bool applied)
{
    store->refused = !applied;
    store->refusals = applied ? 0 : store->refusals + 1;
}

bool store_refused(const struct store *store)
{
    return store->refused;
}

static enum status wait_replicas(struct store *store)
{
    enum status status = store_send_wait(store);
    return status == STATUS_OK ? store_receive_wait(store) : status;
}

enum status store_probe(struct store *store)
{
    enum status status =
        store_run_command(store, (const char *const[]){"SET", STORE_KEY_PROBE, "", "PX", "60000", NULL});
    if (status == STATUS_OK && store->options.wait_replicas > 0)
        status = wait_replicas(store);
    store->sent_ns = 0;
    if (status == STATUS_OK)
        store->refused = false;
    else
        store->refusals++;
    return status;
}
