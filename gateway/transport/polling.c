/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * in:  body -> packets -> engineio, in order, until one closes the session
 * out: the session's queue -> a body of the packets that were encoded for WebSockets -> the poll that is
 * held; without one the queue waits, within its bound
 *
 * Rules, as the stock server's: a second poll while one is held ends the session (the first is told `1`, the
 * second refused); so do a poll that hangs up, a body that breaks off, a second body beside the first, and a
 * body that does not decode.
 */
#include "transport/polling.h"

#include <stdlib.h>
#include <string.h>

#include "base/gateway.h"
#include "common/utf8.h"
#include "http/exchange.h"
#include "net/websocket.h"
#include "session/frames_written.h"
#include "session/session.h"
#include "session/session_events.h"
#include "session/session_extra.h"
#include "session/session_send.h"
#include "text/client_token.h"
#include "text/sid.h"
#include "transport/engineio.h"

#define BODY_FRAMES_BYTES 60000 /* of queued frames in one answer; one frame may be longer */
#define BODY_MAXIMUM      (8u * 1024 * 1024)
#define MAKE_WAY_MS       100 /* between the ends of polls during an upgrade */
#define LEAVE_MS          50  /* for a poll that is on its way when the client closes */

/* Versions of clang-format differ on this. */
/* clang-format off */
#define REFUSAL(text, label)                                                                                 \
    {                                                                                                        \
        400, HTTP_JSON, {text, sizeof(text) - 1}, NULL, label                                                \
    }
/* clang-format on */
const struct http_answer polling_transport_unknown =
    REFUSAL("{\"code\":0,\"message\":\"Transport unknown\"}", LABEL_HANDSHAKES_TRANSPORT_UNKNOWN);
const struct http_answer polling_session_unknown =
    REFUSAL("{\"code\":1,\"message\":\"Session ID unknown\"}", LABEL_HANDSHAKES_SESSION_UNKNOWN);
const struct http_answer polling_bad_method =
    REFUSAL("{\"code\":2,\"message\":\"Bad handshake method\"}", LABEL_HANDSHAKES_METHOD);
const struct http_answer polling_bad_request =
    REFUSAL("{\"code\":3,\"message\":\"Bad request\"}", LABEL_HANDSHAKES_BAD_REQUEST);
const struct http_answer polling_version =
    REFUSAL("{\"code\":5,\"message\":\"Unsupported protocol version\"}", LABEL_HANDSHAKES_VERSION);

static const struct http_answer posted = {200, HTTP_HTML, {"ok", 2}, NULL, LABEL_NONE};

struct polling {
    struct gateway *gateway;
    struct session *session;
    struct exchange *get;      /* the poll that is held */
    struct exchange *post;     /* the body that is read */
    struct websocket *probe;   /* wants to take over */
    struct upgrade_away *away; /* owned: a WebSocket at another gateway does; NULL: none */
    uint64_t upgrade_ms;       /* by then it must have */
    bool making_way;           /* polls are ended */
    bool leaving;              /* the client has closed; `post` is answered with the end */
    struct wheel_timer timer;  /* of the upgrade, or of leaving */
    char sid[SID_KEY_SIZE];
};
_Static_assert(sizeof(struct polling) <= 120, "stated in polling.h");

struct upgrade_away {
    polling_away_ended_fn *ended;
    uint64_t id; /* what that gateway calls the session to be */
    char gateway[];
};

static const struct transport_ops polling_ops;

bool polling_carries(const struct session *session)
{
    return session->ops == &polling_ops && session->transport;
}

const char *polling_sid(const struct session *session)
{
    const struct polling *polling = session->transport;
    return polling->sid;
}

struct exchange *polling_held(const struct session *session)
{
    const struct polling *polling = session->transport;
    return polling->get;
}

struct exchange *polling_reading(const struct session *session)
{
    const struct polling *polling = session->transport;
    return polling->post;
}

/* ---- out ---------------------------------------------------------------------------------------------- */

static void answer_get(struct polling *polling, struct slice body)
{
    struct exchange *get = polling->get;
    const struct http_answer answer = {200, HTTP_TEXT, body, NULL, LABEL_NONE};
    polling->get = NULL;
    exchange_answer(get, &answer);
}

