/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * The real loop and the real port, on a free one of 127.0.0.1, and a client on a thread of its own that blocks
 * where a client may. What the library calls, and what ends a turn, is the test's.
 */
#ifndef POLLEN8_TESTS_GATEWAY_NET_RIG_H
#define POLLEN8_TESTS_GATEWAY_NET_RIG_H

#include "base_rig.h"

#include <arpa/inet.h>
#include <libwebsockets.h>
#include <netinet/in.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/log.h"
#include "common/ops/lifecycle.h"
#include "net/listener.h"
#include "net/loop.h"
#include "net/socket.h"
#include "net/websocket.h"

#define NET_LIMIT_S 20

struct net_rig {
    struct base_rig base;
    bool (*turn)(struct gateway *gateway); /* NULL: nothing, as the next; whether there is more to do */
    void (*polled)(struct gateway *gateway);
    void (*close)(struct gateway *gateway);
    void (*free)(struct gateway *gateway);
    unsigned turns;
    unsigned stops;
    unsigned reloads;
    const char *(*client)(void); /* what is wrong, or NULL */
    const char *wrong;
    pthread_mutex_t lock;
    pthread_cond_t done;
    void (*wanted)(void); /* lock: to be done by the loop */
    bool (*asked)(void);  /* lock: to be asked of the loop at the end of each turn */
    bool is;              /* lock: what it said */
    bool over;            /* lock: the client has ended */
};

/* One at a time: the loop's handlers know the gateway alone. */
static struct net_rig net_rig;

static inline bool net_rig_turn(struct gateway *gateway)
{
    bool more;

    pthread_mutex_lock(&net_rig.lock);
    timer_wheel_advance(gateway->wheel, gateway->now_ms);
    if (net_rig.wanted)
        net_rig.wanted();
    net_rig.wanted = NULL;
    net_rig.turns++;
    more = net_rig.turn && net_rig.turn(gateway);
    websockets_end_turn(gateway);
    sockets_end_turn(gateway);
    net_rig.is = net_rig.asked && net_rig.asked();
    if (net_rig.over)
        loop_end(gateway->loop);
    pthread_cond_broadcast(&net_rig.done);
    pthread_mutex_unlock(&net_rig.lock);
    return more;
}

static inline void net_rig_polled(struct gateway *gateway)
{
    if (net_rig.polled)
        net_rig.polled(gateway);
}

static inline void net_rig_close(struct gateway *gateway)
{
    listener_stop(gateway->listener);
    websockets_end_turn(gateway);
    sockets_stop(gateway);
    if (net_rig.close)
        net_rig.close(gateway);
}

static inline void net_rig_free(struct gateway *gateway)
{
    websockets_end_turn(gateway);
    if (net_rig.free)
        net_rig.free(gateway);
}

static inline void net_rig_stopped(struct gateway *gateway)
{
    (void)gateway;
    net_rig.stops++;
}

static inline void net_rig_reload(struct gateway *gateway)
{
    (void)gateway;
    net_rig.reloads++;
}

/* Everything of the rig but the base is zeroed; the tables are static. */
static inline void net_rig_start(const struct lws_protocols *protocols, const struct lws_http_mount *mounts,
                                 int64_t max_sessions)
{
    static char address[] = "127.0.0.1";
    const struct loop_handlers handlers = {.turn = net_rig_turn,
                                           .polled = net_rig_polled,
                                           .close = net_rig_close,
                                           .free = net_rig_free,
                                           .stop = net_rig_stopped,
                                           .reload = net_rig_reload,
                                           .protocols = protocols,
                                           .mounts = mounts};
    char error[200] = "";

    memset(&net_rig, 0, sizeof(net_rig));
    base_rig_start(&net_rig.base, 100);
    pthread_mutex_init(&net_rig.lock, NULL);
    pthread_cond_init(&net_rig.done, NULL);
    net_rig.base.settings.listen_address = address;
    net_rig.base.settings.max_sessions = max_sessions;
    net_rig.base.settings.write_timeout = 20000;
    net_rig.base.settings.body_timeout = 30000;
    if (loop_create(&net_rig.base.gateway, &handlers, error, sizeof(error)) != STATUS_OK)
        fail_msg("%s", error);
}

