/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * in:  readable -> one recv into the shared buffer -> frames, unmasked in place -> events->part; an
 *      incomplete frame moves to the socket's own buffer until the rest arrives
 * out: send -> (bytes not accepted) rest -> writable -> send
 */
#include "net/socket.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/gateway.h"
#include "base/list.h"
#include "codec/ws_frame.h"
#include "common/clock.h"
#include "common/utf8.h"
#include "net/listener.h"
#include "net/websocket_internal.h"

#define EVENTS_A_TURN   128  /* then comes a turn */
#define EXTRA_MAXIMUM   4096 /* of control frames behind a rest */
#define CLOSE_WAIT_MS   5000 /* for the client's part of the closing handshake */
#define CLOSE_LOOK_MS   500
#define CONTROL_MAXIMUM (WS_FRAME_CONTROL_MAXIMUM + WS_FRAME_HEADER_MAXIMUM)

struct socket_rest {
    size_t sent;
    size_t length;
    size_t extra;
    char bytes[];
};
_Static_assert(sizeof(struct socket_rest) <= 24, "stated in socket.h");

static const struct socket_events *events_of(const struct websocket *websocket)
{
    return websocket->gateway->sockets->events;
}

/* ---- watching ----------------------------------------------------------------------------------------- */

static void watch(struct websocket *websocket)
{
    uint32_t events = (websocket->reading ? EPOLLIN : 0u) | (websocket->rest ? EPOLLOUT : 0u);
    struct epoll_event event = {.events = events, .data.ptr = websocket};
    if (events == websocket->watched)
        return;
    websocket->watched = events;
    (void)epoll_ctl(websocket->gateway->sockets->epoll, EPOLL_CTL_MOD, websocket->descriptor, &event);
}

void socket_watch(struct websocket *websocket)
{
    watch(websocket);
    if (websocket->reading && websocket->input && !websocket->link)
        LIST_ADD(&websocket->gateway->sockets->resumed, websocket);
}

enum status socket_adopt(struct websocket *websocket, int descriptor)
{
    struct sockets *sockets = websocket->gateway->sockets;
    struct epoll_event event = {.events = websocket->reading ? EPOLLIN : 0u, .data.ptr = websocket};
    if (epoll_ctl(sockets->epoll, EPOLL_CTL_ADD, descriptor, &event) != 0)
        return STATUS_NO_MEMORY;
    websocket->watched = event.events;
    websocket->descriptor = descriptor;
    return STATUS_OK;
}

void socket_done(struct websocket *websocket)
{
    LIST_REMOVE(websocket);
    close(websocket->descriptor);
    websocket->descriptor = -1;
    free(websocket->rest);
    websocket->rest = NULL;
    if (websocket->input) {
        buf_done(websocket->input);
        free(websocket->input);
        websocket->input = NULL;
    }
    listener_closed(websocket->gateway->listener, NULL);
}

/* ---- out ---------------------------------------------------------------------------------------------- */

/* Bytes accepted; -1: the socket is dead. */
static ssize_t send_some(const struct websocket *websocket, const void *bytes, size_t length)
{
    ssize_t sent = send(websocket->descriptor, bytes, length, MSG_DONTWAIT | MSG_NOSIGNAL);
    if (sent >= 0)
        return sent;
    return errno == EAGAIN || errno == EINTR || errno == ENOBUFS ? 0 : -1;
}

static bool keep(struct websocket *websocket, const char *bytes, size_t length)
{
    struct socket_rest *rest = malloc(sizeof(*rest) + length);
    if (!rest)
        return false;
    *rest = (struct socket_rest){.length = length};
    memcpy(rest->bytes, bytes, length);
    websocket->rest = rest;
    watch(websocket);
    return true;
}

/* Control frames wait behind the rest; more than fit are dropped. */
static bool keep_more(struct websocket *websocket, const void *bytes, size_t length)
{
    struct socket_rest *rest = websocket->rest;
    if (rest->extra + length > EXTRA_MAXIMUM)
        return true;
    struct socket_rest *longer = realloc(rest, sizeof(*rest) + rest->length + length);
    if (!longer)
        return false;
    memcpy(longer->bytes + longer->length, bytes, length);
    longer->length += length;
    longer->extra += length;
    websocket->rest = longer;
    return true;
}

bool socket_write(struct websocket *websocket, const void *bytes, size_t length)
{
    if (websocket->rest)
        return keep_more(websocket, bytes, length);
    ssize_t sent = send_some(websocket, bytes, length);
    if (sent == (ssize_t)length)
        return true;
    return sent >= 0 && keep(websocket, (const char *)bytes + sent, length - (size_t)sent);
}

static void write_control(struct websocket *websocket, enum ws_opcode opcode, struct slice payload)
{
    unsigned char frame[CONTROL_MAXIMUM];
    size_t header = ws_frame_header(frame, opcode, payload.length);
    if (payload.length)
        memcpy(frame + header, payload.data, payload.length);
    (void)socket_write(websocket, frame, header + payload.length); /* a dead socket says so when it is read */
}

