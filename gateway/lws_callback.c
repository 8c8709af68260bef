/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * request -> (upgrade: guards, route, origin, the transport's own conditions, rate -> established) or
 * (Engine.IO: engineio_http) or (answer). Every refusal is a status, a body and a count. A connection is
 * closed without an answer only if the library must not see the request.
 */
#include "lws_callback.h"

#include <libwebsockets.h>
#include <string.h>
#include <sys/socket.h>

#include "base/gateway.h"
#include "cluster/departures.h"
#include "cluster/move/move_in.h"
#include "codec/ws_json.h"
#include "codec/ws_proto.h"
#include "common/clock.h"
#include "engineio_http.h"
#include "http/exchange.h"
#include "http/http_answer.h"
#include "http/http_request.h"
#include "net/listener.h"
#include "net/loop.h"
#include "net/websocket.h"
#include "text/client_token.h"
#include "text/sid.h"
#include "transport/engineio_ws.h"
#include "transport/plain_ws.h"
#include "transport/polling.h"

/* Versions of clang-format differ on this. */
/* clang-format off */
#define ANSWER_BYTES 2048

#define ANSWER(status, text, extra, label)                                                                   \
    {                                                                                                        \
        status, HTTP_TEXT, {text, sizeof(text) - 1}, extra, label                                            \
    }
/* clang-format on */

static const struct http_answer not_found = ANSWER(404, "not found\n", NULL, LABEL_HANDSHAKES_NOT_FOUND);
static const struct http_answer http_version = ANSWER(505, "HTTP/1.1 is spoken here\n", NULL, LABEL_NONE);
static const struct http_answer forbidden =
    ANSWER(403, "origin not allowed\n", NULL, LABEL_HANDSHAKES_ORIGIN);
static const struct http_answer ws_version = ANSWER(
    426, "WebSocket version 13 is needed\n", "sec-websocket-version: 13\r\n", LABEL_HANDSHAKES_VERSION);
static const struct http_answer subprotocol =
    ANSWER(400, "unknown subprotocol: " WS_JSON_SUBPROTOCOL " or " WS_PROTO_SUBPROTOCOL "\n", NULL,
           LABEL_HANDSHAKES_SUBPROTOCOL);
static const struct http_answer need_upgrade =
    ANSWER(426, "this is a WebSocket\n", "upgrade: websocket\r\n", LABEL_NONE);
static const struct http_answer method =
    ANSWER(405, "method not allowed\n", "allow: GET, HEAD, OPTIONS\r\n", LABEL_NONE);
static const struct http_answer pipelined =
    ANSWER(400, "a request with a body is not sent before the one before it is answered\n", NULL,
           LABEL_HANDSHAKES_PIPELINED);
static const struct http_answer options = {204, NULL, {NULL, 0}, "allow: GET, HEAD, OPTIONS\r\n", LABEL_NONE};
static const struct http_answer root = ANSWER(
    200, "Pollen8 gateway\n\nSocket.IO clients: this origin. Plain WebSocket: /ws\n", NULL, LABEL_NONE);

/* Head and body in one write. False: hang up. */
static bool write_answer(struct lws *wsi, const struct http_answer *answer, bool keep_alive)
{
    const struct http_shape shape = {.keep_alive = keep_alive,
                                     .head = http_request_method(wsi) == METHOD_HEAD};
    struct buf buf;
    buf_init(&buf, ANSWER_BYTES);
    bool written = http_answer_append(&buf, answer, &shape) == STATUS_OK &&
                   lws_write(wsi, (unsigned char *)buf.data, buf.length, LWS_WRITE_HTTP) >= 0;
    buf_done(&buf);
    return written;
}

/* ---- upgrade ------------------------------------------------------------------------------------------ */

/* The checks of Engine.IO, in the stock server's order. */
static const struct http_answer *judge_engineio(struct gateway *gateway, struct lws *wsi, bool *ret_known)
{
    char value[SID_SIZE];
    struct sid sid;
    *ret_known = false;
    if (!http_request_argument(wsi, "transport=", value, sizeof(value)) || strcmp(value, "websocket") != 0)
        return &polling_transport_unknown;
    if (!http_request_argument(wsi, "EIO=", value, sizeof(value)) || strcmp(value, "4") != 0)
        return &polling_version;
    if (lws_hdr_total_length(wsi, WSI_TOKEN_PROTOCOL) > 0)
        return &subprotocol;
    if (!http_request_argument_given(wsi, "sid="))
        return NULL;
    *ret_known = true;
    if (!http_request_argument(wsi, "sid=", value, sizeof(value)) ||
        sid_read(slice_from_string(value), &sid) != STATUS_OK)
        return &polling_session_unknown;
    if (slice_equal_string(sid.gateway, gateway->settings->gateway_name))
        return engineio_find(gateway, sid.text) || departures_has(gateway->departures, &sid, gateway->now_ms)
                   ? NULL
                   : &polling_session_unknown;
    if (gateway->draining)
        return &http_draining;
    return gateway->peers ? NULL
                          : &polling_session_unknown; /* its gateway is asked once the socket is there */
}

/* NULL: the upgrade may go on. Order matters: cheap checks that reveal least come first. */
static const struct http_answer *judge(struct gateway *gateway, struct lws *wsi)
{
    const struct http_answer *refusal = NULL;
    enum frame_format format;
    bool known = false;
    char version[8] = "";
    enum http_request_route route = http_request_route(gateway, wsi);
    if (route != ROUTE_WS && route != ROUTE_SOCKETIO)
        return &not_found;
    if (lws_hdr_copy(wsi, version, sizeof(version), WSI_TOKEN_VERSION) <= 0 || strcmp(version, "13") != 0)
        return &ws_version;
    if (!http_request_origin_allowed(gateway, wsi))
        return &forbidden;
    if (route == ROUTE_SOCKETIO)
        refusal = judge_engineio(gateway, wsi, &known);
    else if (http_request_format(wsi, &format) != STATUS_OK)
        refusal = &subprotocol;
    if (known)
        return refusal; /* its session counts as one handshake, and may end by an upgrade while we drain */
    if (gateway->draining)
        return &http_draining;
    const struct http_answer *limited = http_request_limit(gateway, wsi);
    return limited ? limited : refusal;
}

/* 0: upgrade; 1: answered, and the library ends the connection; -1: hang up. */
static int confirm_upgrade(struct gateway *gateway, struct lws *wsi, const char *upgrade)
{
    /* Two known holes of the library: a second request on a connection whose headers are gone (`upgrade`
     * then dangles), and any protocol but this one (h2c). */
    if (lws_hdr_total_length(wsi, WSI_TOKEN_UPGRADE) <= 0 || strcasecmp(upgrade, "websocket") != 0)
        return -1;
    if (!exchange_forget(wsi))
        return -1;
    const struct http_answer *refusal = judge(gateway, wsi);
    gateway_count(gateway, refusal ? refusal->label : LABEL_HANDSHAKES_OK);
    if (!refusal) {
        websocket_expect(wsi);
        return 0;
    }
    return write_answer(wsi, refusal, false) ? 1 : -1;
}

/* Engine.IO: a session of its own, or one that polls. */
static enum status established_engineio(struct gateway *gateway, struct lws *wsi, struct websocket_slot *slot,
                                        struct client_token *token, enum status token_status)
{
    char text[SID_SIZE];
    struct sid sid;
    if (http_request_argument(wsi, "sid=", text, sizeof(text))) {
        if (sid_read(slice_from_string(text), &sid) == STATUS_OK &&
            !slice_equal_string(sid.gateway, gateway->settings->gateway_name))
            return move_in_open(gateway, wsi, &sid, token, token_status, &slot->websocket);
        return engineio_ws_attend(gateway, wsi, slice_from_string(text), &slot->websocket);
    }
    return engineio_ws_open(gateway, wsi, token, token_status, &slot->websocket);
}

static int established(struct gateway *gateway, struct lws *wsi, struct websocket_slot *slot)
{
    struct client_token token = {0};
    enum frame_format format = FRAME_JSON;
    enum status token_status = http_request_token(wsi, &token);
    enum status status;
    if (token_status == STATUS_NO_MEMORY)
        return -1;
    if (http_request_route(gateway, wsi) == ROUTE_SOCKETIO)
        status = established_engineio(gateway, wsi, slot, &token, token_status);
    else if (http_request_format(wsi, &format) == STATUS_OK)
        status = plain_ws_open(gateway, wsi, format, &token, token_status, &slot->websocket);
    else
        status = STATUS_NOT_FOUND;
    client_token_wipe(&token);
    if (status == STATUS_OK)
        return 0;
    slot->websocket = NULL;
    return -1;
}

/* ---- plain requests ----------------------------------------------------------------------------------- */

static const struct http_answer *answer_for(const struct gateway *gateway, struct lws *wsi,
                                            enum http_request_route route)
{
    enum http_request_method asked = http_request_method(wsi);
    if (route == ROUTE_NONE)
        return &not_found;
    if (asked == METHOD_OPTIONS)
        return &options;
    if (gateway->draining)
        return &http_draining;
    if (asked != METHOD_GET && asked != METHOD_HEAD)
        return &method;
    return route == ROUTE_ROOT ? &root : &need_upgrade;
}

static int hang_up(struct lws *wsi, const struct http_answer *answer)
{
    (void)write_answer(wsi, answer, false);
    return -1;
}

/* The connection is kept only if nothing of the request can be left unread. A request with a body that
 * arrived together with the one before is refused: the library takes its head for the beginning of the body,
 * and then waits, forever and with the whole loop, for the rest to be taken (lws_http_action() in all
 * versions so far). RFC 9112 section 9.3.2 lets clients pipeline only what may be repeated, and no browser
 * pipelines. */
static int request(struct gateway *gateway, struct lws *wsi)
{
    enum http_request_route route = http_request_route(gateway, wsi);
    if (!http_request_version_known(wsi))
        return hang_up(wsi, &http_version);
    if (http_request_body_length(wsi) != 0 && loop_left_over(gateway->loop)) {
        gateway_count(gateway, pipelined.label);
        return hang_up(wsi, &pipelined);
    }
    if (route == ROUTE_SOCKETIO)
        return polling_request(gateway, wsi);
    bool keep_alive = http_request_keep_alive(wsi) && http_request_body_length(wsi) == 0;
    if (!exchange_forget(wsi) || !write_answer(wsi, answer_for(gateway, wsi, route), keep_alive) ||
        !keep_alive)
        return -1;
    return lws_http_transaction_completed(wsi) ? -1 : 0;
}

/* ---- the library's callback --------------------------------------------------------------------------- */

static void on_websocket(struct websocket_slot *slot, enum lws_callback_reasons reason, const void *data,
                         size_t length)
{
    struct websocket *websocket = slot ? slot->websocket : NULL;
    if (!websocket)
        return;
    switch (reason) {
    case LWS_CALLBACK_RECEIVE: websocket_receive(websocket, data, length); break;
    case LWS_CALLBACK_RECEIVE_PONG: websocket_pong(websocket); break;
    case LWS_CALLBACK_SERVER_WRITEABLE: websocket_writeable(websocket); break;
    default:
        slot->websocket = NULL;
        websocket_closed(websocket);
        break;
    }
}

static int callback(struct lws *wsi, enum lws_callback_reasons reason, void *user, void *in, size_t length)
{
    struct gateway *gateway = lws_context_user(lws_get_context(wsi));
    gateway->now_ms = clock_monotonic_ms(); /* the loop may have slept since the last turn */
    switch (reason) {
    case LWS_CALLBACK_HTTP_CONFIRM_UPGRADE: return confirm_upgrade(gateway, wsi, in);
    case LWS_CALLBACK_HTTP: return request(gateway, wsi);
    case LWS_CALLBACK_HTTP_BODY: return exchange_body(wsi, in, length);
    case LWS_CALLBACK_HTTP_BODY_COMPLETION: return exchange_body_end(wsi);
    case LWS_CALLBACK_CLOSED_HTTP: exchange_closed(wsi); return 0;
    case LWS_CALLBACK_ESTABLISHED: return established(gateway, wsi, user);
    case LWS_CALLBACK_RECEIVE:
    case LWS_CALLBACK_RECEIVE_PONG:
    case LWS_CALLBACK_SERVER_WRITEABLE:
    case LWS_CALLBACK_CLOSED: on_websocket(user, reason, in, length); return 0;
    case LWS_CALLBACK_WSI_DESTROY:
        exchange_closed(wsi); /* some states end without the callback above */
        listener_closed(gateway->listener, wsi);
        return 0;
    default: return 0;
    }
}

const struct lws_protocols *lws_callback_protocols(void)
{
    /* Received in small pieces, because each connection keeps a buffer of that size; sent in large ones. */
    static const struct lws_protocols protocols[] = {
        {"http", callback, sizeof(struct websocket_slot), 512, 0, NULL, 65536},
        {WS_JSON_SUBPROTOCOL, callback, sizeof(struct websocket_slot), 512, 0, NULL, 65536},
        {WS_PROTO_SUBPROTOCOL, callback, sizeof(struct websocket_slot), 512, 0, NULL, 65536},
        {NULL, NULL, 0, 0, 0, NULL, 0},
    };
    return protocols;
}

const struct lws_http_mount *lws_callback_mounts(void)
{
    /* Everything; without `protocol`, because only then the library reads on while a request is held. */
    static const struct lws_http_mount mount = {
        .mountpoint = "/", .mountpoint_len = 1, .origin = "http", .origin_protocol = LWSMPRO_CALLBACK};
    return &mount;
}
