/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * request -> session of the sid -> an exchange of its own -> polling -> answer: reply, or message.
 *
 * Handling a request may answer it at once: `call`, on the stack, records that, because the hosted request is
 * then gone.
 */
#include "cluster/poll_host.h"

#include <stdlib.h>
#include <string.h>

#include "base/gateway.h"
#include "base/list.h"
#include "cluster/departures.h"
#include "cluster/peer_message.h"
#include "cluster/peers.h"
#include "common/bus/bus.h"
#include "common/wire.h"
#include "http/exchange.h"
#include "http/http_answer.h"
#include "session/session.h"
#include "session/sessions.h"
#include "transport/engineio_ws.h"
#include "transport/polling.h"

#define ENVELOPE 256 /* bytes around an answer's body, at most */

/* While a request is being handled. */
struct call {
    const char *reply;
    bool answered;
};

struct hosted {
    struct hosted *next;
    struct hosted **link;
    struct peer *peer;
    struct exchange *exchange;
    struct call *call; /* NULL: it is held */
    uint64_t id;
    uint64_t handle; /* its session */
};

/* ---- answers ------------------------------------------------------------------------------------------ */

static void fill(const struct gateway *gateway, Pollen8__RelayedAnswer *said, uint64_t id,
                 const struct http_answer *answer)
{
    said->id = id;
    said->gateway = gateway->settings->gateway_name;
    said->instance = gateway->instance;
    said->held = answer == NULL;
    if (!answer)
        return;
    said->status = answer->status;
    said->type = (char *)(uintptr_t)answer->type;
    said->body = wire_borrow(answer->body);
}

/* Sends the answer as the reply, or as a separate message to the gateway. */
static enum status send_answer(struct gateway *gateway, const char *reply, struct peer *peer, uint64_t id,
                               const struct http_answer *answer)
{
    Pollen8__GatewayMessage message = POLLEN8__GATEWAY_MESSAGE__INIT;
    Pollen8__RelayedAnswer said = POLLEN8__RELAYED_ANSWER__INIT;
    message.message_case = POLLEN8__GATEWAY_MESSAGE__MESSAGE_ANSWER;
    message.answer = &said;
    fill(gateway, &said, id, answer);
    if (!peer)
        return peer_message_reply(gateway, reply, &message);
    peer->sent++; /* counted even if it cannot be sent: the other side then misses one */
    return peer_message_tell(gateway, peer->name, &message);
}

static void hosted_free(struct gateway *gateway, struct hosted *hosted)
{
    LIST_REMOVE(hosted);
    metric_subtract(metrics_cell(gateway->metrics, METRIC_HOSTED_REQUESTS, NULL), 1);
    free(hosted);
}

/* An answer that is lost on its way takes packets with it: its session ends. */
static void on_answer(struct gateway *gateway, void *context, const struct http_answer *answer)
{
    struct hosted *hosted = context;
    struct call *call = hosted->call;
    uint64_t handle = hosted->handle;
    bool fits = (int64_t)answer->body.length + ENVELOPE <= bus_maximum_payload(gateway->bus);
    enum status status = send_answer(gateway, call ? call->reply : "", call ? NULL : hosted->peer, hosted->id,
                                     fits ? answer : &polling_session_unknown);
    if (call)
        call->answered = true;
    hosted_free(gateway, hosted);
    struct session *session = sessions_find(gateway->sessions, handle);
    if (session && (!fits || status != STATUS_OK))
        session_close(gateway, session, fits ? CAUSE_UNAVAILABLE : CAUSE_TOO_LARGE);
}

/* ---- requests ----------------------------------------------------------------------------------------- */

/* Creates the request, linked to the gateway it came from, with an exchange that has no owner yet. */
static struct hosted *hosted_create(struct gateway *gateway, const Pollen8__RelayedRequest *request,
                                    const struct session *session, struct call *call)
{
    struct peer *peer = peers_get(gateway, request->gateway, request->instance);
    struct hosted *hosted = peer ? calloc(1, sizeof(*hosted)) : NULL;
    if (!hosted)
        return NULL;
    hosted->exchange = exchange_create_elsewhere(gateway, on_answer, hosted);
    if (!hosted->exchange) {
        free(hosted);
        return NULL;
    }
    hosted->peer = peer;
    hosted->call = call;
    hosted->id = request->id;
    hosted->handle = session->handle;
    LIST_ADD(&peer->hosted, hosted);
    metrics_add(gateway->metrics, METRIC_HOSTED_REQUESTS, 1);
    return hosted;
}

