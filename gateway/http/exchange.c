/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 *   STARTING -- answered --> ended, or DISCARDING (its body, which nobody wants)
 *      | owned, with a body           | owned, without
 *   READING -- whole, owned ------> HELD -- answered --> ended, or DRAINING (what the kernel did not take)
 *      | whole, answered --> ended   | without TLS, once the loop has polled --> PARKED -- answered --> ended
 *   ended: closed, or kept alive; without TLS KEPT until the loop has polled, then parked, owned by nobody
 *   ELSEWHERE -- answered --> ended: it has no connection here
 *
 * Holding: where the connection is kept alive the library is told that the transaction is complete before
 * anything was written. It then waits for the next request, without the header table, and the answer is
 * written raw when there is one. In that state it does not finish partial writes by itself: DRAINING does,
 * by the clock; it is rare, because an answer is small and the socket was idle. Where the connection ends
 * with the answer the library holds the transaction and finishes everything by itself.
 */
#include "http/exchange_internal.h"

#include <libwebsockets.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>

#include "base/gateway.h"
#include "common/check.h"
#include "http/http_request.h"
#include "http/parked.h"
#include "net/listener.h"

#define HEAD_MAXIMUM   2048
#define ORIGIN_MAXIMUM 256
#define DRAIN_STEP_MS  8
#define PUSHES         64 /* pieces of a rest at once */

static const struct http_answer session_unknown = {
    400, HTTP_JSON, {"{\"code\":1,\"message\":\"Session ID unknown\"}", 41}, NULL, LABEL_NONE};

void exchange_own(struct exchange *exchange, const struct exchange_owner *kind, void *owner)
{
    exchange->kind = kind;
    exchange->owner = owner;
}

void exchange_disown(struct exchange *exchange)
{
    exchange->kind = NULL;
    exchange->owner = NULL;
    if (exchange->state == ELSEWHERE && !exchange->answered)
        exchange_answer(exchange, &session_unknown);
}

uint64_t exchange_body_length(const struct exchange *exchange)
{
    return exchange->body_length;
}

/* ---- answering ---------------------------------------------------------------------------------------- */

/* If it fails, the buf stays empty. */
static enum status compose(const struct exchange *exchange, const struct http_answer *answer, struct buf *buf)
{
    const struct http_shape shape = {
        .keep_alive = exchange->keep_alive,
        .head = exchange->head,
        .by_origin = true,
        .origin = slice_make(exchange->origin_length ? exchange->origin : NULL, exchange->origin_length),
    };
    buf_init(buf, answer->body.length + HEAD_MAXIMUM);
    enum status status = buf_reserve(buf, answer->body.length + HEAD_MAXIMUM);
    if (status == STATUS_OK)
        status = http_answer_append(buf, answer, &shape);
    if (status != STATUS_OK)
        buf_done(buf);
    metrics_add(exchange->gateway->metrics, METRIC_WRITES, 1);
    metrics_add(exchange->gateway->metrics, METRIC_BYTES_OUT, buf->length);
    return status;
}

static bool write_answer(struct exchange *exchange, const struct http_answer *answer)
{
    struct buf buf;
    if (compose(exchange, answer, &buf) != STATUS_OK)
        return false;
    bool written = lws_write(exchange->wsi, (unsigned char *)buf.data, buf.length, LWS_WRITE_HTTP) >= 0;
    buf_done(&buf);
    return written;
}

/* Writes as much of the rest as the kernel accepts; the library writes one piece per call. False: the socket
 * is dead. */
static bool push(struct lws *wsi)
{
    struct pollfd writable = {.fd = lws_get_socket_fd(wsi), .events = POLLOUT};
    for (int i = 0; i < PUSHES && lws_partial_buffered(wsi) && poll(&writable, 1, 0) == 1; i++)
        if (lws_write(wsi, NULL, 0, LWS_WRITE_HTTP) < 0)
            return false;
    return true;
}

/* The answer has been written completely, and the connection stays. */
static void await_next(struct exchange *exchange)
{
    lws_set_timeout(exchange->wsi, PENDING_TIMEOUT_HTTP_KEEPALIVE_IDLE, LISTENER_KEEPALIVE_S);
    exchange_keep(exchange);
}

static void drain(void *context, struct wheel_timer *timer)
{
    struct gateway *gateway = context;
    struct exchange *exchange = TIMER_OWNER(timer, struct exchange, timer);
    if (!push(exchange->wsi) || gateway->now_ms >= exchange->deadline_ms) {
        exchange_end_later(exchange);
    } else if (lws_partial_buffered(exchange->wsi)) {
        timer_wheel_arm(gateway->wheel, timer, gateway->now_ms + DRAIN_STEP_MS);
    } else {
        await_next(exchange);
    }
}

