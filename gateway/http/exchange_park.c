/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * held, or answered and kept alive -> fresh -> polled once -> (kept alive: settling -> polled again) ->
 * parked.c, or it stays with the library until its next request
 *
 * A kept-alive connection may leave the library only if the library has read nothing of the next request:
 * such bytes would be lost. There are two ways in which it may have read some.
 *
 *   1. Together with the request. loop_input_waits shows such bytes once the library has seen that the socket
 *      is writable. It waits for that before anything else, and sees it in the next poll. It continues with
 *      the bytes only after we have looked.
 *   2. From the socket meanwhile. Those bytes are missing from the socket.
 */
#include <libwebsockets.h>
#include <linux/tcp.h>
#include <netinet/in.h>
#include <poll.h>
#include <stddef.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include "base/gateway.h"
#include "base/list.h"
#include "http/exchange_internal.h"
#include "http/parked.h"
#include "net/listener.h"
#include "net/loop.h"

/* Bytes that were read from the socket. More may arrive between the two calls, which then count as read. */
static bool read_consumed(int descriptor, uint64_t *ret_consumed)
{
    struct tcp_info info = {0};
    socklen_t length = sizeof(info);
    int unread = 0;
    if (ioctl(descriptor, FIONREAD, &unread) != 0 ||
        getsockopt(descriptor, IPPROTO_TCP, TCP_INFO, &info, &length) != 0 ||
        length < offsetof(struct tcp_info, tcpi_bytes_received) + sizeof(info.tcpi_bytes_received))
        return false;
    *ret_consumed = info.tcpi_bytes_received - (uint64_t)unread;
    return true;
}

void exchange_park(struct exchange *exchange)
{
    struct lws *wsi = exchange->wsi;
    if (exchange->link) /* answered while it settles */
        return;
    exchange->stays = exchange->stays || lws_is_ssl(wsi) || !loop_polling(exchange->gateway->loop) ||
                      !read_consumed(lws_get_socket_fd(wsi), &exchange->consumed);
    if (!exchange->stays)
        LIST_ADD(&exchange->gateway->exchanges->fresh, exchange);
}

void exchange_keep(struct exchange *exchange)
{
    exchange->state = KEPT;
    exchange_park(exchange);
    if (!exchange->link)
        exchange_release(exchange);
}

static void on_gone(void *owner)
{
    exchange_gone(owner);
}

/* False: out of memory, nothing has changed. */
static bool leave_library(struct exchange *exchange)
{
    struct lws *wsi = exchange->wsi;
    struct gateway *gateway = exchange->gateway;
    int descriptor = lws_get_socket_fd(wsi);
    bool held = exchange->state == HELD;
    struct parked *parked = held ? parked_take(gateway, descriptor, on_gone, exchange)
                                 : parked_take(gateway, descriptor, NULL, NULL);
    if (!parked)
        return false;
    lws_set_opaque_user_data(wsi, NULL); /* the library's further events for it are ignored */
    exchange->wsi = NULL;
    listener_let_go(gateway->listener, wsi);
    if (held) {
        exchange->parked = parked;
        exchange->state = PARKED;
    } else {
        exchange_release(exchange);
    }
    return true;
}

static bool may_leave(const struct exchange *exchange, bool input_waits)
{
    uint64_t consumed = 0;
    bool ends = exchange->ending || (exchange->state == HELD && exchange->answered);
    if (ends || lws_partial_buffered(exchange->wsi))
        return false;
    if (!exchange->keep_alive) /* no next request */
        return true;
    return !input_waits && read_consumed(lws_get_socket_fd(exchange->wsi), &consumed) &&
           consumed == exchange->consumed;
}

static void stay_for_good(struct exchange *exchange)
{
    exchange->stays = true;
    if (exchange->state == KEPT && !exchange->ending)
        exchange_release(exchange);
}

static bool writable(const struct exchange *exchange)
{
    struct pollfd descriptor = {.fd = lws_get_socket_fd(exchange->wsi), .events = POLLOUT};
    return poll(&descriptor, 1, 0) == 1 && descriptor.revents == POLLOUT;
}

void exchanges_polled(struct gateway *gateway)
{
    struct exchanges *exchanges = gateway->exchanges;
    bool input_waits = exchanges->settling && loop_input_waits(gateway->loop); /* perhaps of one of these */
    struct exchange *exchange;
    while ((exchange = exchanges->settling)) {
        exchange_stay(exchange);
        if (may_leave(exchange, input_waits) && leave_library(exchange))
            continue;
        stay_for_good(exchange);
    }
    while ((exchange = exchanges->fresh)) {
        exchange_stay(exchange);
        if (!exchange->keep_alive && may_leave(exchange, false) && leave_library(exchange))
            continue;
        if (exchange->keep_alive && writable(exchange))
            LIST_ADD(&exchanges->settling, exchange);
        else
            stay_for_good(exchange);
    }
}
