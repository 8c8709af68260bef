/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * The broker's own line protocol; HGET of every user's sum; what sentinels say.
 */
#include "stores.h"

#include <hiredis/hiredis.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "broker_line.h"
#include "common/base64url.h"
#include "ledger.h"
#include "load_number.h"

#define ANSWER_BYTES 16384
#define ANSWER_S     2

/* What the broker answers to a request, NUL-terminated; 0: nothing that has `marker` in it. */
static size_t ask_broker(const struct ring *ring, const char *subject, const char *marker,
                         char answer[ANSWER_BYTES + 1])
{
    struct timeval limit = {.tv_sec = ANSWER_S};
    char line[256];
    size_t length = 0;
    bool found = false;
    int fd = broker_line_open(ring->nats->port, "SUB chaos.answer 1\r\n");

    if (fd < 0)
        return 0;
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
    snprintf(line, sizeof(line), "%s chaos.answer", subject);
    if (broker_line_publish(fd, line, "", 0)) {
        for (;;) {
            ssize_t more = recv(fd, answer + length, ANSWER_BYTES - length, 0);
            const char *at;
            if (more <= 0)
                break;
            length += (size_t)more;
            answer[length] = 0;
            at = strstr(answer, "MSG chaos.answer");
            at = at ? strstr(at, marker) : NULL;
            found = at && strcmp(answer + length - 3, "}\r\n") == 0;
            if (found)
                break;
        }
    }
    close(fd);
    return found ? length : 0;
}

bool stores_stream_number(const struct ring *ring, const char *subject, const char *member,
                          uint64_t *ret_number)
{
    char answer[ANSWER_BYTES + 1];
    char marker[64];
    const char *at;
    size_t length;

    snprintf(marker, sizeof(marker), "\"%s\":", member);
    length = ask_broker(ring, subject, marker, answer);
    if (length == 0)
        return false;
    at = strstr(strstr(answer, "MSG chaos.answer"), marker) + strlen(marker);
    *ret_number = read_number(&at, answer + length);
    return true;
}

bool stores_stream_idle(const struct ring *ring)
{
    char answer[ANSWER_BYTES + 1];
    const char *at = answer;
    size_t length = ask_broker(ring, "$JS.API.CONSUMER.LIST.POLLEN8_EVENTS", "\"num_pending\":", answer);

    while (length > 0 && (at = strstr(at, "\"num_ack_pending\":"))) {
        uint64_t open;
        const char *pending = strstr(at, "\"num_pending\":");
        at += strlen("\"num_ack_pending\":");
        open = read_number(&at, answer + length);
        if (!pending)
            break;
        pending += strlen("\"num_pending\":");
        if (open == 0 && read_number(&pending, answer + length) == 0)
            return true;
    }
    return false;
}

/* ---- Redis ------------------------------------------------------------------------------------------ */

static redisContext *dial(const struct part *part, uint32_t limit_ms)
{
    struct timeval limit = {.tv_sec = limit_ms / 1000, .tv_usec = limit_ms % 1000 * 1000};
    redisContext *redis = redisConnectWithTimeout("127.0.0.1", part->port, limit);

    if (redis && redis->err == 0 && redisSetTimeout(redis, limit) == REDIS_OK)
        return redis;
    if (redis)
        redisFree(redis);
    return NULL;
}

/* The port that one sentinel names; 0: none. */
static uint16_t named_port(const struct part *sentinel)
{
    redisContext *redis = dial(sentinel, RING_ASK_MS);
    redisReply *reply = redis ? redisCommand(redis, "SENTINEL get-master-addr-by-name " RING_PRIMARY) : NULL;
    uint16_t port = 0;

    if (reply && reply->type == REDIS_REPLY_ARRAY && reply->elements == 2)
        port = (uint16_t)strtoul(reply->element[1]->str, NULL, 10);
    if (reply)
        freeReplyObject(reply);
    if (redis)
        redisFree(redis);
    return port;
}

