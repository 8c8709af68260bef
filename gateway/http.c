/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * request -> (upgrade: guards, route, origin, rate, transport's own conditions -> established) or (answer).
 * Every refusal is a status, a body and a count; nothing is hung up on but what the library must not see.
 */
#include "http.h"

#include <libwebsockets.h>
#include <string.h>
#include <sys/socket.h>

#include "../common/clock.h"
#include "gateway.h"
#include "handshake.h"
#include "listener.h"
#include "request.h"
#include "transport_eio.h"
#include "transport_ws.h"
#include "ws_json.h"
#include "ws_proto.h"

#define ANSWER_BYTES 2048

/* The library's memory for a connection: what outlives it is not kept here. */
struct slot {
    struct websocket *websocket;
};

struct answer {
    unsigned status;
    const char *type;
    const char *body;
    const char *extra_name; /* one further header, "name:"; NULL: none */
    const char *extra_value;
    const char *label; /* in the metric of handshakes */
};

#define TEXT "text/plain; charset=utf-8"
#define JSON "application/json"

/* Engine.IO's own errors. */
static const struct answer eio_unknown_transport = {
    400, JSON, "{\"code\":0,\"message\":\"Transport unknown\"}", NULL, NULL, "transport_unknown"};
static const struct answer eio_unknown_session = {
    400, JSON, "{\"code\":1,\"message\":\"Session ID unknown\"}", NULL, NULL, "session_unknown"};
static const struct answer eio_version = {
    400, JSON, "{\"code\":5,\"message\":\"Unsupported protocol version\"}", NULL, NULL, "version"};
static const struct answer not_found = {404, TEXT, "not found\n", NULL, NULL, "not_found"};
static const struct answer http_version = {505, TEXT, "HTTP/1.1 is spoken here\n", NULL, NULL, "http"};
static const struct answer forbidden = {403, TEXT, "origin not allowed\n", NULL, NULL, "origin"};
static const struct answer draining = {503, TEXT, "draining\n", "retry-after:", "1", "draining"};
static const struct answer ws_version = {
    426, TEXT, "WebSocket version 13 is needed\n", "sec-websocket-version:", "13", "version"};
static const struct answer subprotocol = {
    400,  TEXT, "unknown subprotocol: " WS_JSON_SUBPROTOCOL " or " WS_PROTO_SUBPROTOCOL "\n",
    NULL, NULL, "subprotocol"};
static const struct answer need_upgrade = {426,        TEXT,        "this is a WebSocket\n",
                                           "upgrade:", "websocket", "not_upgrade"};
static const struct answer method = {405, TEXT, "method not allowed\n", "allow:", "GET, OPTIONS", "method"};
static const struct answer options = {204, TEXT, "", "allow:", "GET, OPTIONS", "options"};
static const struct answer root = {
    200,  TEXT, "Pollen8 gateway\n\nSocket.IO clients: this origin. Plain WebSocket: /ws\n",
    NULL, NULL, "root"};

/* Headers and body in one write. False: hang up. */
static bool write_answer(struct lws *wsi, const struct answer *answer)
{
    unsigned char bytes[LWS_PRE + ANSWER_BYTES];
    unsigned char *start = bytes + LWS_PRE;
    unsigned char *at = start;
    unsigned char *end = bytes + sizeof(bytes);
    size_t length = strlen(answer->body);
    if (lws_add_http_common_headers(wsi, answer->status, answer->type, length, &at, end))
        return false;
    if (answer->extra_name && lws_add_http_header_by_name(wsi, (const unsigned char *)answer->extra_name,
                                                          (const unsigned char *)answer->extra_value,
                                                          (int)strlen(answer->extra_value), &at, end))
        return false;
    if (lws_finalize_http_header(wsi, &at, end) || length > (size_t)(end - at))
        return false;
    memcpy(at, answer->body, length);
    at += length;
    return lws_write(wsi, start, (size_t)(at - start), LWS_WRITE_HTTP_FINAL) >= 0;
}

/* ---- upgrade ------------------------------------------------------------------------------------------ */

static const struct answer *judge_socketio(struct lws *wsi)
{
    char value[32];
    if (!request_argument(wsi, "EIO=", value, sizeof(value)) || strcmp(value, "4") != 0)
        return &eio_version;
    if (!request_argument(wsi, "transport=", value, sizeof(value)) || strcmp(value, "websocket") != 0)
        return &eio_unknown_transport;
    if (request_argument(wsi, "sid=", value, sizeof(value)))
        return &eio_unknown_session;
    return lws_hdr_total_length(wsi, WSI_TOKEN_PROTOCOL) > 0 ? &subprotocol : NULL;
}

/* NULL: the upgrade may go on. Order matters: what is cheap and says least comes first. */
static const struct answer *judge(struct gateway *gateway, struct lws *wsi, uint32_t *ret_retry_after_ms)
{
    static const struct answer limited = {429, TEXT, "too many handshakes\n", "retry-after:", "1", "rate"};
    struct sockaddr_storage address;
    enum frame_format format;
    char version[8] = "";
    enum request_route route = request_route(wsi);
    if (route != ROUTE_WS && route != ROUTE_SOCKETIO)
        return &not_found;
    if (gateway->draining)
        return &draining;
    if (lws_hdr_copy(wsi, version, sizeof(version), WSI_TOKEN_VERSION) <= 0 || strcmp(version, "13") != 0)
        return &ws_version;
    if (!request_origin_allowed(gateway, wsi))
        return &forbidden;
    request_address(gateway, wsi, &address);
    if (address_limits_take(gateway->handshakes, (const struct sockaddr *)&address, gateway->now_ms,
                            ret_retry_after_ms) != STATUS_OK)
        return &limited;
    if (route == ROUTE_SOCKETIO)
        return judge_socketio(wsi);
    return request_format(wsi, &format) == STATUS_OK ? NULL : &subprotocol;
}

/* 0: upgrade; 1: answered, and the library ends the connection; -1: hang up. */
static int confirm_upgrade(struct gateway *gateway, struct lws *wsi, const char *upgrade)
{
    uint32_t retry_after_ms = 0;
    /* Two known holes of the library: a second request on a connection whose headers are gone (`upgrade`
     * then dangles), and any protocol but this one (h2c). */
    if (lws_hdr_total_length(wsi, WSI_TOKEN_UPGRADE) <= 0 || strcasecmp(upgrade, "websocket") != 0)
        return -1;
    const struct answer *refusal = judge(gateway, wsi, &retry_after_ms);
    gateway_count(gateway, METRIC_HANDSHAKES, refusal ? refusal->label : "ok");
    if (!refusal)
        return 0;
    return write_answer(wsi, refusal) ? 1 : -1;
}

static int established(struct gateway *gateway, struct lws *wsi, struct slot *slot)
{
    struct handshake_token token = {0};
    enum frame_format format = FRAME_JSON;
    enum status token_status = request_token(wsi, &token);
    enum status status;
    if (token_status == STATUS_NO_MEMORY)
        return -1;
    if (request_route(wsi) == ROUTE_SOCKETIO)
        status = transport_eio_open(gateway, wsi, &token, token_status, &slot->websocket);
    else if (request_format(wsi, &format) == STATUS_OK)
        status = transport_ws_open(gateway, wsi, format, &token, token_status, &slot->websocket);
    else
        status = STATUS_NOT_FOUND;
    handshake_token_wipe(&token);
    if (status == STATUS_OK)
        return 0;
    slot->websocket = NULL;
    return -1;
}

/* ---- plain requests ----------------------------------------------------------------------------------- */

static const struct answer *answer_for(struct gateway *gateway, struct lws *wsi)
{
    char value[32];
    enum request_route route = request_route(wsi);
    bool get =
        lws_hdr_total_length(wsi, WSI_TOKEN_GET_URI) > 0 || lws_hdr_total_length(wsi, WSI_TOKEN_HEAD_URI) > 0;
    if (!request_version_known(wsi))
        return &http_version;
    if (route == ROUTE_NONE)
        return &not_found;
    if (lws_hdr_total_length(wsi, WSI_TOKEN_OPTIONS_URI) > 0)
        return &options;
    if (gateway->draining)
        return &draining;
    if (route == ROUTE_SOCKETIO) {
        if (!request_argument(wsi, "EIO=", value, sizeof(value)) || strcmp(value, "4") != 0)
            return &eio_version;
        return &eio_unknown_transport;
    }
    if (!get)
        return &method;
    return route == ROUTE_ROOT ? &root : &need_upgrade;
}

/* The connection is kept only where nothing of the request can be left unread. */
static int request(struct gateway *gateway, struct lws *wsi)
{
    bool get = lws_hdr_total_length(wsi, WSI_TOKEN_GET_URI) > 0;
    bool body = lws_hdr_total_length(wsi, WSI_TOKEN_HTTP_CONTENT_LENGTH) > 0 ||
                lws_hdr_total_length(wsi, WSI_TOKEN_HTTP_TRANSFER_ENCODING) > 0;
    if (!write_answer(wsi, answer_for(gateway, wsi)) || !get || body)
        return -1;
    return lws_http_transaction_completed(wsi) ? -1 : 0;
}

/* ---- the library's callback --------------------------------------------------------------------------- */

static void on_websocket(struct slot *slot, enum lws_callback_reasons reason, const void *data, size_t length)
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
    case LWS_CALLBACK_ESTABLISHED: return established(gateway, wsi, user);
    case LWS_CALLBACK_RECEIVE:
    case LWS_CALLBACK_RECEIVE_PONG:
    case LWS_CALLBACK_SERVER_WRITEABLE:
    case LWS_CALLBACK_CLOSED: on_websocket(user, reason, in, length); return 0;
    case LWS_CALLBACK_WSI_DESTROY: listener_closed(gateway->listener, wsi); return 0;
    default: return 0;
    }
}

const struct lws_protocols *http_protocols(void)
{
    /* Received in small pieces, because each connection keeps a buffer of that size; sent in large ones. */
    static const struct lws_protocols protocols[] = {
        {"http", callback, sizeof(struct slot), 512, 0, NULL, 65536},
        {WS_JSON_SUBPROTOCOL, callback, sizeof(struct slot), 512, 0, NULL, 65536},
        {WS_PROTO_SUBPROTOCOL, callback, sizeof(struct slot), 512, 0, NULL, 65536},
        {NULL, NULL, 0, 0, 0, NULL, 0},
    };
    return protocols;
}
