/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 *   the library -- parked_take --> HELD -- answer --> (ANSWERING: unsent bytes) --> closed, or
 *         ^                        | readable: hung up --> closed                            |
 *         +----- readable ------ IDLE <------------------------------------------------------+
 */
#include "http/parked.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>
#include <uv.h>

#include "base/gateway.h"
#include "base/list.h"
#include "base/timer_wheel.h"
#include "common/clock.h"
#include "net/listener.h"

#define EVENTS_A_TURN 128 /* then a turn */
#define IDLE_MS       (LISTENER_KEEPALIVE_S * 1000u)

struct parked {
    struct gateway *gateway;
    parked_gone_fn *gone; /* HELD; NULL: nobody owns it */
    void *owner;
    struct buf rest; /* ANSWERING */
    size_t sent;     /* of that */
    struct wheel_timer timer;
    struct parked *next; /* of all, or of the closed */
    struct parked **link;
    int descriptor; /* -1: closed */
    bool keep_alive;
};

struct parking {
    uv_poll_t poll; /* of the epoll below */
    int epoll;
    struct parked *all;
    struct parked *closed; /* events of this turn may still name them */
};

/* Its descriptor is the caller's. */
static void leave(struct parked *parked)
{
    struct gateway *gateway = parked->gateway;
    parked->descriptor = -1;
    timer_wheel_cancel(gateway->wheel, &parked->timer);
    buf_done(&parked->rest);
    LIST_REMOVE(parked);
    parked->next = gateway->parking->closed;
    gateway->parking->closed = parked;
}

void parked_close(struct parked *parked)
{
    close(parked->descriptor);
    listener_closed(parked->gateway->listener, NULL);
    leave(parked);
}

static void hang_up(struct parked *parked)
{
    parked_gone_fn *gone = parked->gone;
    void *owner = parked->owner;
    parked_close(parked);
    if (gone)
        gone(owner);
}

static void overdue(void *context, struct wheel_timer *timer)
{
    (void)context;
    parked_close(TIMER_OWNER(timer, struct parked, timer));
}

static bool watch(struct parked *parked, int operation, uint32_t events)
{
    struct epoll_event event = {.events = events, .data.ptr = parked};
    return epoll_ctl(parked->gateway->parking->epoll, operation, parked->descriptor, &event) == 0;
}

struct parked *parked_take(struct gateway *gateway, int descriptor, parked_gone_fn *gone, void *owner)
{
    struct parked *parked = calloc(1, sizeof(*parked));
    if (!parked)
        return NULL;
    *parked = (struct parked){.gateway = gateway, .gone = gone, .owner = owner, .timer.fire = overdue};
    parked->descriptor = listener_duplicate(gateway->listener, descriptor);
    if (parked->descriptor < 0 || !watch(parked, EPOLL_CTL_ADD, EPOLLIN | EPOLLRDHUP)) {
        if (parked->descriptor >= 0)
            close(parked->descriptor);
        free(parked);
        return NULL;
    }
    LIST_ADD(&gateway->parking->all, parked);
    if (!gone)
        timer_wheel_arm(gateway->wheel, &parked->timer, gateway->now_ms + IDLE_MS);
    return parked;
}

/* ---- the answer --------------------------------------------------------------------------------------- */

static void answered(struct parked *parked)
{
    struct gateway *gateway = parked->gateway;
    buf_done(&parked->rest);
    if (parked->keep_alive)
        timer_wheel_arm(gateway->wheel, &parked->timer, gateway->now_ms + IDLE_MS);
    else
        parked_close(parked);
}

/* Writes as much of the rest as the kernel accepts. False: the socket is dead. */
static bool send_rest(struct parked *parked)
{
    ssize_t sent = send(parked->descriptor, parked->rest.data + parked->sent,
                        parked->rest.length - parked->sent, MSG_DONTWAIT | MSG_NOSIGNAL);
    if (sent < 0)
        return errno == EAGAIN || errno == EINTR || errno == ENOBUFS;
    parked->sent += (size_t)sent;
    return true;
}

