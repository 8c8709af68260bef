/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 *   GET:   ASKED -- held --> HELD -- answered (a separate message) --> ended
 *   POST:  READING -- whole --> ASKED -- answered --> ended
 *
 * A body that is not complete within ANNOUNCE_MS is announced to the session's gateway: a second body beside
 * it, or an aborted one, ends the session. An answer that arrives while the body is still being read is a
 * refusal; it is sent once the body is here.
 */
#include "cluster/poll_relay.h"

#include <stdlib.h>
#include <string.h>

#include "base/gateway.h"
#include "base/slots.h"
#include "base/timer_wheel.h"
#include "cluster/peer_message.h"
#include "cluster/peers.h"
#include "common/wire.h"
#include "http/exchange.h"
#include "http/http_answer.h"
#include "transport/polling.h"

#define ANNOUNCE_MS 50
#define SLOTS_START 64

enum state { READING, ASKED, HELD };

struct relay {
    struct exchange *exchange;
    struct peer *peer; /* who holds it; HELD, or READING and announced */
    uint64_t id;
    uint64_t bytes;                    /* of its body, counted while in flight */
    const struct http_answer *refusal; /* READING: the answer to give */
    struct gateway *gateway;
    struct wheel_timer timer; /* READING: when it is announced */
    uint8_t state;
    bool announced;
    bool unsupported;
    char sid[SID_SIZE];
};

struct poll_relays {
    struct slots slots; /* relays */
    uint64_t bytes;
};

static const struct http_answer busy = {
    503, HTTP_TEXT, {"too many requests under way\n", 28}, "retry-after: 1\r\n", LABEL_HANDSHAKES_RELAY};

struct poll_relays *poll_relays_create(void)
{
    struct poll_relays *relays = calloc(1, sizeof(*relays));
    if (relays)
        slots_init(&relays->slots, SLOTS_START, SLOTS_MAXIMUM);
    return relays;
}

void poll_relays_free(struct poll_relays *relays)
{
    if (!relays)
        return;
    for (uint32_t i = 0; i < relays->slots.used; i++)
        free(slots_at(&relays->slots, i));
    slots_done(&relays->slots);
    free(relays);
}

/* ---- the table ---------------------------------------------------------------------------------------- */

static struct relay *relay_create(struct gateway *gateway, const struct sid *sid, struct exchange *exchange,
                                  enum state state)
{
    struct poll_relays *relays = gateway->poll_relays;
    if (!relays || relays->slots.count >= (uint32_t)gateway->settings->relayed_requests)
        return NULL;
    struct relay *relay = calloc(1, sizeof(*relay));
    if (!relay || slots_put(&relays->slots, relay, &relay->id) != STATUS_OK) {
        free(relay);
        return NULL;
    }
    relay->gateway = gateway;
    relay->exchange = exchange;
    relay->state = (uint8_t)state;
    memcpy(relay->sid, sid->text.data, sid->text.length);
    metrics_set(gateway->metrics, METRIC_RELAYED_REQUESTS, relays->slots.count);
    return relay;
}

static void relay_free(struct gateway *gateway, struct relay *relay)
{
    struct poll_relays *relays = gateway->poll_relays;
    timer_wheel_cancel(gateway->wheel, &relay->timer);
    if (relay->peer)
        relay->peer->open--;
    relays->bytes -= relay->bytes;
    slots_remove(&relays->slots, relay->id);
    metrics_set(gateway->metrics, METRIC_RELAYED_REQUESTS, relays->slots.count);
    free(relay);
}

static const char *owner_of(const struct relay *relay)
{
    return relay->sid + SID_KEY_SIZE;
}

/* ---- what is said to the session's gateway ------------------------------------------------------------ */

typedef Pollen8__RelayedRequest__Kind http_request_kind;
#define KIND(name) POLLEN8__RELAYED_REQUEST__KIND__##name

static enum status say(struct gateway *gateway, const struct relay *relay, http_request_kind kind,
                       struct slice body, peer_message_reply_fn *answered)
{
    Pollen8__GatewayMessage message = POLLEN8__GATEWAY_MESSAGE__INIT;
    Pollen8__RelayedRequest request = POLLEN8__RELAYED_REQUEST__INIT;
    message.message_case = POLLEN8__GATEWAY_MESSAGE__MESSAGE_REQUEST;
    message.request = &request;
    request.gateway = gateway->settings->gateway_name;
    request.instance = gateway->instance;
    request.id = relay->id;
    request.sid = (char *)(uintptr_t)relay->sid;
    request.kind = kind;
    request.body = wire_borrow(body);
    request.unsupported = relay->unsupported;
    return answered ? peer_message_ask(gateway, owner_of(relay), &message, false, answered, relay->id)
                    : peer_message_tell(gateway, owner_of(relay), &message);
}