static inline void net_rig_stop(void)
{
    struct gateway *gateway = &net_rig.base.gateway;

    listener_free(gateway->listener);
    loop_free(gateway->loop);
    base_rig_stop(&net_rig.base);
    pthread_cond_destroy(&net_rig.done);
    pthread_mutex_destroy(&net_rig.lock);
}

static inline void *net_rig_client(void *argument)
{
    net_rig.wrong = net_rig.client();
    pthread_mutex_lock(&net_rig.lock);
    net_rig.over = true;
    pthread_mutex_unlock(&net_rig.lock);
    loop_wake(net_rig.base.gateway.loop);
    return argument;
}

/* Runs the loop until the client has ended, and says what it found wrong. */
static inline void net_rig_run(const char *(*client)(void))
{
    pthread_t thread;

    net_rig.client = client;
    assert_int_equal(pthread_create(&thread, NULL, net_rig_client, NULL), 0);
    loop_run(net_rig.base.gateway.loop);
    pthread_join(thread, NULL);
    if (net_rig.wrong)
        fail_msg("%s", net_rig.wrong);
}

/* ---- for the client's thread --------------------------------------------------------------------------- */

#define EXPECT(condition)                                                                                    \
    do {                                                                                                     \
        if (!(condition))                                                                                    \
            return __FILE__ ": " #condition;                                                                 \
    } while (0)

/* Has the loop do something, and waits until it has. */
static inline void net_do(void (*wanted)(void))
{
    pthread_mutex_lock(&net_rig.lock);
    net_rig.wanted = wanted;
    loop_wake(net_rig.base.gateway.loop);
    while (net_rig.wanted)
        pthread_cond_wait(&net_rig.done, &net_rig.lock);
    pthread_mutex_unlock(&net_rig.lock);
}

/* Waits until the loop says so at the end of a turn; it is woken, or left to wake by itself. False: it never
 * says so. */
static inline bool net_until_woken(bool (*so)(void), bool wake)
{
    struct timespec limit;
    int error = 0;
    bool is;

    clock_gettime(CLOCK_REALTIME, &limit);
    limit.tv_sec += NET_LIMIT_S;
    pthread_mutex_lock(&net_rig.lock);
    net_rig.asked = so;
    net_rig.is = false;
    while (!net_rig.is && error != ETIMEDOUT) {
        if (wake)
            loop_wake(net_rig.base.gateway.loop);
        error = pthread_cond_timedwait(&net_rig.done, &net_rig.lock, &limit);
    }
    is = net_rig.is;
    net_rig.asked = NULL;
    pthread_mutex_unlock(&net_rig.lock);
    return is;
}

static inline bool net_until(bool (*so)(void))
{
    return net_until_woken(so, true);
}

/* -1: refused. */
static inline int net_connect(uint16_t port)
{
    const struct timeval limit = {.tv_sec = NET_LIMIT_S};
    struct sockaddr_in address = {
        .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int descriptor = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    (void)setsockopt(descriptor, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
    if (connect(descriptor, (struct sockaddr *)&address, sizeof(address)) == 0)
        return descriptor;
    close(descriptor);
    return -1;
}

static inline bool net_send(int descriptor, const char *text)
{
    return send(descriptor, text, strlen(text), MSG_NOSIGNAL) == (ssize_t)strlen(text);
}

/* Reads until what has come ends with `ending`; false: it never does. `out` is NUL-terminated. */
static inline bool net_receive(int descriptor, char *out, size_t size, const char *ending)
{
    size_t length = 0;

    out[0] = '\0';
    while (length + 1 < size) {
        ssize_t got = recv(descriptor, out + length, size - 1 - length, 0);

        if (got <= 0)
            return false;
        length += (size_t)got;
        out[length] = '\0';
        if (length >= strlen(ending) && strcmp(out + length - strlen(ending), ending) == 0)
            return true;
    }
    return false;
}

/* Nothing more comes: the connection is closed. */
static inline bool net_closed(int descriptor)
{
    char byte;

    ssize_t got = recv(descriptor, &byte, 1, 0);
    return got == 0 || (got < 0 && errno == ECONNRESET);
}

#endif