void polling_release(struct session *session)
{
    struct polling *polling = session->transport;
    if (polling->get)
        answer_get(polling, SLICE_LITERAL("6"));
}

/* Takes frames out of the queue into the body. */
static enum status gather(struct session *session, struct buf *body, uint16_t *ret_count)
{
    const struct polling *polling = session->transport;
    struct frame *const *frames = outq_frames(&session->outq);
    enum status status = STATUS_OK;
    uint16_t count = 0;
    uint32_t length = 0;
    while (status == STATUS_OK && count < session->outq.count && length < BODY_FRAMES_BYTES) {
        const struct wire *wire = frames[count]->wires[FRAME_SOCKETIO];
        status = eio_payload_append_frames(body, slice_make(wire->bytes, wire->length));
        length += wire->length;
        count++;
    }
    if (status == STATUS_OK) {
        if (session->outq.kept)
            frames_written_note(polling->gateway, session, count);
        outq_pop(&session->outq, count, length);
    }
    *ret_count = count;
    return status;
}

static void flush(struct gateway *gateway, struct session *session)
{
    struct polling *polling = session->transport;
    struct buf body;
    uint16_t count = 0;
    if (!polling || !polling->get || !session->outq.count)
        return;
    buf_init(&body, BODY_MAXIMUM);
    enum status status = gather(session, &body, &count);
    if (status == STATUS_OK) {
        metrics_add(gateway->metrics, METRIC_FRAMES_OUT, count);
        answer_get(polling, buf_slice(&body));
        session_wrote(gateway, session, true);
        if (session->catchup)
            gateway->events->drained(gateway, session);
    }
    buf_done(&body);
    if (status != STATUS_OK) {
        outq_clear(&session->outq);
        session_close(gateway, session, CAUSE_MEMORY);
    }
}

static bool writable(const struct session *session)
{
    const struct polling *polling = session->transport;
    return polling && polling->get;
}

/* ---- the end ------------------------------------------------------------------------------------------ */

static void polling_free(struct polling *polling)
{
    if (polling->post && polling->leaving)
        exchange_answer(polling->post, &posted);
    else if (polling->post)
        exchange_disown(polling->post);
    timer_wheel_cancel(polling->gateway->wheel, &polling->timer);
    free(polling->away);
    free(polling);
}

/* The last poll takes what waits, as far as one answer holds, and the close packet. */
static void close_polling(struct gateway *gateway, struct session *session, uint16_t code, const char *text)
{
    struct polling *polling = session->transport;
    struct buf body;
    uint16_t count = 0;
    (void)code;
    (void)text;
    if (polling->get) {
        buf_init(&body, BODY_MAXIMUM);
        if (gather(session, &body, &count) != STATUS_OK)
            buf_clear(&body);
        if (eio_payload_append(&body, EIO_CLOSE, (struct slice){0}) == STATUS_OK)
            answer_get(polling, buf_slice(&body));
        else
            answer_get(polling, SLICE_LITERAL("1"));
        buf_done(&body);
    }
    if (polling->probe)
        websocket_end(polling->probe, 1000, "");
    if (polling->away)
        polling->away->ended(gateway, polling->away->gateway, polling->away->id);
    polling_free(polling);
}

static const struct transport_ops polling_ops = {
    .label = LABEL_SESSIONS_SOCKETIO_POLLING,
    .flush = flush,
    .writable = writable,
    .opened = engineio_opened,
    .refused = engineio_refused,
    .ping = engineio_ping,
    .close = close_polling,
    .ended = engineio_ended,
};

static void close_by_client(struct gateway *gateway, struct session *session);

/* ---- polls -------------------------------------------------------------------------------------------- */

static void get_gone(struct gateway *gateway, void *owner)
{
    struct polling *polling = owner;
    polling->get = NULL;
    session_close(gateway, polling->session, CAUSE_CLIENT);
}