/* The one of the session's two requests that is this one; NULL: neither. */
static struct hosted *hosted_of(const struct exchange *exchange, const Pollen8__RelayedRequest *request)
{
    struct hosted *hosted = exchange ? exchange_elsewhere(exchange) : NULL;
    bool same = hosted && hosted->id == request->id && hosted->peer->instance == request->instance &&
                strcmp(hosted->peer->name, request->gateway) == 0;
    return same ? hosted : NULL;
}

static void begin(struct gateway *gateway, struct session *session, const Pollen8__RelayedRequest *request,
                  struct call *call)
{
    bool get = request->kind == POLLEN8__RELAYED_REQUEST__KIND__GET;
    struct hosted *hosted = hosted_create(gateway, request, session, call);
    if (!hosted) {
        session_close(gateway, session, CAUSE_MEMORY);
        return;
    }
    struct exchange *exchange = hosted->exchange;
    const struct http_answer *refusal =
        get ? polling_get(gateway, session, exchange) : polling_post(gateway, session, exchange);
    if (refusal)
        exchange_answer(exchange, refusal);
    else if (!call->answered && request->kind == POLLEN8__RELAYED_REQUEST__KIND__POST)
        exchange_whole(exchange, slice_make(request->body.data, request->body.len));
    if (!call->answered)
        hosted->call = NULL;
}

static void finish_body(struct hosted *hosted, const Pollen8__RelayedRequest *request, struct call *call)
{
    hosted->call = call;
    exchange_whole(hosted->exchange, slice_make(request->body.data, request->body.len));
    if (!call->answered)
        hosted->call = NULL;
}

/* The client of a request has hung up. */
static void gone(struct gateway *gateway, struct session *session, const Pollen8__RelayedRequest *request)
{
    struct hosted *hosted = hosted_of(polling_held(session), request);
    if (!hosted)
        hosted = hosted_of(polling_reading(session), request);
    if (!hosted)
        return; /* it was answered meanwhile */
    struct exchange *exchange = hosted->exchange;
    hosted_free(gateway, hosted);
    exchange_lost(exchange);
}

static void handle(struct gateway *gateway, struct session *session, const Pollen8__RelayedRequest *request,
                   struct call *call)
{
    struct hosted *begun = NULL;
    switch (request->kind) {
    case POLLEN8__RELAYED_REQUEST__KIND__POST:
        begun = hosted_of(polling_reading(session), request);
        if (request->unsupported)
            session_close(gateway, session, CAUSE_PROTOCOL);
        else if (begun)
            finish_body(begun, request, call);
        else
            begin(gateway, session, request, call);
        break;
    case POLLEN8__RELAYED_REQUEST__KIND__GONE: gone(gateway, session, request); break;
    case POLLEN8__RELAYED_REQUEST__KIND__RELEASE:
        if (hosted_of(polling_held(session), request))
            polling_release(session);
        break;
    default: begin(gateway, session, request, call); break;
    }
}

void poll_host_request(struct gateway *gateway, const Pollen8__RelayedRequest *request, const char *reply)
{
    struct call call = {.reply = reply};
    struct sid sid;
    const struct http_answer *refusal = &polling_session_unknown;
    bool opens = request->kind != POLLEN8__RELAYED_REQUEST__KIND__GONE &&
                 request->kind != POLLEN8__RELAYED_REQUEST__KIND__RELEASE;
    struct session *session = engineio_find(gateway, slice_from_string(request->sid));
    if (session && polling_carries(session)) {
        handle(gateway, session, request, &call);
        refusal = request->unsupported ? &polling_bad_request : NULL; /* NULL: it is held */
    } else if (session || (sid_read(slice_from_string(request->sid), &sid) == STATUS_OK &&
                           departures_has(gateway->departures, &sid, gateway->now_ms))) {
        refusal = &polling_bad_request;
    }
    if (opens && !call.answered)
        (void)send_answer(gateway, reply, NULL, request->id, refusal);
}

void poll_host_lost(struct gateway *gateway, struct peer *peer)
{
    while (peer->hosted) {
        struct hosted *hosted = peer->hosted;
        /* The analyzer does not see that hosted->link is what the loop reads: what is freed has left the list. */
        struct exchange *exchange = hosted->exchange; /* NOLINT(clang-analyzer-unix.Malloc) */
        hosted_free(gateway, hosted); /* first: the end of one session may end another on the list */
        exchange_lost(exchange);
    }
}
