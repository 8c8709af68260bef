/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * in:  the library, or socket.c -> fragments -> one message -> the owner
 * out: the owner's bytes -> one raw write of the library, which keeps what the socket does not accept,
 *      finishes it itself and then calls writeable; or of socket.c, which does the same
 */
#include "net/websocket.h"

#include <libwebsockets.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/gateway.h"
#include "codec/ws_frame.h"
#include "common/buf.h"
#include "common/check.h"
#include "common/utf8.h"
#include "net/listener.h"
#include "net/websocket_internal.h"

static void list_for_turn(struct websocket *websocket)
{
    struct sockets *sockets = websocket->gateway->sockets;
    if (websocket->listed)
        return;
    websocket->listed = true;
    websocket->turn_next = sockets->turn;
    sockets->turn = websocket;
}

/* Best effort: without it there are two segments. */
static void cork(struct lws *wsi, int on)
{
    if (!lws_is_ssl(wsi))
        (void)setsockopt(lws_get_socket_fd(wsi), IPPROTO_TCP, TCP_CORK, &on, sizeof(on));
}

void websocket_expect(struct lws *wsi)
{
    cork(wsi, 1);
}

struct websocket *websocket_create(struct gateway *gateway, struct lws *wsi)
{
    struct websocket *websocket = calloc(1, sizeof(*websocket));
    if (!websocket)
        return NULL;
    websocket->magic = WEBSOCKET_MAGIC;
    websocket->gateway = gateway;
    websocket->wsi = wsi;
    websocket->descriptor = -1;
    websocket->reading = true;
    if (!lws_is_ssl(wsi))
        list_for_turn(websocket);
    return websocket;
}

void websocket_own(struct websocket *websocket, const struct websocket_owner *kind, void *owner)
{
    websocket->kind = kind;
    websocket->owner = owner;
}

enum status websocket_keep_sid(struct websocket *websocket, const char *sid)
{
    websocket->sid = strdup(sid);
    return websocket->sid ? STATUS_OK : STATUS_NO_MEMORY;
}

const char *websocket_sid(const struct websocket *websocket)
{
    return websocket->sid;
}

static void drop_fragments(struct websocket *websocket)
{
    if (!websocket->fragments)
        return;
    buf_done(websocket->fragments);
    free(websocket->fragments);
    websocket->fragments = NULL;
}

static void websocket_free(struct websocket *websocket)
{
    drop_fragments(websocket);
    free(websocket->sid);
    websocket->magic = 0;
    free(websocket);
}

/* ---- in ----------------------------------------------------------------------------------------------- */

/* Ends the socket because of the client's fault; its owner loses it. */
static void refuse_websocket(struct websocket *websocket, uint16_t code)
{
    const struct websocket_owner *kind = websocket->kind;
    void *owner = websocket->owner;
    websocket_end(websocket, code, "");
    if (kind)
        kind->lost(websocket->gateway, owner);
}

static void fail_websocket(struct websocket *websocket, enum status status)
{
    const struct websocket_owner *kind = websocket->kind;
    if (kind && kind->failed)
        kind->failed(websocket->gateway, websocket->owner, status);
    else
        refuse_websocket(websocket, 1009);
}

static void deliver(struct websocket *websocket, bool binary, struct slice message)
{
    struct gateway *gateway = websocket->gateway;
    if (!binary && websocket->descriptor >= 0 && !utf8_valid(message)) {
        refuse_websocket(websocket, 1007); /* the library has checked what it reads itself */
        return;
    }
    metrics_add(gateway->metrics, METRIC_FRAMES_IN, 1);
    metrics_add(gateway->metrics, METRIC_BYTES_IN, message.length);
    websocket->kind->message(gateway, websocket->owner, binary, message);
}

static enum status add_fragment(struct websocket *websocket, bool binary, struct slice part)
{
    if (!websocket->fragments) {
        websocket->fragments = calloc(1, sizeof(struct buf));
        if (!websocket->fragments)
            return STATUS_NO_MEMORY;
        buf_init(websocket->fragments, (size_t)websocket->gateway->settings->max_payload);
        websocket->fragment_binary = binary;
    }
    return buf_append(websocket->fragments, part.data, part.length);
}

static void take_websocket_part(struct websocket *websocket, bool first, bool binary, bool final,
                                struct slice part)
{
    if (!websocket->kind)
        return;
    if (first && final) {
        deliver(websocket, binary, part);
        return;
    }
    enum status status = add_fragment(websocket, binary, part);
    if (status != STATUS_OK) {
        fail_websocket(websocket, status);
        drop_fragments(websocket);
    } else if (final) {
        /* the next message may begin while this one is being handled */
        struct buf *whole = websocket->fragments;
        websocket->fragments = NULL;
        deliver(websocket, websocket->fragment_binary, buf_slice(whole));
        buf_done(whole);
        free(whole);
    }
}

void websocket_receive(struct websocket *websocket, const void *data, size_t length)
{
    CHECK(websocket->magic == WEBSOCKET_MAGIC);
    struct lws *wsi = websocket->wsi;
    size_t rest = lws_remaining_packet_payload(wsi);
    bool whole = rest == 0 && lws_is_final_fragment(wsi);
    websocket->received = true;
    if (!websocket->kind)
        return;
    if (length + rest > (size_t)websocket->gateway->settings->max_payload)
        fail_websocket(websocket, STATUS_FULL);
    else
        take_websocket_part(websocket, !websocket->fragments, lws_frame_is_binary(wsi), whole,
                            slice_make(data, length));
}

