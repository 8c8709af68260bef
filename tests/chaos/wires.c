/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * accept -> who is it -> connect to the server behind -> bytes both ways, while the wire is not cut.
 */
#include "wires.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#define EVENTS_A_TURN 64
#define BUFFER_BYTES  65536
#define PAIRS_MAXIMUM 512

struct end {
    struct pair *pair; /* NULL: listens, or is the control */
    int fd;
    uint32_t events; /* watched; 0: not at all */
    bool ended;      /* nothing more comes */
    size_t start;    /* of what came and is not handed on yet */
    size_t length;
    char bytes[BUFFER_BYTES];
};

struct pair {
    struct end ends[2]; /* who connected, and the server */
    uint32_t number;
    enum wire_cut side; /* the cut that concerns it */
    bool gone;
};

struct relay {
    int epoll;
    int control;
    uint32_t count;
    int listening[WIRES_MAXIMUM];
    uint16_t inner[WIRES_MAXIMUM];
    uint8_t cut[WIRES_MAXIMUM];
    struct pair *pairs[PAIRS_MAXIMUM];
};

static struct sockaddr_in loopback(uint16_t port)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port)};

    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    return address;
}

/* ---- a pair ----------------------------------------------------------------------------------------- */

static struct end *other_of(struct end *end)
{
    return &end->pair->ends[end == &end->pair->ends[0]];
}

static void watch(struct relay *relay, struct end *end)
{
    bool cut = relay->cut[end->pair->number] & end->pair->side;
    struct epoll_event event = {.data.ptr = end};

    if (!cut && !end->ended && end->length < BUFFER_BYTES)
        event.events |= EPOLLIN;
    if (!cut && other_of(end)->length > 0)
        event.events |= EPOLLOUT;
    if (event.events == end->events)
        return;
    epoll_ctl(relay->epoll,
              event.events == 0 ? EPOLL_CTL_DEL
              : end->events     ? EPOLL_CTL_MOD
                                : EPOLL_CTL_ADD,
              end->fd, &event);
    end->events = event.events;
}

/* What has come to it. */
static bool take(struct end *end)
{
    ssize_t more;

    if (end->start > 0) {
        memmove(end->bytes, end->bytes + end->start, end->length);
        end->start = 0;
    }
    if (end->length == BUFFER_BYTES)
        return true;
    more = recv(end->fd, end->bytes + end->length, BUFFER_BYTES - end->length, 0);
    if (more > 0)
        end->length += (size_t)more;
    else if (more == 0)
        end->ended = true;
    else
        return errno == EAGAIN || errno == EINTR;
    return true;
}

/* To the other one. */
static bool hand_on(struct end *end)
{
    ssize_t sent;

    if (end->length == 0)
        return true;
    sent = send(other_of(end)->fd, end->bytes + end->start, end->length, MSG_NOSIGNAL);
    if (sent < 0)
        return errno == EAGAIN || errno == EINTR || errno == ENOTCONN;
    end->start += (size_t)sent;
    end->length -= (size_t)sent;
    return true;
}

static void on_ready(struct relay *relay, struct end *end, uint32_t events)
{
    struct pair *pair = end->pair;

    if (pair->gone || !end->events)
        return;
    if ((events & (EPOLLIN | EPOLLHUP | EPOLLERR)) && !take(end))
        pair->gone = true;
    for (int i = 0; i < 2 && !pair->gone; i++)
        pair->gone = !hand_on(&pair->ends[i]) || (pair->ends[i].ended && pair->ends[i].length == 0);
    for (int i = 0; i < 2 && !pair->gone; i++)
        watch(relay, &pair->ends[i]);
}

static void sweep(struct relay *relay)
{
    for (uint32_t i = 0; i < PAIRS_MAXIMUM; i++) {
        struct pair *pair = relay->pairs[i];
        if (!pair || !pair->gone)
            continue;
        close(pair->ends[0].fd);
        close(pair->ends[1].fd);
        free(pair);
        relay->pairs[i] = NULL;
    }
}

/* ---- connections ------------------------------------------------------------------------------------ */

static struct pair **free_place(struct relay *relay)
{
    for (uint32_t i = 0; i < PAIRS_MAXIMUM; i++)
        if (!relay->pairs[i])
            return &relay->pairs[i];
    return NULL;
}

