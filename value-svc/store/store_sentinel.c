/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * From the url to a connection: the one host, or the primary. The primary is the server that a majority of
 * the sentinels names, and that itself reports that role. A single sentinel may be cut off, or learn late of
 * a failover.
 */
#include <sys/time.h>

#include "store/store_internal.h"

#define SENTINEL_WAIT_MS 500 /* a silent one must not delay the others for long */

static redisContext *dial(int64_t timeout_ms, const char *host, int port)
{
    struct timeval limit = {.tv_sec = timeout_ms / 1000, .tv_usec = (timeout_ms % 1000) * 1000};
    redisContext *redis = redisConnectWithTimeout(host, port, limit);
    /* hiredis' reconnect keeps none of these settings, so every connection is made here. */
    if (redis && !redis->err && redisSetTimeout(redis, limit) == REDIS_OK)
        redisEnableKeepAlive(redis);
    return redis;
}

static enum status dial_into(struct store *store, const char *host, int port)
{
    redisContext *redis = dial(store->options.timeout_ms, host, port);
    store->redis = redis;
    if (!redis)
        return store_fail(store, "Redis %s:%d: out of memory", host, port);
    if (redis->err)
        return store_fail(store, "Redis %s:%d: %s", host, port, redis->errstr);
    return STATUS_OK;
}

/* The address of the primary as one sentinel knows it. */
static bool ask(const struct store *store, const struct host *sentinel, struct host *primary)
{
    int64_t wait_ms =
        store->options.timeout_ms < SENTINEL_WAIT_MS ? store->options.timeout_ms : SENTINEL_WAIT_MS;
    redisContext *redis = dial(wait_ms, sentinel->name, sentinel->port);
    redisReply *reply = NULL;
    if (redis && !redis->err)
        reply = redisCommand(redis, "SENTINEL get-master-addr-by-name %s", store->options.url->service);
    bool found = false;
    if (reply && reply->type == REDIS_REPLY_ARRAY && reply->elements == 2 &&
        reply->element[0]->type == REDIS_REPLY_STRING && reply->element[0]->len < sizeof(primary->name)) {
        memcpy(primary->name, reply->element[0]->str, reply->element[0]->len + 1);
        primary->port = (uint16_t)store_integer(reply->element[1]);
        found = true;
    }
    if (reply)
        freeReplyObject(reply);
    if (redis)
        redisFree(redis);
    return found;
}

/* ROLE requires AUTH on a protected server, so the check sends its own. */
static enum status check_primary(struct store *store)
{
    const struct store_url *url = store->options.url;
    redisReply *reply = NULL;
    if (url->user[0] != '\0')
        reply = redisCommand(store->redis, "AUTH %s %s", url->user, url->password);
    else if (url->password[0] != '\0')
        reply = redisCommand(store->redis, "AUTH %s", url->password);
    if (reply)
        freeReplyObject(reply);
    reply = redisCommand(store->redis, "ROLE");
    bool primary = reply && reply->type == REDIS_REPLY_ARRAY && reply->elements > 0 &&
                   reply->element[0]->type == REDIS_REPLY_STRING &&
                   strcmp(reply->element[0]->str, "master") == 0;
    if (reply)
        freeReplyObject(reply);
    return primary ? STATUS_OK : store_fail(store, "the server that the sentinels name is not a primary yet");
}

static bool same(const struct host *one, const struct host *other)
{
    return one->port == other->port && strcmp(one->name, other->name) == 0;
}

/* The server that more than half of the configured sentinels name. *ret_answers: how many named any. */
static bool ask_majority(const struct store *store, struct host *primary, size_t *ret_answers)
{
    const struct store_url *url = store->options.url;
    struct host named[STORE_URL_HOSTS_MAXIMUM];
    size_t answers = 0;
    bool agreed = false;
    for (size_t i = 0; i < url->host_count && !agreed; i++) {
        if (!ask(store, &url->hosts[i], &named[answers]))
            continue;
        size_t votes = 0;
        for (size_t other = 0; other <= answers; other++)
            votes += same(&named[other], &named[answers]);
        agreed = votes > url->host_count / 2;
        if (agreed)
            *primary = named[answers];
        answers++;
    }
    *ret_answers = answers;
    return agreed;
}

enum status store_confirm_primary(struct store *store, bool *ret_elected)
{
    *ret_elected = false;
    if (!store->redis)
        return STATUS_DISCONNECTED;
    struct host primary;
    size_t answers;
    if (!store->options.url->sentinel || !ask_majority(store, &primary, &answers))
        return STATUS_OK;
    if (!same(&primary, &store->address))
        return store_fail(store, "the sentinels name another primary");
    *ret_elected = true;
    return STATUS_OK;
}

enum status store_open(struct store *store)
{
    const struct store_url *url = store->options.url;
    if (!url->sentinel)
        return dial_into(store, url->hosts[0].name, url->hosts[0].port);
    size_t answers = 0;
    if (!ask_majority(store, &store->address, &answers)) {
        if (answers == 0)
            return store_fail(store, "no sentinel knows the primary `%s`", url->service);
        return store_fail(store, "no majority of the %zu sentinels names one primary `%s`", url->host_count,
                          url->service);
    }
    enum status status = dial_into(store, store->address.name, store->address.port);
    return status == STATUS_OK ? check_primary(store) : status;
}
