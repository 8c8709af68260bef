/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * A server by its process id: written configuration -> fork -> ready when it answers.
 */
#include "redis_server.h"

#include <arpa/inet.h>
#include <ftw.h>
#include <hiredis/hiredis.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/base64url.h"
#include "common/clock.h"
#include "common/rng.h"

#define PAUSE_NS 5000000L
/* Below those that the system gives to outgoing connections: nobody takes a port while its server is stopped,
 * not even one who keeps trying to connect to it. */
#define PORT_FIRST 15000
#define PORT_COUNT 17000

static void pause_briefly(void)
{
    const struct timespec pause = {.tv_nsec = PAUSE_NS};

    nanosleep(&pause, NULL);
}

void rig_until(bool (*holds)(void *context), void *context, const char *what)
{
    uint64_t end = clock_monotonic_ms() + RIG_PATIENCE_MS;

    while (!holds(context)) {
        if (clock_monotonic_ms() > end)
            fail_msg("waited in vain until %s", what);
        pause_briefly();
    }
}

int rig_free_port(void)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int port = 0;

    for (int i = 0; i < 100 && port == 0; i++) {
        int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        int candidate = PORT_FIRST + (int)rng_below(PORT_COUNT);

        assert_true(fd >= 0);
        address.sin_port = htons((uint16_t)candidate);
        if (bind(fd, (struct sockaddr *)&address, sizeof(address)) == 0)
            port = candidate;
        close(fd);
    }
    assert_true(port != 0);
    return port;
}

/* ---- Redis ------------------------------------------------------------------------------------------ */

static void prepare_redis(struct redis_server *redis)
{
    redis->port = rig_free_port();
    snprintf(redis->folder, sizeof(redis->folder), "/tmp/pollen8-redis-XXXXXX");
    assert_non_null(mkdtemp(redis->folder));
    snprintf(redis->url, sizeof(redis->url), "redis://127.0.0.1:%d", redis->port);
}

void redis_init(struct redis_server *redis, bool durable)
{
    *redis = (struct redis_server){.durable = durable};
    prepare_redis(redis);
    redis_start(redis);
}

void redis_init_replica(struct redis_server *redis, const struct redis_server *primary)
{
    *redis = (struct redis_server){.durable = true, .primary = primary->port};
    prepare_redis(redis);
    redis_start(redis);
}

void redis_init_sentinel(struct redis_server *redis, const struct redis_server *primary)
{
    *redis = (struct redis_server){.watched = primary->port};
    prepare_redis(redis);
    redis_start(redis);
}

/* One configuration file for all kinds, written again at each start. */
static bool configure(const struct redis_server *redis, const char *path)
{
    FILE *file = fopen(path, "w");

    if (!file)
        return false;
    fprintf(file, "port %d\nbind 127.0.0.1\ndir %s\nlogfile redis.log\n", redis->port, redis->folder);
    if (redis->watched)
        fprintf(file,
                "sentinel monitor main 127.0.0.1 %d 1\nsentinel down-after-milliseconds main 1000\n"
                "sentinel failover-timeout main 3000\n",
                redis->watched);
    else
        fprintf(file, "save \"\"\nappendonly %s\nappendfsync always\nrepl-diskless-sync-delay 0\n",
                redis->durable ? "yes" : "no");
    if (redis->primary)
        fprintf(file, "replicaof 127.0.0.1 %d\n", redis->primary);
    return fclose(file) == 0;
}

static void run_redis(const struct redis_server *redis)
{
    char path[96];

    snprintf(path, sizeof(path), "%s/redis.conf", redis->folder);
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (configure(redis, path))
        execlp("redis-server", "redis-server", path, redis->watched ? "--sentinel" : (char *)NULL,
               (char *)NULL);
    _exit(127);
}

static bool redis_answers(void *context)
{
    const struct redis_server *redis = context;
    redisContext *connection = redisConnect("127.0.0.1", redis->port);
    redisReply *reply = NULL;
    bool answers;

    if (connection && !connection->err)
        reply = redisCommand(connection, "PING");
    answers = reply && reply->type == REDIS_REPLY_STATUS;
    if (reply)
        freeReplyObject(reply);
    if (connection)
        redisFree(connection);
    return answers;
}

void redis_start(struct redis_server *redis)
{
    redis->pid = fork();
    if (redis->pid == 0)
        run_redis(redis);
    assert_true(redis->pid > 0);
    rig_until(redis_answers, redis, "Redis answers");
}

void redis_stop(struct redis_server *redis, int signal)
{
    if (redis->pid <= 0)
        return;
    kill(redis->pid, signal);
    waitpid(redis->pid, NULL, 0);
    redis->pid = 0;
}

static int remove_one(const char *path, const struct stat *status, int type, struct FTW *place)
{
    (void)status;
    (void)type;
    (void)place;
    return remove(path);
}

void redis_done(struct redis_server *redis)
{
    redis_stop(redis, SIGKILL);
    nftw(redis->folder, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

int64_t redis_integer(struct redis_server *redis, const char *format, ...)
{
    redisContext *connection = redisConnect("127.0.0.1", redis->port);
    redisReply *reply = NULL;
    int64_t integer = -1;
    va_list arguments;

    assert_true(connection && !connection->err);
    va_start(arguments, format);
    reply = redisvCommand(connection, format, arguments);
    va_end(arguments);
    assert_non_null(reply);
    if (reply->type == REDIS_REPLY_ERROR)
        fail_msg("%s", reply->str);
    if (reply->type == REDIS_REPLY_INTEGER)
        integer = reply->integer;
    else if (reply->type == REDIS_REPLY_STRING)
        integer = strtoll(reply->str, NULL, 10);
    else if (reply->type == REDIS_REPLY_ARRAY)
        integer = (int64_t)reply->elements;
    freeReplyObject(reply);
    redisFree(connection);
    return integer;
}

int64_t redis_sum(struct redis_server *redis, const char *user_id)
{
    char token[256];

    base64url_encode(token, user_id, strlen(user_id));
    return redis_integer(redis, "HGET p8:{u.%s}:net connections", token);
}
