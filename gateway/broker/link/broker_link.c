/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 *   in    readable -> one recv -> operations -> the owner's message(), PONGs to those who wait for them
 *   out   SUB, UNSUB, PUB, PING gathered during a turn -> one send at its end
 *
 * PINGs and PONGs come in order, so that counting both shows which PONG answers which PING.
 */
#include "broker/link/broker_link.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>
#include <uv.h>

#include "base/gateway.h"
#include "base/timer_wheel.h"
#include "broker/link/dialer.h"
#include "common/clock.h"
#include "common/json.h"
#include "common/log.h"

#define INPUT_BYTES      ((size_t)256 * 1024)
#define BODY_MAXIMUM     ((size_t)8 * 1024 * 1024)
#define OUTPUT_MAXIMUM   ((size_t)256 * 1024 * 1024)
#define PUBLISH_MAXIMUM  ((size_t)16 * 1024 * 1024) /* bytes; if more wait, nothing more is published */
#define PAYLOAD_DEFAULT  (1024 * 1024)
#define HANDSHAKE_MS     2000
#define PING_INTERVAL_MS 15000
#define PINGS_UNANSWERED 2

enum link_state { LINK_DOWN, LINK_GREETING, LINK_LEARNING, LINK_UP };

struct broker_link {
    struct gateway *gateway;
    const struct broker_link_handlers *handlers;
    uv_loop_t *loop;
    struct dialer *dialer;
    enum link_state state;
    atomic_bool up;
    bool was_up;              /* at any time */
    bool held;                /* not reading: the owner cannot take more */
    bool watch_write;         /* the socket is full */
    bool subscribed;          /* since the last PING */
    bool secret;              /* part of the output must be wiped */
    bool urgent;              /* part of the output must not wait */
    int descriptor;           /* -1: DOWN */
    int unanswered;           /* keepalive PINGs without an answer, in a row */
    uv_poll_t *poll;          /* freed by its close callback */
    struct wheel_timer timer; /* end of the handshake, keepalive */
    char *list;               /* owned; the servers' texts */
    char *name;               /* owned */
    struct broker_server servers[BROKER_SERVERS];
    const struct broker_server *server; /* the one connected to */
    size_t payload_maximum;             /* as stated by the server */
    struct buf output;
    size_t output_sent;
    char *input; /* owned; read but not yet parsed: [input_start, input_end) */
    size_t input_start;
    size_t input_end;
    size_t input_capacity;
    uint64_t pings;
    uint64_t pongs;
    struct link_waiters waiters;
};

static void on_socket(uv_poll_t *poll, int status, int events);

/* ---- the connection ----------------------------------------------------------------------------------- */

static void free_handle(uv_handle_t *handle)
{
    free(handle);
}

/* Drops the output: nothing of it is needed any more. */
static void clear_output(struct broker_link *link)
{
    if (link->secret)
        explicit_bzero(link->output.data, link->output.length);
    link->secret = link->urgent = false;
    if (link->output.capacity > INPUT_BYTES)
        buf_done(&link->output);
    buf_clear(&link->output);
    link->output_sent = 0;
}

/* Releases everything that belongs to the connection. */
static void reset(struct broker_link *link)
{
    if (link->poll) {
        link->poll->data = NULL;
        uv_close((uv_handle_t *)link->poll, free_handle);
        link->poll = NULL;
    }
    if (link->descriptor >= 0)
        close(link->descriptor);
    link->descriptor = -1;
    clear_output(link);
    link->input_start = link->input_end = 0;
    link->held = link->watch_write = link->subscribed = false;
    link->pings = link->pongs = 0;
    link->unanswered = 0;
    link->state = LINK_DOWN;
    atomic_store(&link->up, false);
    timer_wheel_cancel(link->gateway->wheel, &link->timer);
}

static void lose(struct broker_link *link, const char *why)
{
    bool was_up = link->state == LINK_UP;
    if (link->state == LINK_DOWN)
        return;
    log_event_limited(LOG_WARN, "a connection to NATS is lost", LOG_S("connection", link->name),
                      LOG_S("server", link->server->host.name), LOG_S("reason", why));
    reset(link);
    dialer_start(link->dialer);
    if (was_up)
        link->handlers->event(link->gateway, BROKER_LINK_LOST);
    link_waiters_call(&link->waiters, UINT64_MAX, STATUS_DISCONNECTED);
}