/* The socket accepts more. False: it is gone, and the websocket may be gone too. */
static bool finish(struct websocket *websocket)
{
    struct socket_rest *rest = websocket->rest;
    ssize_t sent = send_some(websocket, rest->bytes + rest->sent, rest->length - rest->sent);
    if (sent < 0) {
        events_of(websocket)->closed(websocket);
        return false;
    }
    rest->sent += (size_t)sent;
    bool all = rest->sent == rest->length;
    if (all) {
        free(rest);
        websocket->rest = NULL;
        watch(websocket);
    }
    if (sent > 0)
        events_of(websocket)->unblocked(websocket, all);
    return true;
}

/* ---- in ----------------------------------------------------------------------------------------------- */

/* Handles the client's part of a close, or its request for one. The websocket is gone afterwards. */
static void take_close(struct websocket *websocket, struct slice payload)
{
    unsigned code = payload.length >= 2
                        ? (unsigned)(unsigned char)payload.data[0] << 8 | (unsigned char)payload.data[1]
                        : 0;
    struct slice reason =
        payload.length > 2 ? slice_make(payload.data + 2, payload.length - 2) : (struct slice){0};
    if (!websocket->closing && (payload.length == 1 || (payload.length >= 2 && !ws_close_code_valid(code))))
        payload = SLICE_LITERAL("\x03\xea"); /* 1002 */
    else if (!websocket->closing && !utf8_valid(reason))
        payload = SLICE_LITERAL("\x03\xef"); /* 1007 */
    else if (payload.length > 2)
        payload.length = 2;
    if (!websocket->closing)
        write_control(websocket, WS_CLOSE, payload);
    (void)shutdown(websocket->descriptor, SHUT_WR);
    events_of(websocket)->closed(websocket);
}

/* Returns whether the websocket still exists. */
static bool take_frame(struct websocket *websocket, const struct ws_client_frame *frame, struct slice payload)
{
    switch (frame->opcode) {
    case WS_CLOSE: take_close(websocket, payload); return false;
    case WS_PING:
        if (!websocket->closing)
            write_control(websocket, WS_PONG, payload);
        break;
    case WS_PONG: events_of(websocket)->pong(websocket); break;
    default:
        if (websocket->kind && (frame->opcode == WS_CONTINUATION) != (websocket->fragments != NULL))
            events_of(websocket)->refuse(websocket,
                                         1002); /* a message inside a message, or a continuation of none */
        else
            events_of(websocket)->part(websocket, frame->opcode != WS_CONTINUATION,
                                       frame->opcode == WS_BINARY, frame->final, payload);
        break;
    }
    return true;
}

/* Processes the bytes from *at on. Returns whether the websocket still exists; *at is moved past what was
 * used. */
static bool take_frames(struct websocket *websocket, char *bytes, size_t length, size_t *at)
{
    uint64_t maximum = (uint64_t)websocket->gateway->settings->max_payload;
    struct ws_client_frame frame;
    while (*at < length && (websocket->reading || websocket->closing)) {
        if (websocket->skip) {
            size_t skipped = websocket->skip < length - *at ? (size_t)websocket->skip : length - *at;
            websocket->skip -= skipped;
            *at += skipped;
            continue;
        }
        enum status status = ws_client_frame_read(slice_make(bytes + *at, length - *at), &frame);
        if (status == STATUS_NOT_FOUND)
            break;
        if (status != STATUS_OK) {
            events_of(websocket)->refuse(websocket, 1002);
            websocket->skip = UINT64_MAX; /* nothing that follows can be read */
            continue;
        }
        if (frame.length > maximum) {
            events_of(websocket)->failed(websocket, STATUS_FULL);
            websocket->skip = frame.header + frame.length;
            continue;
        }
        size_t whole = frame.header + (size_t)frame.length;
        if (length - *at < whole)
            break;
        char *payload = bytes + *at + frame.header;
        *at += whole;
        ws_client_frame_unmask(&frame, payload);
        if (!take_frame(websocket, &frame, slice_make(payload, (size_t)frame.length)))
            return false;
    }
    return true;
}

/* Keeps the remaining bytes for later. */
static void keep_input(struct websocket *websocket, const char *bytes, size_t length)
{
    enum status status = STATUS_NO_MEMORY;
    if (!websocket->input)
        websocket->input = calloc(1, sizeof(struct buf));
    if (websocket->input) {
        size_t maximum =
            (size_t)websocket->gateway->settings->max_payload + WS_CLIENT_HEADER_MAXIMUM + SOCKET_INPUT_BYTES;
        if (!websocket->input->data)
            buf_init(websocket->input, maximum);
        status = buf_append(websocket->input, bytes, length);
    }
    if (status != STATUS_OK) {
        events_of(websocket)->failed(websocket, STATUS_NO_MEMORY);
        websocket->skip = UINT64_MAX;
    }
}

static void drop_input(struct websocket *websocket)
{
    buf_done(websocket->input);
    free(websocket->input);
    websocket->input = NULL;
}

/* Processes the kept bytes, which may go on now. */
static void take_input(struct websocket *websocket)
{
    struct buf *input = websocket->input;
    size_t at = 0;
    if (!take_frames(websocket, input->data, input->length, &at))
        return;
    if (at == input->length) {
        drop_input(websocket);
    } else if (at > 0) {
        memmove(input->data, input->data + at, input->length - at);
        input->length -= at;
    }
}