const struct http_answer *polling_get(struct gateway *gateway, struct session *session,
                                      struct exchange *exchange)
{
    static const struct exchange_owner kind = {.gone = get_gone};
    struct polling *polling = session->transport;
    if (polling->get) {
        session_close(gateway, session, CAUSE_PROTOCOL);
        return &polling_bad_request;
    }
    polling->get = exchange;
    exchange_own(exchange, &kind, polling);
    if (polling->leaving)
        close_by_client(gateway, session);
    else
        flush(gateway, session);
    return NULL;
}

/* ---- bodies ------------------------------------------------------------------------------------------- */

/* Of two requests on two connections the later may arrive first: the poll that the client had sent before it
 * closed is waited for, so that it is answered as one that is held. */
static void close_by_client(struct gateway *gateway, struct session *session)
{
    struct polling *polling = session->transport;
    if (!polling->get && !polling->probe && !polling->away) {
        polling->leaving = true;
        return;
    }
    if (polling->get)
        answer_get(polling, SLICE_LITERAL("6"));
    session_close(gateway, session, CAUSE_NORMAL);
}

/* Hands the packets up. False: the body is malformed, or too much. */
static bool take_packets(struct gateway *gateway, struct session *session, struct slice body)
{
    const struct polling *polling = session->transport;
    struct eio_payload payload;
    struct eio_packet packet;
    struct buf scratch;
    enum status status = STATUS_OK;
    buf_init(&scratch, body.length);
    eio_payload_start(&payload, body, EIO_PAYLOAD_PACKET_MAXIMUM);
    while (status == STATUS_OK && polling_carries(session) && !polling->leaving) {
        buf_clear(&scratch); /* a packet's data is not needed once it was handed up */
        status = eio_payload_next(&payload, &scratch, &packet);
        if (status != STATUS_OK)
            break;
        metrics_add(gateway->metrics, METRIC_FRAMES_IN, 1);
        if (packet.type == EIO_CLOSE)
            close_by_client(gateway, session);
        else if (packet.type != EIO_UPGRADE)
            engineio_take(gateway, session, &packet);
    }
    buf_done(&scratch);
    return status == STATUS_OK || status == STATUS_NOT_FOUND;
}

static void post_gone(struct gateway *gateway, void *owner)
{
    struct polling *polling = owner;
    polling->post = NULL;
    session_close(gateway, polling->session, CAUSE_CLIENT);
}

/* The body that closed is answered with the end of the session. */
static void hold_last(struct gateway *gateway, struct polling *polling, struct exchange *exchange)
{
    static const struct exchange_owner kind = {.gone = post_gone};
    polling->post = exchange;
    exchange_own(exchange, &kind, polling);
    timer_wheel_arm(gateway->wheel, &polling->timer, gateway->now_ms + LEAVE_MS);
}

static void post_body(struct gateway *gateway, void *owner, struct exchange *exchange, struct slice body)
{
    struct polling *polling = owner;
    struct session *session = polling->session; /* lives until the end of the turn, whatever happens */
    polling->post = NULL;
    metrics_add(gateway->metrics, METRIC_BYTES_IN, body.length);
    if (utf8_valid(body) && take_packets(gateway, session, body)) {
        if (polling_carries(session) && polling->leaving)
            hold_last(gateway, polling, exchange);
        else
            exchange_answer(exchange, &posted);
        return;
    }
    session_close(gateway, session, CAUSE_PROTOCOL);
    exchange_answer(exchange, &polling_bad_request);
}

const struct http_answer *polling_post(struct gateway *gateway, struct session *session,
                                       struct exchange *exchange)
{
    static const struct exchange_owner kind = {.body = post_body, .gone = post_gone};
    struct polling *polling = session->transport;
    if (polling->post) {
        session_close(gateway, session, CAUSE_PROTOCOL);
        return &polling_bad_request;
    }
    polling->post = exchange;
    exchange_own(exchange, &kind, polling);
    return NULL;
}

/* ---- upgrade ------------------------------------------------------------------------------------------ */

