/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * From the url to a connection: the one host, or the primary that a sentinel names and that says itself
 * that it is one (a sentinel may be late with the news of a failover).
 */
#include <sys/time.h>

#include "store_internal.h"

static redisContext *dial(const struct store *store, const char *host, int port)
{
    struct timeval limit = {.tv_sec = store->options.timeout_ms / 1000,
                            .tv_usec = (store->options.timeout_ms % 1000) * 1000};
    redisContext *redis = redisConnectWithTimeout(host, port, limit);

    /* Reconnecting keeps none of these, so every connection is made here. */
    if (redis && !redis->err && redisSetTimeout(redis, limit) == REDIS_OK)
        redisEnableKeepAlive(redis);
    return redis;
}

static enum status dial_into(struct store *store, const char *host, int port)
{
    redisContext *redis = dial(store, host, port);

    store->redis = redis;
    if (!redis)
        return store_fail(store, "Redis %s:%d: out of memory", host, port);
    if (redis->err)
        return store_fail(store, "Redis %s:%d: %s", host, port, redis->errstr);
    return STATUS_OK;
}

/* The address of the primary as one sentinel knows it. */
static bool ask(struct store *store, const struct host *sentinel, struct host *primary)
{
    redisContext *redis = dial(store, sentinel->name, sentinel->port);
    redisReply *reply = NULL;
    bool found = false;

    if (redis && !redis->err)
        reply = redisCommand(redis, "SENTINEL get-master-addr-by-name %s", store->options.url->service);
    if (reply && reply->type == REDIS_REPLY_ARRAY && reply->elements == 2 &&
        reply->element[0]->type == REDIS_REPLY_STRING && reply->element[0]->len < sizeof primary->name) {
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

/* ROLE needs AUTH on a protected server: the check comes with its own. */
static enum status check_primary(struct store *store)
{
    const struct store_url *url = store->options.url;
    redisReply *reply = NULL;
    bool primary;

    if (url->user[0] != '\0')
        reply = redisCommand(store->redis, "AUTH %s %s", url->user, url->password);
    else if (url->password[0] != '\0')
        reply = redisCommand(store->redis, "AUTH %s", url->password);
    if (reply)
        freeReplyObject(reply);
    reply = redisCommand(store->redis, "ROLE");
    primary = reply && reply->type == REDIS_REPLY_ARRAY && reply->elements > 0 &&
              reply->element[0]->type == REDIS_REPLY_STRING && strcmp(reply->element[0]->str, "master") == 0;
    if (reply)
        freeReplyObject(reply);
    return primary ? STATUS_OK : store_fail(store, "the server that the sentinels name is not a primary yet");
}

enum status store_open(struct store *store)
{
    const struct store_url *url = store->options.url;
    struct host primary;
    enum status status;

    if (!url->sentinel)
        return dial_into(store, url->hosts[0].name, url->hosts[0].port);
    for (size_t i = 0; i < url->host_count; i++) {
        if (!ask(store, &url->hosts[i], &primary))
            continue;
        status = dial_into(store, primary.name, primary.port);
        return status == STATUS_OK ? check_primary(store) : status;
    }
    return store_fail(store, "no sentinel knows the primary `%s`", url->service);
}