static void read_some(struct websocket *websocket)
{
    struct sockets *sockets = websocket->gateway->sockets;
    size_t at = 0;
    ssize_t length = recv(websocket->descriptor, sockets->input, SOCKET_INPUT_BYTES, MSG_DONTWAIT);
    if (length < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (length <= 0) {
        events_of(websocket)->closed(websocket);
        return;
    }
    if (websocket->input) {
        keep_input(websocket, sockets->input, (size_t)length);
        take_input(websocket);
        return;
    }
    if (take_frames(websocket, sockets->input, (size_t)length, &at) && at < (size_t)length)
        keep_input(websocket, sockets->input + at, (size_t)length - at);
}

static void on_readable(uv_poll_t *poll, int status, int events)
{
    struct sockets *sockets = poll->data;
    struct epoll_event ready[EVENTS_A_TURN];
    int count = epoll_wait(sockets->epoll, ready, EVENTS_A_TURN, 0);
    (void)status;
    (void)events;
    sockets->gateway->now_ms = clock_monotonic_ms();
    for (int i = 0; i < count; i++) { /* a websocket dies in its own event or at the end of the turn */
        struct websocket *websocket = ready[i].data.ptr;
        if (ready[i].events & EPOLLOUT && websocket->rest && !finish(websocket))
            continue;
        if (ready[i].events & (EPOLLIN | EPOLLHUP | EPOLLERR))
            read_some(websocket);
    }
}

/* ---- ends --------------------------------------------------------------------------------------------- */

void socket_end(struct websocket *websocket)
{
    struct sockets *sockets = websocket->gateway->sockets;
    struct slice reason = slice_from_string(websocket->close_text);
    struct buf frame;
    if (!websocket->close_code) {
        events_of(websocket)->closed(websocket);
        return;
    }
    buf_init(&frame, CONTROL_MAXIMUM);
    bool told = ws_frame_close_append(&frame, websocket->close_code, reason) == STATUS_OK &&
                socket_write(websocket, frame.data, frame.length);
    buf_done(&frame);
    if (!told) {
        events_of(websocket)->closed(websocket);
        return;
    }
    websocket->linger_ms = websocket->gateway->now_ms + CLOSE_WAIT_MS;
    if (websocket->skip == UINT64_MAX && !websocket->rest) /* nothing it says can be understood */
        (void)shutdown(websocket->descriptor, SHUT_WR);
    LIST_REMOVE(websocket); /* it may be about to resume reading */
    LIST_ADD(&sockets->lingering, websocket);
    if (!timer_wheel_armed(&sockets->linger))
        timer_wheel_arm(sockets->gateway->wheel, &sockets->linger, sockets->gateway->now_ms + CLOSE_LOOK_MS);
    websocket->reading = true;
    watch(websocket);
    if (websocket->input)
        take_input(websocket);
}

void sockets_end_turn(struct gateway *gateway)
{
    struct sockets *sockets = gateway->sockets;
    struct websocket *websocket;
    while ((websocket = sockets->resumed)) {
        LIST_REMOVE(websocket);
        if (websocket->input)
            take_input(websocket);
    }
}

static void look(void *context, struct wheel_timer *timer)
{
    struct gateway *gateway = context;
    struct websocket *next;
    for (struct websocket *each = gateway->sockets->lingering; each; each = next) {
        next = each->next;
        if (each->linger_ms <= gateway->now_ms)
            gateway->sockets->events->closed(each);
    }
    if (gateway->sockets->lingering)
        timer_wheel_arm(gateway->wheel, timer, gateway->now_ms + CLOSE_LOOK_MS);
}

enum status sockets_create(struct gateway *gateway, struct uv_loop_s *loop,
                           const struct socket_events *events, struct sockets **ret_sockets)
{
    struct sockets *sockets = calloc(1, sizeof(*sockets));
    if (!sockets)
        return STATUS_NO_MEMORY;
    sockets->gateway = gateway;
    sockets->events = events;
    sockets->linger.fire = look;
    sockets->epoll = epoll_create1(EPOLL_CLOEXEC);
    if (sockets->epoll < 0 || uv_poll_init(loop, &sockets->poll, sockets->epoll) != 0) {
        sockets_free(sockets);
        return STATUS_NO_MEMORY;
    }
    sockets->poll.data = sockets;
    uv_poll_start(&sockets->poll, UV_READABLE, on_readable);
    *ret_sockets = sockets;
    return STATUS_OK;
}

void sockets_stop(struct gateway *gateway)
{
    struct sockets *sockets = gateway->sockets;
    while (sockets->lingering)
        sockets->events->closed(sockets->lingering);
    timer_wheel_cancel(gateway->wheel, &sockets->linger);
    uv_close((uv_handle_t *)&sockets->poll, NULL);
}

void sockets_free(struct sockets *sockets)
{
    if (!sockets)
        return;
    if (sockets->epoll >= 0)
        close(sockets->epoll);
    free(sockets);
}