void websocket_pong(struct websocket *websocket)
{
    if (websocket->kind && websocket->kind->pong)
        websocket->kind->pong(websocket->gateway, websocket->owner);
}

void websocket_read(struct websocket *websocket, bool on)
{
    websocket->reading = on;
    if (websocket->descriptor >= 0)
        socket_watch(websocket);
    else if (websocket->wsi)
        lws_rx_flow_control(websocket->wsi, on);
}

/* ---- out ---------------------------------------------------------------------------------------------- */

static bool connected(const struct websocket *websocket)
{
    return websocket->descriptor >= 0 || websocket->wsi;
}

bool websocket_serves(const struct websocket *websocket, const void *owner)
{
    return websocket->owner == owner && connected(websocket);
}

bool websocket_blocked(const struct websocket *websocket)
{
    return websocket->descriptor >= 0 ? websocket->rest != NULL : lws_partial_buffered(websocket->wsi);
}

void websocket_await(struct websocket *websocket)
{
    if (websocket->wsi)
        lws_callback_on_writable(websocket->wsi);
}

/* The library does not change the bytes of a raw write, though it does not say so. */
bool websocket_send(struct websocket *websocket, struct slice frames)
{
    if (websocket->descriptor >= 0)
        return socket_write(websocket, frames.data, frames.length);
    return lws_write(websocket->wsi, (unsigned char *)(uintptr_t)frames.data, frames.length, LWS_WRITE_RAW) >=
           0;
}

void websocket_write(struct websocket *websocket, struct slice text)
{
    struct buf buf;
    buf_init(&buf, text.length + WS_FRAME_HEADER_MAXIMUM);
    if (connected(websocket) && ws_frame_append(&buf, WS_TEXT, text) == STATUS_OK &&
        websocket_send(websocket, buf_slice(&buf)))
        metrics_add(websocket->gateway->metrics, METRIC_WRITES, 1);
    buf_done(&buf);
}

static void unblock_websocket(struct websocket *websocket, bool all)
{
    if (websocket->kind && websocket->kind->unblocked)
        websocket->kind->unblocked(websocket->gateway, websocket->owner, all);
}

void websocket_writeable(struct websocket *websocket)
{
    unblock_websocket(websocket, true);
}

/* ---- close -------------------------------------------------------------------------------------------- */

void websocket_end(struct websocket *websocket, uint16_t code, const char *text)
{
    websocket_own(websocket, NULL, NULL);
    if (websocket->closing || !connected(websocket))
        return;
    websocket->closing = true;
    websocket->close_code = code;
    websocket->close_text = text;
    websocket_read(websocket, true); /* the client's part of the closing handshake must be read */
    list_for_turn(websocket);
}

void websocket_closed(struct websocket *websocket)
{
    CHECK(websocket->magic == WEBSOCKET_MAGIC);
    struct gateway *gateway = websocket->gateway;
    const struct websocket_owner *kind = websocket->kind;
    void *owner = websocket->owner;
    if (websocket->descriptor >= 0)
        socket_done(websocket);
    websocket->wsi = NULL;
    websocket_own(websocket, NULL, NULL);
    if (!websocket->listed)
        websocket_free(websocket);
    if (kind)
        kind->lost(gateway, owner);
}

static void close_now(struct websocket *websocket)
{
    struct lws *wsi = websocket->wsi;
    if (websocket->descriptor >= 0) {
        socket_end(websocket);
        return;
    }
    if (websocket->close_code)
        lws_close_reason(wsi, (enum lws_close_status)websocket->close_code,
                         (unsigned char *)(uintptr_t)websocket->close_text, strlen(websocket->close_text));
    lws_set_timeout(wsi, PENDING_TIMEOUT_USER_REASON_BASE, LWS_TO_KILL_SYNC); /* may free the websocket */
}

/* Takes a new socket from the library: no message has begun, because a client speaks only after it has been
 * answered. If that is not possible, the library keeps it. */
static void take_socket(struct websocket *websocket)
{
    struct lws *wsi = websocket->wsi;
    struct websocket_slot *slot = lws_wsi_user(wsi);
    if (websocket->received || lws_partial_buffered(wsi))
        return;
    int descriptor = listener_duplicate(websocket->gateway->listener, lws_get_socket_fd(wsi));
    if (descriptor < 0)
        return;
    if (socket_adopt(websocket, descriptor) != STATUS_OK) {
        close(descriptor);
        return;
    }
    websocket->wsi = NULL;
    slot->websocket = NULL;
    listener_let_go(websocket->gateway->listener, wsi);
}

void websockets_end_turn(struct gateway *gateway)
{
    struct sockets *sockets = gateway->sockets;
    struct websocket *websocket;
    while ((websocket = sockets->turn)) {
        sockets->turn = websocket->turn_next;
        websocket->listed = false;
        if (websocket->wsi)
            cork(websocket->wsi, 0);
        if (!connected(websocket))
            websocket_free(websocket);
        else if (websocket->closing)
            close_now(websocket);
        else if (websocket->wsi)
            take_socket(websocket);
    }
}

enum status websockets_create(struct gateway *gateway, struct uv_loop_s *loop)
{
    static const struct socket_events events = {
        .part = take_websocket_part,
        .pong = websocket_pong,
        .refuse = refuse_websocket,
        .failed = fail_websocket,
        .unblocked = unblock_websocket,
        .closed = websocket_closed,
    };
    return sockets_create(gateway, loop, &events, &gateway->sockets);
}
