/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * The broker's own line protocol, and HGET of every user's sum.
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

bool stores_stream_number(const struct ring *ring, const char *subject, const char *member,
                          uint64_t *ret_number)
{
    struct timeval limit = {.tv_sec = ANSWER_S};
    char answer[ANSWER_BYTES + 1];
    char line[256];
    char marker[64];
    size_t length = 0;
    bool found = false;
    int fd = broker_line_open(ring->nats->port, "SUB chaos.answer 1\r\n");

    if (fd < 0)
        return false;
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    snprintf(line, sizeof line, "%s chaos.answer", subject);
    snprintf(marker, sizeof marker, "\"%s\":", member);
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
            if (at && strchr(at, '}')) {
                at += strlen(marker);
                *ret_number = read_number(&at, answer + length);
                found = true;
                break;
            }
        }
    }
    close(fd);
    return found;
}

static bool read_counts(redisContext *redis, uint32_t *counts, uint32_t users)
{
    for (uint32_t user = 0; user < users; user++) {
        char id[32];
        char token[64];
        snprintf(id, sizeof id, LEDGER_USER, user);
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
    struct timeval limit = {.tv_sec = ANSWER_S};
    redisContext *redis = redisConnectWithTimeout("127.0.0.1", ring->redis->port, limit);
    bool read;

    read = redis && redis->err == 0 && redisSetTimeout(redis, limit) == REDIS_OK &&
           read_counts(redis, counts, users);
    if (redis)
        redisFree(redis);
    return read;
}
