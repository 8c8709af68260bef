/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * The floor: a WebSocket broadcaster of epoll and send() alone, fed by the broker, without library, token or
 * queue. What a real server adds is measured against it.
 *   send   one send() of a framed message a socket
 *   batch  all messages of one read from the broker in one send() a socket
 *   uring  as send, but the sends of a message go through io_uring together
 * Rooms are ?room= and ?user= of the request; subjects industry.<room> and user.<user>. A socket that does
 * not take everything at once is closed: the load client counts it as lost.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>
#ifdef POLLEN8_BENCH_URING
#include <liburing.h>
#endif

#include "arguments.h"
#include "broker_line.h"
#include "limit_handshake.h"
#include "limit_rooms.h"

#define EVENTS_A_TURN   1024
#define INPUT_BYTES     ((size_t)1 << 18)
#define TOUCHED_MAXIMUM 4096
#define BACKLOG         4096

enum sending { SENDING_EACH, SENDING_BATCH, SENDING_URING };

struct server {
    enum sending sending;
    int epoll;
    int listener;
    int broker;
    char *input; /* owned: what the broker sent and is not yet used */
    size_t input_length;
    struct room *touched[TOUCHED_MAXIMUM]; /* rooms something waits for */
    size_t touched_count;
#ifdef POLLEN8_BENCH_URING
    struct io_uring ring;
#endif
};

static void drop(int fd)
{
    room_leave_all(fd);
    close(fd);
}

/* Walks backwards: a socket that leaves is replaced by one that has had the message. */
static void send_to_room(struct room *room)
{
    for (size_t i = room->count; i-- > 0;) {
        int fd = room->sockets[i];
        if (send(fd, room->waiting, room->waiting_length, MSG_NOSIGNAL | MSG_DONTWAIT) !=
            (ssize_t)room->waiting_length)
            drop(fd);
    }
}

#ifdef POLLEN8_BENCH_URING
static void ring_to_room(struct server *server, const struct room *room)
{
    struct io_uring_cqe *completion;
    unsigned head;

    for (size_t i = 0; i < room->count;) {
        unsigned wanted = 0;
        unsigned seen = 0;

        for (; wanted < EVENTS_A_TURN && i < room->count; wanted++, i++) {
            struct io_uring_sqe *entry = io_uring_get_sqe(&server->ring);
            if (!entry)
                break;
            io_uring_prep_send(entry, room->sockets[i], room->waiting, room->waiting_length,
                               MSG_NOSIGNAL | MSG_DONTWAIT);
            io_uring_sqe_set_data64(entry, (uint64_t)room->sockets[i]);
        }
        io_uring_submit_and_wait(&server->ring, wanted);
        io_uring_for_each_cqe(&server->ring, head, completion)
        {
            if (completion->res != (int)room->waiting_length)
                shutdown((int)io_uring_cqe_get_data64(completion), SHUT_RDWR);
            seen++;
        }
        io_uring_cq_advance(&server->ring, seen);
    }
}
#endif

static void deliver(struct server *server)
{
    for (size_t i = 0; i < server->touched_count; i++) {
        struct room *room = server->touched[i];
#ifdef POLLEN8_BENCH_URING
        if (server->sending == SENDING_URING)
            ring_to_room(server, room);
        else
#endif
            send_to_room(room);
        room->waiting_length = 0;
    }
    server->touched_count = 0;
}

static void take_message(struct server *server, const char *name, size_t name_length, const char *data,
                         size_t length)
{
    struct room *room = room_find(name, name_length, false);

    if (!room || length > 65535)
        return;
    if (room->waiting_length == 0) {
        if (server->touched_count == TOUCHED_MAXIMUM)
            deliver(server);
        server->touched[server->touched_count++] = room;
    }
    room_gather(room, data, length);
    if (server->sending != SENDING_BATCH)
        deliver(server);
}

/* `MSG <kind>.<name> <sid> <length>`, then the bytes: the start of the next line, NULL where some are
 * missing. */
static const char *take_line(struct server *server, const char *line, const char *line_end, const char *end)
{
    const char *name;
    const char *number;
    size_t length;

    if (strncmp(line, "PING", 4) == 0) {
        if (send(server->broker, "PONG\r\n", 6, MSG_NOSIGNAL) != 6)
            exit(1);
        return line_end + 1;
    }
    if (strncmp(line, "MSG ", 4) != 0)
        return line_end + 1;
    name = memchr(line, '.', (size_t)(line_end - line));
    for (number = line_end; number[-1] != ' '; number--)
        ;
    length = strtoul(number, NULL, 10);
    if ((size_t)(end - line_end - 1) < length + 2)
        return NULL;
    if (name)
        take_message(server, name + 1, strcspn(name + 1, " "), line_end + 1, length);
    return line_end + 1 + length + 2;
}

