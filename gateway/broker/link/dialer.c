/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * WAITING (timer) -> RESOLVING -> CONNECTING, one address after the other -> connected, or the next server.
 */
#include "broker/link/dialer.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>
#include <uv.h>

#include "base/gateway.h"
#include "base/timer_wheel.h"
#include "common/log.h"
#include "common/rng.h"

#define CONNECT_MS      2000
#define RETRY_MS        250
#define RETRY_JITTER_MS 750

enum dialer_state { DIALER_IDLE, DIALER_WAITING, DIALER_RESOLVING, DIALER_CONNECTING, DIALER_STOPPED };

struct dialer {
    struct gateway *gateway;
    uv_loop_t *loop;
    const struct broker_server *servers;
    size_t count;
    dialer_connected_fn *connected;
    void *context;
    enum dialer_state state;
    size_t server; /* the one being tried */
    size_t tried;  /* servers tried in this round */
    uv_getaddrinfo_t resolve;
    struct addrinfo *addresses; /* owned; of the server */
    struct addrinfo *next_address;
    int descriptor;           /* CONNECTING */
    uv_poll_t *poll;          /* CONNECTING; freed by its close callback */
    struct wheel_timer timer; /* the pause, or the limit of an attempt */
};

static void try_address(struct dialer *dialer);

/* Tries the next server: at once, or after a pause if all have been tried. */
void dialer_start(struct dialer *dialer)
{
    uint64_t wait_ms = 0;
    if (dialer->state == DIALER_STOPPED)
        return;
    if (dialer->tried >= dialer->count) {
        dialer->tried = 0;
        wait_ms = RETRY_MS + rng_below(RETRY_JITTER_MS);
    }
    dialer->tried++;
    dialer->server = (dialer->server + 1) % dialer->count;
    dialer->state = DIALER_WAITING;
    timer_wheel_arm(dialer->gateway->wheel, &dialer->timer, dialer->gateway->now_ms + wait_ms);
}

void dialer_succeeded(struct dialer *dialer)
{
    dialer->tried = 0;
}

/* ---- names -------------------------------------------------------------------------------------------- */

static void on_resolved(uv_getaddrinfo_t *request, int status, struct addrinfo *addresses)
{
    struct dialer *dialer = request->data;
    if (dialer->state != DIALER_RESOLVING) {
        uv_freeaddrinfo(addresses);
        return;
    }
    if (status != 0) {
        log_event_limited(LOG_WARN, "a NATS server's name is not known",
                          LOG_S("server", dialer->servers[dialer->server].host.name),
                          LOG_S("reason", uv_strerror(status)));
        dialer_start(dialer);
        return;
    }
    dialer->addresses = dialer->next_address = addresses;
    try_address(dialer);
}

static void resolve(struct dialer *dialer)
{
    const struct host *host = &dialer->servers[dialer->server].host;
    const struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM};
    char port[8];
    snprintf(port, sizeof(port), "%u", (unsigned)host->port);
    dialer->resolve.data = dialer;
    dialer->state = DIALER_RESOLVING;
    if (uv_getaddrinfo(dialer->loop, &dialer->resolve, on_resolved, host->name, port, &hints) != 0)
        dialer_start(dialer);
}

/* ---- addresses ---------------------------------------------------------------------------------------- */

static void free_handle(uv_handle_t *handle)
{
    free(handle);
}

static void close_poll(struct dialer *dialer)
{
    if (!dialer->poll)
        return;
    dialer->poll->data = NULL;
    uv_close((uv_handle_t *)dialer->poll, free_handle);
    dialer->poll = NULL;
}

static void give_up(struct dialer *dialer)
{
    close_poll(dialer);
    if (dialer->descriptor >= 0)
        close(dialer->descriptor);
    dialer->descriptor = -1;
}

static void forget_addresses(struct dialer *dialer)
{
    uv_freeaddrinfo(dialer->addresses);
    dialer->addresses = dialer->next_address = NULL;
}