static void watch(struct broker_link *link)
{
    int events = (link->held ? 0 : UV_READABLE) | (link->watch_write ? UV_WRITABLE : 0);
    if (events)
        uv_poll_start(link->poll, events, on_socket);
    else
        uv_poll_stop(link->poll);
}

static void on_connected(void *context, int descriptor, const struct broker_server *server)
{
    struct broker_link *link = context;
    link->descriptor = descriptor;
    link->server = server;
    link->poll = calloc(1, sizeof(*link->poll));
    if (!link->poll || uv_poll_init(link->loop, link->poll, descriptor) != 0) {
        free(link->poll);
        link->poll = NULL;
        reset(link);
        dialer_start(link->dialer);
        return;
    }
    link->poll->data = link;
    link->state = LINK_GREETING;
    timer_wheel_arm(link->gateway->wheel, &link->timer, link->gateway->now_ms + HANDSHAKE_MS);
    watch(link);
}

/* ---- out ---------------------------------------------------------------------------------------------- */

static void flush(struct broker_link *link)
{
    if (link->descriptor < 0)
        return;
    while (link->output_sent < link->output.length) {
        ssize_t sent = send(link->descriptor, link->output.data + link->output_sent,
                            link->output.length - link->output_sent, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (sent < 0 && errno == EINTR)
            continue;
        if (sent < 0 && errno != EAGAIN) {
            lose(link, strerror(errno));
            return;
        }
        if (sent < 0)
            break;
        link->output_sent += (size_t)sent;
    }
    bool left = link->output_sent < link->output.length;
    if (!left)
        clear_output(link);
    if (left != link->watch_write) {
        link->watch_write = left;
        watch(link);
    }
}

static bool speaks(const struct broker_link *link)
{
    return link->state == LINK_LEARNING || link->state == LINK_UP;
}

/* Ends the connection if something could not be queued: the next connection sends it. */
static void said(struct broker_link *link, enum status status)
{
    if (status != STATUS_OK)
        lose(link, "out of memory");
}

static void ping(struct broker_link *link)
{
    link->pings++;
    link->subscribed = false;
    said(link, buf_append_string(&link->output, "PING\r\n"));
}

void broker_link_subscribe(struct broker_link *link, const char *subject, uint64_t subscription)
{
    if (!speaks(link))
        return;
    link->subscribed = true;
    said(link, broker_subscribe_append(&link->output, subject, subscription));
}

void broker_link_unsubscribe(struct broker_link *link, uint64_t subscription)
{
    if (speaks(link))
        said(link, broker_unsubscribe_append(&link->output, subscription));
}

enum status broker_link_publish(struct broker_link *link, const char *subject, const char *reply,
                                struct slice data, bool secret)
{
    size_t before = link->output.length;
    if (link->state != LINK_UP)
        return STATUS_DISCONNECTED;
    if (data.length > link->payload_maximum)
        return STATUS_PAYLOAD_TOO_LARGE;
    if (before - link->output_sent > PUBLISH_MAXIMUM)
        return STATUS_FULL;
    link->secret |= secret;
    link->urgent = true;
    enum status status = broker_publish_append(&link->output, subject, reply, data);
    if (status != STATUS_OK)
        link->output.length = before;
    return status;
}

size_t broker_link_payload_maximum(const struct broker_link *link)
{
    return link->payload_maximum;
}

/* ---- who waits for the server ------------------------------------------------------------------------- */

bool broker_link_settled(const struct broker_link *link)
{
    return link->state == LINK_UP && !link->subscribed && link->pings == link->pongs;
}

void broker_link_then(struct broker_link *link, link_waiter_fn *function, void *context)
{
    /* the PING that covers the latest subscriptions goes out at the end of the turn */
    uint64_t number = link->subscribed ? link->pings + 1 : link->pings;
    if (!speaks(link))
        function(context, STATUS_DISCONNECTED);
    else if (broker_link_settled(link))
        function(context, STATUS_OK);
    else if (link_waiters_add(&link->waiters, number, function, context) != STATUS_OK)
        function(context, STATUS_NO_MEMORY);
}

/* ---- in ----------------------------------------------------------------------------------------------- */

static size_t read_payload_maximum(struct slice info)
{
    json_t *object = NULL;
    json_int_t maximum = 0;
    if (json_parse(info, &object, NULL, 0) == STATUS_OK)
        maximum = json_integer_value(json_object_get(object, "max_payload"));
    json_decref(object);
    return maximum > 0 ? (size_t)maximum : PAYLOAD_DEFAULT;
}

static void greet(struct broker_link *link, struct slice info)
{
    if (link->state != LINK_GREETING)
        return; /* a later INFO: the cluster has changed */
    link->state = LINK_LEARNING;
    link->payload_maximum = read_payload_maximum(info);
    said(link, broker_connect_append(&link->output, link->server, link->name));
    if (link->state == LINK_LEARNING)
        link->handlers->subscribe(link->gateway);
    if (link->state == LINK_LEARNING)
        ping(link);
}

static void take_pong(struct broker_link *link)
{
    if (link->pongs == link->pings) {
        lose(link, "a PONG without a PING");
        return;
    }
    link->pongs++;
    link->unanswered = 0;
    if (link->state == LINK_LEARNING) {
        enum broker_link_event event = link->was_up ? BROKER_LINK_AGAIN : BROKER_LINK_FIRST;
        link->state = LINK_UP;
        link->was_up = true;
        dialer_succeeded(link->dialer);
        atomic_store(&link->up, true);
        timer_wheel_arm(link->gateway->wheel, &link->timer, link->gateway->now_ms + PING_INTERVAL_MS);
        link->handlers->event(link->gateway, event);
    }
    link_waiters_call(&link->waiters, link->pongs, STATUS_OK);
}

static void take(struct broker_link *link, const struct broker_operation *operation)
{
    switch (operation->kind) {
    case BROKER_MESSAGE: link->handlers->message(link->gateway, operation); break;
    case BROKER_PING:
        link->urgent = true;
        said(link, buf_append_string(&link->output, "PONG\r\n"));
        break;
    case BROKER_PONG: take_pong(link); break;
    case BROKER_INFO: greet(link, operation->text); break;
    case BROKER_ERROR:
        log_event_limited(LOG_WARN, "NATS complains", LOG_SLICE("text", operation->text));
        break;
    case BROKER_OK: break;
    }
}

/* Handles what has been read. Whether the owner could take all of it. */
static bool parse(struct broker_link *link)
{
    struct broker_operation operation;
    size_t size = 0;
    enum status status = STATUS_OK;
    while (link->descriptor >= 0 && link->input_start < link->input_end) {
        if (!link->handlers->ready(link->gateway))
            return false;
        struct slice rest = slice_make(link->input + link->input_start, link->input_end - link->input_start);
        status = broker_operation_read(rest, BODY_MAXIMUM, &operation, &size);
        if (status != STATUS_OK)
            break;
        link->input_start += size;
        take(link, &operation);
    }
    if (link->descriptor < 0)
        return true;
    if (status == STATUS_MALFORMED)
        lose(link, "it does not speak the protocol");
    else if (link->input_start == link->input_end)
        link->input_start = link->input_end = 0;
    return true;
}

/* Makes room for the rest of a message that needs `size` bytes in all. */
static bool make_room(struct broker_link *link, size_t size)
{
    size_t count = link->input_end - link->input_start;
    size_t capacity = size > INPUT_BYTES ? size : INPUT_BYTES;
    if (link->input_start)
        memmove(link->input, link->input + link->input_start, count);
    link->input_start = 0;
    link->input_end = count;
    if (capacity == link->input_capacity || count > capacity)
        return true;
    char *input = realloc(link->input, capacity);
    if (!input)
        return false;
    link->input = input;
    link->input_capacity = capacity;
    return true;
}

static size_t size_needed(const struct broker_link *link)
{
    struct broker_operation operation;
    struct slice rest = slice_make(link->input + link->input_start, link->input_end - link->input_start);
    size_t size = 0;
    if (rest.length == 0 || broker_operation_read(rest, BODY_MAXIMUM, &operation, &size) != STATUS_NOT_FOUND)
        return 0;
    return size;
}

static void hold(struct broker_link *link, bool held)
{
    if (held == link->held)
        return;
    link->held = held;
    watch(link);
}

static void read_some(struct broker_link *link)
{
    if ((link->input_start > 0 || link->input_end == link->input_capacity) &&
        !make_room(link, size_needed(link))) {
        lose(link, "out of memory");
        return;
    }
    ssize_t length = recv(link->descriptor, link->input + link->input_end,
                          link->input_capacity - link->input_end, MSG_DONTWAIT);
    if (length < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (length <= 0) {
        lose(link, length == 0 ? "it has closed the connection" : strerror(errno));
        return;
    }
    link->input_end += (size_t)length;
    if (!parse(link))
        hold(link, true);
}

static void on_socket(uv_poll_t *poll, int status, int events)
{
    struct broker_link *link = poll->data;
    if (!link)
        return;
    link->gateway->now_ms = clock_monotonic_ms();
    if (events & UV_WRITABLE)
        flush(link);
    if (link->poll == poll && (events & UV_READABLE || status < 0))
        read_some(link);
}

bool broker_link_turn(struct broker_link *link)
{
    if (link->held && parse(link))
        hold(link, false);
    bool ask = speaks(link) && link->subscribed && link_waiters_any(&link->waiters);
    /* One PING at a time: a PONG is a write for the server. Later subscriptions wait for the next PING. */
    bool wait = ask && link->state == LINK_UP && link->pings != link->pongs;
    if (ask && !wait)
        ping(link);
    if (link->state != LINK_DOWN && !link->watch_write && (!wait || link->urgent))
        flush(link);
    return link->held && link->handlers->ready(link->gateway);
}

/* ---- life --------------------------------------------------------------------------------------------- */

static void timer_fired(void *context, struct wheel_timer *timer)
{
    struct broker_link *link = TIMER_OWNER(timer, struct broker_link, timer);
    struct gateway *gateway = context;
    if (link->state != LINK_UP) {
        lose(link, "it does not answer");
    } else if (++link->unanswered > PINGS_UNANSWERED) {
        lose(link, "it does not answer PING");
    } else {
        timer_wheel_arm(gateway->wheel, timer, gateway->now_ms + PING_INTERVAL_MS);
        ping(link);
    }
}

enum status broker_link_create(struct gateway *gateway, struct uv_loop_s *loop, const char *url,
                               const char *name, const struct broker_link_handlers *handlers,
                               struct broker_link **ret_link)
{
    size_t count = 0;
    struct broker_link *link = calloc(1, sizeof(*link));
    if (!link)
        return STATUS_NO_MEMORY;
    link->gateway = gateway;
    link->loop = loop;
    link->handlers = handlers;
    link->descriptor = -1;
    link->timer.fire = timer_fired;
    link->input_capacity = INPUT_BYTES;
    link->input = malloc(INPUT_BYTES);
    link->list = strdup(url);
    link->name = strdup(name);
    buf_init(&link->output, OUTPUT_MAXIMUM);
    enum status status = link->input && link->list && link->name ? STATUS_OK : STATUS_NO_MEMORY;
    if (status == STATUS_OK)
        status = broker_servers_parse(link->list, link->servers, &count);
    if (status == STATUS_OK) {
        link->dialer = dialer_create(gateway, loop, link->servers, count, on_connected, link);
        status = link->dialer ? STATUS_OK : STATUS_NO_MEMORY;
    }
    if (status != STATUS_OK) {
        broker_link_free(link);
        return status;
    }
    dialer_start(link->dialer);
    *ret_link = link;
    return STATUS_OK;
}

bool broker_link_up(const struct broker_link *link)
{
    return atomic_load(&link->up);
}

void broker_link_stop(struct broker_link *link)
{
    dialer_stop(link->dialer);
    reset(link);
    link_waiters_call(&link->waiters, UINT64_MAX, STATUS_DISCONNECTED);
}

void broker_link_free(struct broker_link *link)
{
    if (!link)
        return;
    dialer_free(link->dialer);
    buf_done(&link->output);
    link_waiters_done(&link->waiters);
    free(link->input);
    free(link->list);
    free(link->name);
    free(link);
}