static void answer_held(struct exchange *exchange, const struct http_answer *answer)
{
    struct gateway *gateway = exchange->gateway;
    int64_t patience_ms = gateway->settings->write_timeout;
    if (!write_answer(exchange, answer) || (exchange->keep_alive && !push(exchange->wsi))) {
        exchange_end_later(exchange);
    } else if (!exchange->keep_alive) {
        lws_set_timeout(exchange->wsi, PENDING_TIMEOUT_HTTP_CONTENT, (int)(patience_ms / 1000 + 1));
        if (lws_http_transaction_completed(exchange->wsi)) /* else the library has a rest to write first */
            exchange_end_later(exchange);
    } else if (lws_partial_buffered(exchange->wsi)) {
        metrics_add(gateway->metrics, METRIC_PARTIAL_WRITES, 1);
        exchange->state = DRAINING;
        exchange->deadline_ms = gateway->now_ms + (uint64_t)patience_ms;
        exchange->timer.fire = drain;
        timer_wheel_arm(gateway->wheel, &exchange->timer, gateway->now_ms + DRAIN_STEP_MS);
    } else {
        await_next(exchange);
    }
}

/* Called inside a callback of its own connection; it is ended there. If its body is still to come, the client
 * is asked to send the next request elsewhere: the two could arrive together (see request() in
 * lws_callback.c). */
static void answer_now(struct exchange *exchange, const struct http_answer *answer)
{
    exchange->answered = true;
    if (exchange->state == STARTING && exchange->body_length)
        exchange->keep_alive = false;
    if (!write_answer(exchange, answer))
        exchange->keep_alive = false;
}

static void answer_parked(struct exchange *exchange, const struct http_answer *answer)
{
    struct buf buf;
    if (compose(exchange, answer, &buf) == STATUS_OK)
        parked_answer(exchange->parked, &buf, exchange->keep_alive);
    else
        parked_close(exchange->parked);
    exchange_release(exchange);
}

static void answer_elsewhere(struct exchange *exchange, const struct http_answer *answer)
{
    struct gateway *gateway = exchange->gateway;
    exchange_elsewhere_fn *elsewhere = exchange->elsewhere;
    void *context = exchange->context;
    exchange_release(exchange);
    elsewhere(gateway, context, answer);
}

void exchange_answer(struct exchange *exchange, const struct http_answer *answer)
{
    CHECK(exchange->magic == EXCHANGE_MAGIC && !exchange->answered);
    exchange->kind = NULL;
    exchange->owner = NULL;
    if (exchange->state == ELSEWHERE) {
        answer_elsewhere(exchange, answer);
        return;
    }
    if (exchange->state != HELD && exchange->state != PARKED) {
        answer_now(exchange, answer);
        return;
    }
    exchange->answered = true;
    if (exchange->state == HELD)
        answer_held(exchange, answer);
    else
        answer_parked(exchange, answer);
}

/* ---- a request comes ---------------------------------------------------------------------------------- */

static void late(void *context, struct wheel_timer *timer)
{
    static const struct http_answer timeout = {408, HTTP_TEXT, {"late\n", 5}, NULL, LABEL_NONE};
    struct exchange *exchange = TIMER_OWNER(timer, struct exchange, timer);
    (void)context;
    exchange->keep_alive = false;
    if (!exchange->answered)
        (void)write_answer(exchange, &timeout); /* the connection is closed in any case */
    exchange_end_later(exchange);
}

static void expect_body(struct exchange *exchange, enum state state)
{
    struct gateway *gateway = exchange->gateway;
    exchange->state = (uint8_t)state;
    exchange->timer.fire = late;
    timer_wheel_arm(gateway->wheel, &exchange->timer,
                    gateway->now_ms + (uint64_t)gateway->settings->body_timeout);
}

bool exchange_forget(struct lws *wsi)
{
    struct exchange *earlier = lws_get_opaque_user_data(wsi);
    if (!earlier)
        return true;
    if ((earlier->state != DISCARDING && earlier->state != KEPT) || earlier->ending)
        return false;
    exchange_release(earlier);
    return true;
}

struct exchange *exchange_start(struct gateway *gateway, struct lws *wsi)
{
    char text[ORIGIN_MAXIMUM];
    if (!exchange_forget(wsi))
        return NULL;
    struct slice origin = http_request_origin(wsi, text, sizeof(text));
    if (!http_request_origin_allowed(gateway, wsi))
        origin = (struct slice){0};
    struct exchange *exchange = calloc(1, sizeof(*exchange) + origin.length);
    if (!exchange)
        return NULL;
    exchange->magic = EXCHANGE_MAGIC;
    exchange->gateway = gateway;
    exchange->wsi = wsi;
    exchange->keep_alive = http_request_keep_alive(wsi) && !gateway->draining;
    exchange->head = http_request_method(wsi) == METHOD_HEAD;
    exchange->body_length = http_request_body_length(wsi);
    if (exchange->body_length == HTTP_REQUEST_BODY_UNKNOWN)
        exchange->keep_alive = false; /* its end is not known */
    exchange->origin_length = origin.length;
    if (origin.length)
        memcpy(exchange->origin, origin.data, origin.length);
    lws_set_opaque_user_data(wsi, exchange);
    return exchange;
}