/* ---- the end ------------------------------------------------------------------------------------------ */

static void finish(struct gateway *gateway, struct relay *relay, const struct http_answer *answer,
                   enum gateway_label result)
{
    struct exchange *exchange = relay->exchange;
    gateway_count(gateway, result);
    relay_free(gateway, relay);
    exchange_answer(exchange, answer);
}

/* `answer` is static: while the body is still being read, it is kept until that is done. */
static void refuse(struct gateway *gateway, struct relay *relay, const struct http_answer *answer,
                   enum gateway_label result)
{
    if (relay->state == READING)
        relay->refusal = answer;
    else
        finish(gateway, relay, answer, result);
}

static void on_gone(struct gateway *gateway, void *owner)
{
    struct relay *relay = owner;
    if (relay->state == READING && !relay->announced)
        (void)say(gateway, relay, KIND(BODY_BEGUN), (struct slice){0}, NULL); /* what is aborted there */
    (void)say(gateway, relay, KIND(GONE), (struct slice){0}, NULL);
    gateway_count(gateway, LABEL_RELAYS_CLIENT_GONE);
    relay_free(gateway, relay);
}

/* Gives the answer of the session's gateway; only answers that it can give. */
static void give(struct gateway *gateway, struct relay *relay, const Pollen8__RelayedAnswer *said)
{
    struct http_answer answer = {
        200, HTTP_TEXT, {(const char *)said->body.data, said->body.len}, NULL, LABEL_NONE};
    if (said->status != 200) {
        bool unknown = slice_equal(answer.body, polling_session_unknown.body);
        refuse(gateway, relay, unknown ? &polling_session_unknown : &polling_bad_request,
               LABEL_RELAYS_REFUSED);
    } else if (relay->state != READING) {
        if (strcmp(said->type, HTTP_HTML) == 0)
            answer.type = HTTP_HTML;
        finish(gateway, relay, &answer, LABEL_RELAYS_OK);
    }
}

static bool hold(struct gateway *gateway, struct relay *relay, uint64_t instance)
{
    relay->peer = peers_get(gateway, owner_of(relay), instance);
    if (!relay->peer)
        return false;
    relay->peer->open++;
    return true;
}

/* Neither an answer nor the notice that there will be one. */
static void fail(struct gateway *gateway, struct relay *relay, enum status status)
{
    if (status != STATUS_NO_RESPONDERS)
        (void)say(gateway, relay, KIND(GONE), (struct slice){0}, NULL); /* it may be alive after all */
    refuse(gateway, relay, &polling_session_unknown,
           status == STATUS_NO_RESPONDERS ? LABEL_RELAYS_OWNER_GONE : LABEL_RELAYS_TIMEOUT);
}

static void held(struct gateway *gateway, struct relay *relay)
{
    relay->state = HELD;
    if (gateway->draining)
        (void)say(gateway, relay, KIND(RELEASE), (struct slice){0}, NULL);
}

static void on_reply(struct gateway *gateway, uint64_t id, enum status status,
                     const Pollen8__GatewayMessage *reply)
{
    struct relay *relay = slots_find(&gateway->poll_relays->slots, id);
    if (!relay)
        return;
    if (status != STATUS_OK || reply->message_case != POLLEN8__GATEWAY_MESSAGE__MESSAGE_ANSWER)
        fail(gateway, relay, status);
    else if (!reply->answer->held)
        give(gateway, relay, reply->answer);
    else if (hold(gateway, relay, reply->answer->instance))
        held(gateway, relay);
    else
        fail(gateway, relay, STATUS_FULL);
}

/* The reply to BODY_BEGUN; ignored once the body itself has been sent. */
static void on_begun(struct gateway *gateway, uint64_t id, enum status status,
                     const Pollen8__GatewayMessage *reply)
{
    struct relay *relay = slots_find(&gateway->poll_relays->slots, id);
    if (!relay || relay->state != READING)
        return;
    if (status != STATUS_OK || reply->message_case != POLLEN8__GATEWAY_MESSAGE__MESSAGE_ANSWER)
        fail(gateway, relay, status);
    else if (!reply->answer->held)
        give(gateway, relay, reply->answer);
    else if (!hold(gateway, relay, reply->answer->instance))
        fail(gateway, relay, STATUS_FULL);
}