static void broker_read(struct server *server)
{
    ssize_t received =
        recv(server->broker, server->input + server->input_length, INPUT_BYTES - 1 - server->input_length, 0);
    const char *at = server->input;
    const char *end;
    const char *line_end;

    if (received <= 0)
        exit(0); /* the broker has gone: the run is over */
    server->input_length += (size_t)received;
    server->input[server->input_length] = 0;
    end = server->input + server->input_length;
    while ((line_end = memchr(at, '\n', (size_t)(end - at)))) {
        const char *next = take_line(server, at, line_end, end);
        if (!next)
            break;
        at = next;
    }
    deliver(server);
    server->input_length = (size_t)(end - at);
    memmove(server->input, at, server->input_length);
}

static void join_parameter(int fd, const char *request, const char *name)
{
    const char *value = strstr(request, name);

    if (value) {
        value += strlen(name);
        room_join(room_find(value, strcspn(value, "& "), true), fd);
    }
}

static void client_read(int fd)
{
    char request[4096];
    char answer[256];
    size_t length;
    ssize_t received = recv(fd, request, sizeof(request) - 1, 0);

    if (received < 0 && errno == EAGAIN)
        return;
    if (received <= 0) {
        drop(fd);
        return;
    }
    if (room_joined(fd))
        return; /* a pong: nobody asked */
    request[received] = 0;
    length = handshake_answer(request, answer, sizeof(answer));
    if (length == 0 || send(fd, answer, length, MSG_NOSIGNAL) != (ssize_t)length) {
        drop(fd);
        return;
    }
    join_parameter(fd, request, "room=");
    join_parameter(fd, request, "user=");
}

static void watch(const struct server *server, int fd)
{
    struct epoll_event event = {.events = EPOLLIN, .data.fd = fd};

    if (epoll_ctl(server->epoll, EPOLL_CTL_ADD, fd, &event) != 0)
        close(fd);
}

static void accept_all(const struct server *server)
{
    int one = 1;
    int fd;

    while ((fd = accept4(server->listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0) {
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
        watch(server, fd);
    }
}

static int listen_on(uint16_t port)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port)};
    int one = 1;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (fd < 0)
        return -1;
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
    if (bind(fd, (const struct sockaddr *)&address, sizeof(address)) == 0 && listen(fd, BACKLOG) == 0)
        return fd;
    close(fd);
    return -1;
}

static void serve(struct server *server)
{
    struct epoll_event events[EVENTS_A_TURN];

    for (;;) {
        int count = epoll_wait(server->epoll, events, EVENTS_A_TURN, -1);
        for (int i = 0; i < count; i++) {
            int fd = events[i].data.fd;
            if (fd == server->broker)
                broker_read(server);
            else if (fd == server->listener)
                accept_all(server);
            else
                client_read(fd);
        }
    }
}

static bool sending_chosen(struct server *server, const char *name)
{
    if (strcmp(name, "send") == 0)
        server->sending = SENDING_EACH;
    else if (strcmp(name, "batch") == 0)
        server->sending = SENDING_BATCH;
#ifdef POLLEN8_BENCH_URING
    else if (strcmp(name, "uring") == 0 && io_uring_queue_init(EVENTS_A_TURN, &server->ring, 0) == 0)
        server->sending = SENDING_URING;
#endif
    else
        return false;
    return true;
}

int main(int argc, char **argv)
{
    static struct server server;
    const char *sending = argv[argc - 1];

    if (argc != 4 && (argc != 3 || strcmp(argv[1], "--check") != 0)) {
        fputs("usage: bench-limit PORT BROKER_PORT send|batch|uring\n"
              "       bench-limit --check send|batch|uring   (exit status 3: cannot be had here)\n",
              stderr);
        return 2;
    }
    if (!sending_chosen(&server, sending)) {
        fprintf(stderr, "bench-limit: '%s' cannot be had here\n", sending);
        return 3;
    }
    if (argc == 3)
        return 0;
    raise_file_limit();
    server.input = malloc(INPUT_BYTES);
    server.epoll = epoll_create1(EPOLL_CLOEXEC);
    server.listener = listen_on((uint16_t)argument_number("PORT", argv[1], 1, 65535));
    server.broker = broker_line_open((uint16_t)argument_number("BROKER_PORT", argv[2], 1, 65535),
                                     "SUB industry.* 1\r\nSUB user.* 2\r\n");
    if (!server.input || server.epoll < 0 || server.listener < 0 || server.broker < 0) {
        perror("bench-limit");
        return 1;
    }
    watch(&server, server.listener);
    watch(&server, server.broker);
    serve(&server);
}