/* Answered inside the callback of its own connection. */
static int ended(struct exchange *exchange, uint64_t body_left)
{
    struct lws *wsi = exchange->wsi;
    bool hang_up = body_left == HTTP_REQUEST_BODY_UNKNOWN ||
                   (!exchange->keep_alive && !body_left && !lws_partial_buffered(wsi));
    if (body_left && !hang_up)
        expect_body(exchange, DISCARDING); /* by the library */
    else if (exchange->keep_alive && !hang_up)
        exchange_keep(exchange);
    else
        exchange_release(exchange);
    return hang_up || lws_http_transaction_completed(wsi) ? -1 : 0;
}

/* ---- holding ------------------------------------------------------------------------------------------ */

/* For the library the connection is idle until the answer is there. */
static int held(struct exchange *exchange)
{
    timer_wheel_cancel(exchange->gateway->wheel, &exchange->timer);
    buf_done(&exchange->body);
    exchange->state = HELD;
    if (exchange->keep_alive && lws_http_transaction_completed(exchange->wsi))
        return -1;
    lws_set_timeout(exchange->wsi, NO_PENDING_TIMEOUT, 0);
    exchange_park(exchange);
    return 0;
}

int exchange_started(struct exchange *exchange)
{
    if (exchange->answered)
        return ended(exchange, exchange->body_length);
    if (exchange->kind->body) {
        buf_init(&exchange->body, (size_t)exchange->body_length);
        expect_body(exchange, READING);
        return 0;
    }
    return held(exchange);
}

/* ---- elsewhere ---------------------------------------------------------------------------------------- */

struct exchange *exchange_create_elsewhere(struct gateway *gateway, exchange_elsewhere_fn *answer,
                                           void *context)
{
    struct exchange *exchange = calloc(1, sizeof(*exchange));
    if (!exchange)
        return NULL;
    exchange->magic = EXCHANGE_MAGIC;
    exchange->gateway = gateway;
    exchange->state = ELSEWHERE;
    exchange->elsewhere = answer;
    exchange->context = context;
    return exchange;
}

void *exchange_elsewhere(const struct exchange *exchange)
{
    return exchange->context;
}

void exchange_whole(struct exchange *exchange, struct slice body)
{
    const struct exchange_owner *kind = exchange->kind;
    void *owner = exchange->owner;
    exchange->kind = NULL;
    exchange->owner = NULL;
    kind->body(exchange->gateway, owner, exchange, body);
}

void exchange_lost(struct exchange *exchange)
{
    exchange_gone(exchange);
}

/* ---- its body ----------------------------------------------------------------------------------------- */

/* From 4.3 on the library passes what follows the body along with it, and then never reports that the body is
 * complete (lws_read_h1() looks at content_length_given, which only HTTP/2 sets). */
int exchange_body(struct lws *wsi, const void *data, size_t length)
{
    struct exchange *exchange = lws_get_opaque_user_data(wsi);
    if (!exchange || exchange->state != READING || exchange->ending)
        return -1;
    size_t left = (size_t)exchange->body_length - exchange->body.length;
    bool whole = length > left;
    if (length && buf_append(&exchange->body, data, whole ? left : length) != STATUS_OK)
        return -1;
    if (!whole)
        return 0;
    exchange->keep_alive = false; /* what follows is lost: the client is asked to send it elsewhere */
    return exchange_body_end(wsi);
}

int exchange_body_end(struct lws *wsi)
{
    struct exchange *exchange = lws_get_opaque_user_data(wsi);
    if (!exchange || exchange->state != READING || exchange->ending)
        return -1;
    const struct exchange_owner *kind = exchange->kind;
    void *owner = exchange->owner;
    exchange_disown(exchange);
    if (kind)
        kind->body(exchange->gateway, owner, exchange, buf_slice(&exchange->body));
    if (exchange->kind)
        return held(exchange);
    if (!exchange->answered)
        answer_now(exchange, &session_unknown);
    return ended(exchange, 0);
}

void exchange_closed(struct lws *wsi)
{
    struct exchange *exchange = lws_get_opaque_user_data(wsi);
    if (!exchange)
        return;
    CHECK(exchange->magic == EXCHANGE_MAGIC);
    lws_set_opaque_user_data(wsi, NULL);
    exchange->wsi = NULL;
    timer_wheel_cancel(exchange->gateway->wheel, &exchange->timer);
    exchange_gone(exchange);
}