void poll_relay_answered(struct gateway *gateway, const Pollen8__RelayedAnswer *answer)
{
    struct peer *peer = peers_get(gateway, answer->gateway, answer->instance);
    struct relay *relay = slots_find(&gateway->poll_relays->slots, answer->id);
    if (peer)
        peer->taken++;
    if (relay && strcmp(owner_of(relay), answer->gateway) == 0)
        give(gateway, relay, answer);
}

void poll_relay_lost(struct gateway *gateway, struct peer *peer)
{
    struct poll_relays *relays = gateway->poll_relays;
    for (uint32_t i = 0; peer->open > 0 && i < relays->slots.used; i++) {
        struct relay *relay = slots_at(&relays->slots, i);
        if (!relay || relay->peer != peer)
            continue;
        (void)say(gateway, relay, KIND(GONE), (struct slice){0}, NULL); /* it may be alive after all */
        peer->open--;
        relay->peer = NULL;
        refuse(gateway, relay, &polling_session_unknown, LABEL_RELAYS_OWNER_GONE);
    }
}

/* ---- requests ----------------------------------------------------------------------------------------- */

const struct http_answer *poll_relay_get(struct gateway *gateway, const struct sid *sid,
                                         struct exchange *exchange)
{
    static const struct exchange_owner kind = {.gone = on_gone};
    struct relay *relay = relay_create(gateway, sid, exchange, ASKED);
    if (!relay)
        return gateway->poll_relays ? &busy : &polling_session_unknown;
    if (say(gateway, relay, KIND(GET), (struct slice){0}, on_reply) != STATUS_OK) {
        relay_free(gateway, relay);
        return &busy;
    }
    exchange_own(exchange, &kind, relay);
    return NULL;
}

static void announce(void *context, struct wheel_timer *timer)
{
    struct gateway *gateway = context;
    struct relay *relay = TIMER_OWNER(timer, struct relay, timer);
    relay->announced = say(gateway, relay, KIND(BODY_BEGUN), (struct slice){0}, on_begun) == STATUS_OK;
}

static void on_body(struct gateway *gateway, void *owner, struct exchange *exchange, struct slice body)
{
    static const struct exchange_owner kind = {.gone = on_gone};
    struct poll_relays *relays = gateway->poll_relays;
    struct relay *relay = owner;
    const struct http_answer *refusal = relay->refusal;
    timer_wheel_cancel(gateway->wheel, &relay->timer);
    relay->state = ASKED;
    if (!refusal && relays->bytes + body.length > (uint64_t)gateway->settings->relayed_bytes)
        refusal = &busy;
    if (!refusal &&
        say(gateway, relay, KIND(POST), relay->unsupported ? (struct slice){0} : body, on_reply) != STATUS_OK)
        refusal = &busy;
    if (refusal) {
        finish(gateway, relay, refusal, refusal == &busy ? LABEL_RELAYS_FULL : LABEL_RELAYS_REFUSED);
        return;
    }
    relay->bytes = body.length;
    relays->bytes += body.length;
    exchange_own(exchange, &kind, relay);
}

const struct http_answer *poll_relay_post(struct gateway *gateway, const struct sid *sid,
                                          struct exchange *exchange, bool unsupported)
{
    static const struct exchange_owner kind = {.body = on_body, .gone = on_gone};
    struct relay *relay = relay_create(gateway, sid, exchange, READING);
    if (!relay)
        return gateway->poll_relays ? &busy : &polling_session_unknown;
    relay->unsupported = unsupported;
    relay->timer.fire = announce;
    exchange_own(exchange, &kind, relay);
    timer_wheel_arm(gateway->wheel, &relay->timer, gateway->now_ms + ANNOUNCE_MS);
    return NULL;
}

void poll_relays_release(struct gateway *gateway)
{
    struct poll_relays *relays = gateway->poll_relays;
    for (uint32_t i = 0; relays && i < relays->slots.used; i++) {
        const struct relay *relay = slots_at(&relays->slots, i);
        if (relay && relay->state == HELD)
            (void)say(gateway, relay, KIND(RELEASE), (struct slice){0}, NULL);
    }
}