void parked_answer(struct parked *parked, struct buf *bytes, bool keep_alive)
{
    struct gateway *gateway = parked->gateway;
    parked->gone = NULL;
    parked->owner = NULL;
    parked->keep_alive = keep_alive;
    parked->rest = *bytes;
    parked->sent = 0;
    bool alive = send_rest(parked);
    if (alive && parked->sent == parked->rest.length) {
        answered(parked);
    } else if (alive && watch(parked, EPOLL_CTL_MOD, EPOLLOUT)) {
        metrics_add(gateway->metrics, METRIC_PARTIAL_WRITES, 1);
        timer_wheel_arm(gateway->wheel, &parked->timer,
                        gateway->now_ms + (uint64_t)gateway->settings->write_timeout);
    } else {
        parked_close(parked);
    }
}

static void finish(struct parked *parked)
{
    if (!send_rest(parked) || (parked->sent == parked->rest.length && parked->keep_alive &&
                               !watch(parked, EPOLL_CTL_MOD, EPOLLIN | EPOLLRDHUP)))
        parked_close(parked);
    else if (parked->sent == parked->rest.length)
        answered(parked);
}

/* ---- the next request --------------------------------------------------------------------------------- */

static void give_back(struct parked *parked)
{
    struct gateway *gateway = parked->gateway;
    int descriptor = parked->descriptor;
    (void)watch(parked, EPOLL_CTL_DEL, 0);
    leave(parked);
    listener_take_back(gateway->listener, descriptor);
}

static void on_event(struct parked *parked, uint32_t events)
{
    char first;
    if (parked->descriptor < 0)
        return;
    if (parked->rest.length)
        finish(parked);
    else if (parked->gone || (events & EPOLLIN) == 0 ||
             recv(parked->descriptor, &first, 1, MSG_PEEK | MSG_DONTWAIT) <= 0)
        hang_up(parked); /* also if it sends before it was answered */
    else
        give_back(parked);
}

static void on_readable(uv_poll_t *poll, int status, int events)
{
    struct gateway *gateway = poll->data;
    struct epoll_event ready[EVENTS_A_TURN];
    int count = epoll_wait(gateway->parking->epoll, ready, EVENTS_A_TURN, 0);
    (void)status;
    (void)events;
    gateway->now_ms = clock_monotonic_ms();
    for (int i = 0; i < count; i++)
        on_event(ready[i].data.ptr, ready[i].events);
}

/* ---- all of them -------------------------------------------------------------------------------------- */

enum status parking_create(struct gateway *gateway, struct uv_loop_s *loop, struct parking **ret_parking)
{
    struct parking *parking = calloc(1, sizeof(*parking));
    if (!parking)
        return STATUS_NO_MEMORY;
    parking->epoll = epoll_create1(EPOLL_CLOEXEC);
    if (parking->epoll < 0 || uv_poll_init(loop, &parking->poll, parking->epoll) != 0) {
        parking_free(parking);
        return STATUS_NO_MEMORY;
    }
    parking->poll.data = gateway;
    uv_poll_start(&parking->poll, UV_READABLE, on_readable);
    *ret_parking = parking;
    return STATUS_OK;
}

void parking_end_turn(struct gateway *gateway)
{
    struct parked *next = gateway->parking->closed;
    gateway->parking->closed = NULL;
    while (next) {
        struct parked *parked = next;
        next = parked->next;
        free(parked);
    }
}

void parking_stop(struct gateway *gateway)
{
    while (gateway->parking->all)
        hang_up(gateway->parking->all);
    uv_close((uv_handle_t *)&gateway->parking->poll, NULL);
}

void parking_free(struct parking *parking)
{
    if (!parking)
        return;
    if (parking->epoll >= 0)
        close(parking->epoll);
    free(parking);
}