static void join(struct relay *relay, uint32_t number, int fd, enum wire_cut side)
{
    struct sockaddr_in address = loopback(relay->inner[number]);
    int server = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    struct pair **place = free_place(relay);
    struct pair *pair = place ? calloc(1, sizeof(*pair)) : NULL;
    int one = 1;

    if (!pair || server < 0 ||
        (connect(server, (const struct sockaddr *)&address, sizeof(address)) != 0 && errno != EINPROGRESS)) {
        if (server >= 0)
            close(server);
        close(fd);
        free(pair);
        return;
    }
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
    setsockopt(server, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
    pair->number = number;
    pair->side = side;
    pair->ends[0].fd = fd;
    pair->ends[1].fd = server;
    pair->ends[0].pair = pair->ends[1].pair = pair;
    *place = pair;
    watch(relay, &pair->ends[0]);
    watch(relay, &pair->ends[1]);
}

static void accept_all(struct relay *relay, uint32_t number)
{
    struct sockaddr_in peer;
    socklen_t length = sizeof(peer);
    int fd;

    while ((fd = accept4(relay->listening[number], (struct sockaddr *)&peer, &length,
                         SOCK_CLOEXEC | SOCK_NONBLOCK)) >= 0) {
        bool server = peer.sin_addr.s_addr == inet_addr(WIRES_SERVER_ADDRESS);
        join(relay, number, fd, server ? WIRE_CUT_SERVERS : WIRE_CUT_SERVICES);
        length = sizeof(peer);
    }
}

static void take_order(struct relay *relay)
{
    uint8_t order[2];

    if (read(relay->control, order, sizeof(order)) != sizeof(order))
        _exit(0);
    relay->cut[order[0]] = order[1];
    for (uint32_t i = 0; i < PAIRS_MAXIMUM; i++)
        for (int k = 0; relay->pairs[i] && k < 2; k++)
            watch(relay, &relay->pairs[i]->ends[k]);
}

static _Noreturn void run(struct relay *relay, struct end *heads)
{
    struct epoll_event ready[EVENTS_A_TURN];

    for (;;) {
        int count = epoll_wait(relay->epoll, ready, EVENTS_A_TURN, -1);
        for (int i = 0; i < count; i++) {
            struct end *end = ready[i].data.ptr;
            if (end->pair)
                on_ready(relay, end, ready[i].events);
            else if (end == &heads[relay->count])
                take_order(relay);
            else
                accept_all(relay, (uint32_t)(end - heads));
        }
        sweep(relay);
    }
}

static _Noreturn void become(struct relay *relay, pid_t parent)
{
    static struct end heads[WIRES_MAXIMUM + 1];

    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent)
        _exit(1);
    setpgid(0, 0);
    relay->epoll = epoll_create1(EPOLL_CLOEXEC);
    for (uint32_t i = 0; i <= relay->count; i++) {
        struct epoll_event event = {.events = EPOLLIN, .data.ptr = &heads[i]};
        epoll_ctl(relay->epoll, EPOLL_CTL_ADD, i < relay->count ? relay->listening[i] : relay->control,
                  &event);
    }
    run(relay, heads);
}

/* ---- the other process ------------------------------------------------------------------------------ */

static int listen_at(uint16_t port)
{
    struct sockaddr_in address = loopback(port);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    int one = 1;

    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
    if (fd >= 0 && bind(fd, (const struct sockaddr *)&address, sizeof(address)) == 0 && listen(fd, 128) == 0)
        return fd;
    if (fd >= 0)
        close(fd);
    return -1;
}

bool wires_start(struct wires *wires, const uint16_t *outer, const uint16_t *inner, uint32_t count)
{
    static struct relay relay;
    pid_t parent = getpid();
    bool listening = true;
    int ends[2];

    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) != 0)
        return false;
    relay = (struct relay){.count = count, .control = ends[1]};
    for (uint32_t i = 0; i < count; i++) {
        relay.inner[i] = inner[i];
        relay.listening[i] = listen_at(outer[i]);
        listening = listening && relay.listening[i] >= 0;
    }
    wires->pid = listening ? fork() : -1;
    if (wires->pid == 0)
        become(&relay, parent);
    close(ends[1]);
    for (uint32_t i = 0; i < count; i++)
        if (relay.listening[i] >= 0)
            close(relay.listening[i]);
    wires->control = ends[0];
    if (wires->pid > 0)
        return true;
    wires->pid = 0;
    close(ends[0]);
    return false;
}

void wires_cut(struct wires *wires, uint32_t number, enum wire_cut cut)
{
    uint8_t order[2] = {(uint8_t)number, (uint8_t)cut};

    if (wires->pid)
        (void)send(wires->control, order, sizeof(order), MSG_NOSIGNAL);
}

void wires_end(struct wires *wires)
{
    if (!wires->pid)
        return;
    close(wires->control);
    kill(wires->pid, SIGKILL);
    while (waitpid(wires->pid, NULL, 0) < 0 && errno == EINTR)
        continue;
    wires->pid = 0;
}