static void upgrade_timer(void *context, struct wheel_timer *timer)
{
    struct gateway *gateway = context;
    struct polling *polling = TIMER_OWNER(timer, struct polling, timer);
    if (polling->leaving) {
        session_close(gateway, polling->session, CAUSE_NORMAL);
        return;
    }
    if (gateway->now_ms >= polling->upgrade_ms) {
        if (polling->probe)
            websocket_end(polling->probe, 1002, "upgrade timeout");
        polling_probe_lost(gateway, polling->session);
        return;
    }
    if (polling->making_way && polling->get && !polling->session->outq.count)
        answer_get(polling, SLICE_LITERAL("6"));
    uint64_t next_ms = gateway->now_ms + MAKE_WAY_MS;
    timer_wheel_arm(gateway->wheel, timer,
                    polling->making_way && next_ms < polling->upgrade_ms ? next_ms : polling->upgrade_ms);
}

struct websocket *polling_probe(const struct session *session)
{
    const struct polling *polling = session->transport;
    return polling->probe;
}

void polling_set_probe(struct gateway *gateway, struct session *session, struct websocket *websocket)
{
    struct polling *polling = session->transport;
    polling->probe = websocket;
    polling->upgrade_ms = gateway->now_ms + (uint64_t)gateway->settings->upgrade_timeout;
    if (polling->leaving)
        session_close(gateway, session, CAUSE_NORMAL);
    else
        timer_wheel_arm(gateway->wheel, &polling->timer, polling->upgrade_ms);
}

void polling_probe_lost(struct gateway *gateway, struct session *session)
{
    struct polling *polling = session->transport;
    polling->probe = NULL;
    free(polling->away);
    polling->away = NULL;
    polling->making_way = false;
    timer_wheel_cancel(gateway->wheel, &polling->timer);
}

enum status polling_set_away(struct gateway *gateway, struct session *session, const char *gateway_name,
                             uint64_t id, polling_away_ended_fn *ended)
{
    struct polling *polling = session->transport;
    size_t size = strlen(gateway_name) + 1;
    if (polling->leaving)
        return STATUS_NOT_FOUND;
    struct upgrade_away *away = malloc(sizeof(*away) + size);
    if (!away)
        return STATUS_NO_MEMORY;
    *away = (struct upgrade_away){.ended = ended, .id = id};
    memcpy(away->gateway, gateway_name, size);
    polling->away = away;
    polling_set_probe(gateway, session, NULL);
    polling_make_way(gateway, session);
    return STATUS_OK;
}

bool polling_is_away(const struct session *session, const char *gateway_name, uint64_t id)
{
    const struct polling *polling = session->transport;
    const struct upgrade_away *away = polling->away;
    return away && away->id == id && strcmp(away->gateway, gateway_name) == 0;
}

bool polling_upgrading(const struct session *session)
{
    const struct polling *polling = session->transport;
    return polling->probe || polling->away;
}

void polling_make_way(struct gateway *gateway, struct session *session)
{
    struct polling *polling = session->transport;
    polling->making_way = true;
    timer_wheel_arm(gateway->wheel, &polling->timer, gateway->now_ms);
}

void polling_leave(struct gateway *gateway, struct session *session)
{
    struct polling *polling = session->transport;
    struct exchange *get = polling->get;
    (void)gateway;
    if (get)
        exchange_answer(get, &polling_session_unknown);
    session->transport = NULL;
    polling_free(polling);
}

/* ---- the start ---------------------------------------------------------------------------------------- */

enum status polling_open(struct gateway *gateway, struct client_token *token, enum status token_status,
                         struct session **ret_session)
{
    uint64_t deadline_ms = gateway->now_ms + (uint64_t)gateway->settings->connect_timeout;
    struct polling *polling = calloc(1, sizeof(*polling));
    if (!polling)
        return STATUS_NO_MEMORY;
    struct session *session = session_create(gateway, &polling_ops, polling, FRAME_SOCKETIO, deadline_ms);
    if (!session) {
        free(polling);
        return STATUS_NO_MEMORY;
    }
    polling->gateway = gateway;
    polling->session = session;
    polling->timer.fire = upgrade_timer;
    sid_make_key((uint32_t)(session->handle & UINT32_MAX), polling->sid);
    if (session_extra_keep_token(session, token, token_status) != STATUS_OK) {
        session_close(gateway, session, CAUSE_MEMORY);
        return STATUS_NO_MEMORY;
    }
    engineio_send_open(gateway, session, polling->sid, true);
    *ret_session = session;
    return STATUS_OK;
}