struct part *stores_primary(const struct ring *ring)
{
    uint32_t votes[RING_REDISES_MAXIMUM] = {0};

    if (ring->redis_count == 1)
        return ring->redises[0];
    for (uint32_t i = 0; i < ring->redis_count; i++) {
        uint16_t port = ring->sentinels[i]->process.pid ? named_port(ring->sentinels[i]) : 0;
        for (uint32_t k = 0; k < ring->redis_count; k++)
            if (ring->redises[k]->wire_port == port && ++votes[k] > ring->redis_count / 2)
                return ring->redises[k];
    }
    return NULL;
}

static bool has_replicas(redisContext *redis, uint32_t replicas)
{
    redisReply *reply = redisCommand(redis, "INFO replication");
    uint32_t online = 0;

    if (reply && reply->type == REDIS_REPLY_STRING && strstr(reply->str, "role:master"))
        for (const char *at = reply->str; (at = strstr(at, "state=online")); at++)
            online++;
    if (reply)
        freeReplyObject(reply);
    return online == replicas;
}

/* The epoch was made on the server that runs now, and its replay is done. */
static bool is_replayed(redisContext *redis)
{
    redisReply *server = redisCommand(redis, "INFO server");
    redisReply *epoch = redisCommand(redis, "HMGET p8:epoch epoch replayed run_id");
    bool replayed = server && server->type == REDIS_REPLY_STRING && epoch &&
                    epoch->type == REDIS_REPLY_ARRAY && epoch->elements == 3;

    for (size_t i = 0; i < 3 && replayed; i++)
        replayed = epoch->element[i]->type == REDIS_REPLY_STRING;
    replayed = replayed && strcmp(epoch->element[0]->str, epoch->element[1]->str) == 0 &&
               strstr(server->str, epoch->element[2]->str);
    if (server)
        freeReplyObject(server);
    if (epoch)
        freeReplyObject(epoch);
    return replayed;
}

bool stores_settled(const struct ring *ring)
{
    const struct part *primary = stores_primary(ring);
    redisContext *redis = primary ? dial(primary, RING_ASK_MS) : NULL;
    bool settled = redis && has_replicas(redis, ring->redis_count - 1) && is_replayed(redis);

    if (redis)
        redisFree(redis);
    return settled;
}

bool stores_fail_over(const struct ring *ring)
{
    for (uint32_t i = 0; i < ring->redis_count; i++) {
        redisContext *redis = ring->sentinels[i]->process.pid ? dial(ring->sentinels[i], RING_ASK_MS) : NULL;
        redisReply *reply = redis ? redisCommand(redis, "SENTINEL FAILOVER " RING_PRIMARY) : NULL;
        bool begun = reply && reply->type == REDIS_REPLY_STATUS;

        if (reply)
            freeReplyObject(reply);
        if (redis)
            redisFree(redis);
        if (begun)
            return true;
    }
    return false;
}

static bool read_counts(redisContext *redis, uint32_t *counts, uint32_t users)
{
    for (uint32_t user = 0; user < users; user++) {
        char id[32];
        char token[64];
        snprintf(id, sizeof(id), LEDGER_USER, user);
        base64url_encode(token, id, strlen(id));
        redisAppendCommand(redis, "HGET p8:{u.%s}:net connections", token);
    }
    for (uint32_t user = 0; user < users; user++) {
        void *reply = NULL;
        const redisReply *count;
        if (redisGetReply(redis, &reply) != REDIS_OK)
            return false;
        count = reply;
        counts[user] = count->type == REDIS_REPLY_STRING ? (uint32_t)strtoul(count->str, NULL, 10) : 0;
        freeReplyObject(reply);
    }
    return true;
}

bool stores_counts(const struct ring *ring, uint32_t *counts, uint32_t users)
{
    const struct part *primary = stores_primary(ring);
    redisContext *redis = primary ? dial(primary, ANSWER_S * 1000) : NULL;
    bool read = redis && read_counts(redis, counts, users);

    if (redis)
        redisFree(redis);
    return read;
}
