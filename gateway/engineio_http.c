/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * request -> exchange -> origin -> EIO, transport -> sid? (the session's transport, or its gateway) :
 * handshake.
 */
#include "engineio_http.h"

#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "base/gateway.h"
#include "cluster/departures.h"
#include "cluster/poll_relay.h"
#include "http/exchange.h"
#include "http/http_answer.h"
#include "http/http_request.h"
#include "session/session.h"
#include "session/sessions.h"
#include "text/client_token.h"
#include "text/sid.h"
#include "transport/engineio_ws.h"
#include "transport/polling.h"

#define RETRY "retry-after: 1\r\n"

const struct http_answer http_draining = {
    503, HTTP_TEXT, {"draining\n", 9}, RETRY, LABEL_HANDSHAKES_DRAINING};

/* ---- a new client ------------------------------------------------------------------------------------- */

static const struct http_answer *open_session(struct gateway *gateway, struct lws *wsi,
                                              struct exchange *exchange)
{
    static const struct http_answer no_room = {
        503, HTTP_TEXT, {"no room\n", 8}, RETRY, LABEL_HANDSHAKES_FULL};
    struct client_token token = {0};
    struct session *session = NULL;
    if (sessions_count(gateway->sessions) >= (size_t)gateway->settings->max_sessions)
        return &no_room;
    enum status token_status = http_request_token(wsi, &token);
    enum status status = token_status == STATUS_NO_MEMORY
                             ? token_status
                             : polling_open(gateway, &token, token_status, &session);
    client_token_wipe(&token);
    if (status != STATUS_OK)
        return &no_room;
    gateway_count(gateway, LABEL_HANDSHAKES_OK);
    return polling_get(gateway, session, exchange); /* the open packet waits: this answers */
}

static const struct http_answer *handshake(struct gateway *gateway, struct lws *wsi,
                                           struct exchange *exchange)
{
    if (http_request_method(wsi) != METHOD_GET)
        return &polling_bad_method;
    if (exchange_body_length(exchange))
        return &polling_bad_request;
    if (gateway->draining)
        return &http_draining;
    const struct http_answer *refusal = http_request_limit(gateway, wsi);
    return refusal ? refusal : open_session(gateway, wsi, exchange);
}

/* ---- a known one -------------------------------------------------------------------------------------- */

/* Checks the body where it arrives; NULL: it is good. */
static const struct http_answer *judge_body(const struct gateway *gateway, const struct exchange *exchange)
{
    static const struct http_answer no_length = {
        411, HTTP_TEXT, {"a body needs a content-length\n", 30}, NULL, LABEL_HANDSHAKES_NO_LENGTH};
    static const struct http_answer too_large = {413, HTTP_TEXT, {"", 0}, NULL, LABEL_HANDSHAKES_TOO_LARGE};
    uint64_t length = exchange_body_length(exchange);
    if (length == HTTP_REQUEST_BODY_UNKNOWN)
        return &no_length;
    return length > (uint64_t)gateway->settings->max_payload ? &too_large : NULL;
}

static const struct http_answer *post(struct gateway *gateway, struct session *session,
                                      struct exchange *exchange, bool unsupported)
{
    if (!unsupported)
        return polling_post(gateway, session, exchange);
    session_close(gateway, session, CAUSE_PROTOCOL);
    return &polling_bad_request;
}

/* The session is NULL if it belongs to another gateway. */
static const struct http_answer *pass_on(struct gateway *gateway, struct lws *wsi, const struct sid *sid,
                                         struct session *session, struct exchange *exchange)
{
    static const struct http_answer method = {405,
                                              HTTP_TEXT,
                                              {"method not allowed\n", 19},
                                              "allow: GET, POST, OPTIONS\r\n",
                                              LABEL_HANDSHAKES_METHOD};
    const struct http_answer *refusal;
    switch (http_request_method(wsi)) {
    case METHOD_GET:
        if (exchange_body_length(exchange))
            return &polling_bad_request;
        return session ? polling_get(gateway, session, exchange) : poll_relay_get(gateway, sid, exchange);
    case METHOD_POST:
        refusal = judge_body(gateway, exchange);
        if (refusal)
            return refusal;
        return session ? post(gateway, session, exchange, http_request_body_binary(wsi))
                       : poll_relay_post(gateway, sid, exchange, http_request_body_binary(wsi));
    default: return &method;
    }
}

static const struct http_answer *continue_session(struct gateway *gateway, struct lws *wsi, struct slice text,
                                                  struct exchange *exchange)
{
    struct sid sid;
    if (sid_read(text, &sid) != STATUS_OK)
        return &polling_session_unknown;
    if (!slice_equal_string(sid.gateway, gateway->settings->gateway_name))
        return pass_on(gateway, wsi, &sid, NULL, exchange);
    struct session *session = engineio_find(gateway, text);
    if (!session)
        return departures_has(gateway->departures, &sid, gateway->now_ms) ? &polling_bad_request
                                                                          : &polling_session_unknown;
    if (!polling_carries(session))
        return &polling_bad_request;
    return pass_on(gateway, wsi, &sid, session, exchange);
}

/* ---- any ---------------------------------------------------------------------------------------------- */

static void answer_preflight(struct lws *wsi, struct exchange *exchange)
{
    char wanted[256];
    char lines[512];
    struct slice headers = http_request_wanted_headers(wsi, wanted, sizeof(wanted));
    if (!headers.data)
        headers = SLICE_LITERAL("content-type");
    snprintf(lines, sizeof(lines),
             "allow: GET, POST, OPTIONS\r\naccess-control-allow-methods: GET, POST, OPTIONS\r\n"
             "access-control-allow-headers: %.*s\r\naccess-control-max-age: 600\r\n",
             (int)headers.length, headers.data);
    const struct http_answer answer = {204, NULL, {NULL, 0}, lines, LABEL_NONE};
    exchange_answer(exchange, &answer);
}

/* NULL: it was answered, or has an owner that will answer. */
static const struct http_answer *serve(struct gateway *gateway, struct lws *wsi, struct exchange *exchange)
{
    static const struct http_answer forbidden = {
        403, HTTP_JSON, {"{\"code\":4,\"message\":\"Forbidden\"}", 32}, NULL, LABEL_HANDSHAKES_ORIGIN};
    char value[SID_SIZE];
    if (!http_request_origin_allowed(gateway, wsi))
        return &forbidden;
    if (http_request_method(wsi) == METHOD_OPTIONS) {
        answer_preflight(wsi, exchange);
        return NULL;
    }
    if (!http_request_argument(wsi, "transport=", value, sizeof(value)) ||
        (strcmp(value, "polling") != 0 && strcmp(value, "websocket") != 0))
        return &polling_transport_unknown;
    if (strcmp(value, "websocket") == 0 || http_request_argument_given(wsi, "j=")) /* no upgrade; JSONP */
        return &polling_bad_request;
    if (!http_request_argument(wsi, "EIO=", value, sizeof(value)) || strcmp(value, "4") != 0)
        return &polling_version;
    if (!http_request_argument_given(wsi, "sid="))
        return handshake(gateway, wsi, exchange);
    if (!http_request_argument(wsi, "sid=", value, sizeof(value)))
        return &polling_session_unknown;
    return continue_session(gateway, wsi, slice_from_string(value), exchange);
}

int polling_request(struct gateway *gateway, struct lws *wsi)
{
    struct exchange *exchange = exchange_start(gateway, wsi);
    if (!exchange)
        return -1;
    const struct http_answer *refusal = serve(gateway, wsi, exchange);
    if (refusal) {
        gateway_count(gateway, refusal->label);
        exchange_answer(exchange, refusal);
    }
    return exchange_started(exchange);
}