static void on_writable(uv_poll_t *poll, int status, int events)
{
    struct dialer *dialer = poll->data;
    int error = status < 0 ? -status : 0;
    socklen_t size = sizeof(error);
    (void)events;
    if (!dialer)
        return;
    if (!error && getsockopt(dialer->descriptor, SOL_SOCKET, SO_ERROR, &error, &size) != 0)
        error = errno;
    if (error) {
        try_address(dialer);
        return;
    }
    int descriptor = dialer->descriptor;
    dialer->descriptor = -1;
    close_poll(dialer);
    forget_addresses(dialer);
    timer_wheel_cancel(dialer->gateway->wheel, &dialer->timer);
    dialer->state = DIALER_IDLE;
    dialer->connected(dialer->context, descriptor, &dialer->servers[dialer->server]);
}

static bool watch(struct dialer *dialer)
{
    dialer->poll = calloc(1, sizeof(*dialer->poll));
    if (!dialer->poll)
        return false;
    if (uv_poll_init(dialer->loop, dialer->poll, dialer->descriptor) != 0) {
        free(dialer->poll);
        dialer->poll = NULL;
        return false;
    }
    dialer->poll->data = dialer;
    return uv_poll_start(dialer->poll, UV_WRITABLE, on_writable) == 0;
}

/* False: it failed at once. */
static bool start_connecting(struct dialer *dialer, const struct addrinfo *address)
{
    int on = 1;
    dialer->descriptor = socket(address->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (dialer->descriptor < 0)
        return false;
    (void)setsockopt(dialer->descriptor, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    return (connect(dialer->descriptor, address->ai_addr, address->ai_addrlen) == 0 ||
            errno == EINPROGRESS) &&
           watch(dialer);
}

/* Tries the next address of the server, otherwise the next server. */
static void try_address(struct dialer *dialer)
{
    give_up(dialer);
    dialer->state = DIALER_CONNECTING;
    while (dialer->next_address) {
        const struct addrinfo *address = dialer->next_address;
        dialer->next_address = address->ai_next;
        if (start_connecting(dialer, address)) {
            timer_wheel_arm(dialer->gateway->wheel, &dialer->timer, dialer->gateway->now_ms + CONNECT_MS);
            return;
        }
        give_up(dialer);
    }
    forget_addresses(dialer);
    dialer_start(dialer);
}

static void timer_fired(void *context, struct wheel_timer *timer)
{
    struct dialer *dialer = TIMER_OWNER(timer, struct dialer, timer);
    (void)context;
    if (dialer->state == DIALER_WAITING)
        resolve(dialer);
    else if (dialer->state == DIALER_CONNECTING)
        try_address(dialer);
}

/* ---- life --------------------------------------------------------------------------------------------- */

struct dialer *dialer_create(struct gateway *gateway, struct uv_loop_s *loop,
                             const struct broker_server *servers, size_t count,
                             dialer_connected_fn *connected, void *context)
{
    struct dialer *dialer = calloc(1, sizeof(*dialer));
    if (!dialer)
        return NULL;
    dialer->gateway = gateway;
    dialer->loop = loop;
    dialer->servers = servers;
    dialer->count = count;
    dialer->connected = connected;
    dialer->context = context;
    dialer->descriptor = -1;
    dialer->timer.fire = timer_fired;
    dialer->server = rng_below(count); /* spreads gateways over a cluster */
    return dialer;
}

void dialer_stop(struct dialer *dialer)
{
    if (dialer->state == DIALER_RESOLVING)
        (void)uv_cancel((uv_req_t *)&dialer->resolve);
    dialer->state = DIALER_STOPPED;
    timer_wheel_cancel(dialer->gateway->wheel, &dialer->timer);
    give_up(dialer);
    forget_addresses(dialer);
}

void dialer_free(struct dialer *dialer)
{
    free(dialer);
}
