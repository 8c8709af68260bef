/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 *   OPENED -- 2probe --> ASKED -- rooms joined, 3probe --> PROBED -- 5 --> COMMITTING -- moved --> a session
 *                                                                          |     ^
 *                                                                        again, in a while
 */
#include "cluster/move/move_in.h"

#include <stdlib.h>
#include <string.h>

#include "base/gateway.h"
#include "cluster/move/session_move.h"
#include "cluster/peer_message.h"
#include "codec/eio_packet.h"
#include "net/websocket.h"
#include "session/session.h"
#include "session/session_extra.h"
#include "session/sessions.h"
#include "text/client_token.h"
#include "transport/engineio.h"
#include "transport/engineio_ws.h"

#define AGAIN_MS 20

enum stage { OPENED, ASKED, PROBED, COMMITTING };

struct arrival {
    struct session *session;
    struct websocket *websocket; /* NULL: gone */
    struct wheel_timer timer;    /* COMMITTING: when to ask again; else the deadline */
    uint64_t end_ms;
    uint8_t stage;
    char sid[SID_SIZE];
};

static const struct transport_ops arriving_ops;

/* ---- what is said to the session's gateway ------------------------------------------------------------ */

typedef Pollen8__UpgradeRequest__Kind http_request_kind;
#define KIND(name) POLLEN8__UPGRADE_REQUEST__KIND__##name

static enum status say(struct gateway *gateway, const struct arrival *arrival, http_request_kind kind,
                       peer_message_reply_fn *answered)
{
    Pollen8__GatewayMessage message = POLLEN8__GATEWAY_MESSAGE__INIT;
    Pollen8__UpgradeRequest request = POLLEN8__UPGRADE_REQUEST__INIT;
    struct position_message position;
    struct pack_arena pack_arena = {0};
    const char *owner = arrival->sid + SID_KEY_SIZE;
    enum status status = STATUS_OK;
    message.message_case = POLLEN8__GATEWAY_MESSAGE__MESSAGE_UPGRADE;
    message.upgrade = &request;
    request.kind = kind;
    request.gateway = gateway->settings->gateway_name;
    request.id = arrival->session->handle;
    request.sid = (char *)(uintptr_t)arrival->sid;
    if (kind == KIND(COMMIT)) {
        session_move_position(gateway, &position);
        request.position = &position.message;
        status = session_move_rooms(&pack_arena, arrival->session, &request.rooms, &request.n_rooms);
    }
    if (status == STATUS_OK)
        status = answered ? peer_message_ask(gateway, owner, &message, kind == KIND(COMMIT), answered,
                                             arrival->session->handle)
                          : peer_message_tell(gateway, owner, &message);
    pack_arena_done(&pack_arena);
    return status;
}

/* ---- the place holder's transport --------------------------------------------------------------------- */

/* Keeps what comes. */
static void keep(struct gateway *gateway, struct session *session)
{
    (void)gateway;
    (void)session;
}

static bool writable(const struct session *session)
{
    (void)session;
    return true;
}

static void close_arrival(struct gateway *gateway, struct session *session, uint16_t code, const char *text)
{
    struct arrival *arrival = session->transport;
    if (arrival->stage != OPENED)
        (void)say(gateway, arrival, KIND(LOST), NULL);
    if (arrival->websocket)
        websocket_end(arrival->websocket, code ? code : 1000, text);
    timer_wheel_cancel(gateway->wheel, &arrival->timer);
    if (arrival->stage == COMMITTING)
        gateway_count(gateway, LABEL_MOVES_FAILED);
    free(arrival);
}

static const struct transport_ops arriving_ops = {
    .label = LABEL_SESSIONS_SOCKETIO_ARRIVING,
    .flush = keep,
    .writable = writable,
    .opened = engineio_opened,
    .refused = engineio_refused,
    .ping = keep,
    .close = close_arrival,
    .ended = engineio_ended,
};

/* The arrival of a session that is still arriving; NULL. */
static struct arrival *arrival_of(const struct gateway *gateway, uint64_t handle)
{
    struct session *session = sessions_find(gateway->sessions, handle);
    return session && session->ops == &arriving_ops ? session->transport : NULL;
}

static void on_socket_lost(struct gateway *gateway, void *owner)
{
    struct arrival *arrival = owner;
    arrival->websocket = NULL;
    session_close(gateway, arrival->session, CAUSE_CLIENT);
}

/* ---- the end of it ------------------------------------------------------------------------------------ */

static void commit(struct gateway *gateway, struct arrival *arrival);

static void take(struct gateway *gateway, struct arrival *arrival, const Pollen8__SessionMove *move)
{
    struct session *session = arrival->session;
    struct websocket *websocket = arrival->websocket;
    enum status status = move ? session_move_unpack(gateway, session, move) : STATUS_MALFORMED;
    if (session->state == SESSION_CLOSING) /* more than its queue holds */
        return;
    if (status != STATUS_OK) {
        session_close(gateway, session, CAUSE_UNAVAILABLE);
        return;
    }
    timer_wheel_cancel(gateway->wheel, &arrival->timer);
    free(arrival);
    gateway_count(gateway, LABEL_MOVES_IN);
    engineio_ws_arrived(gateway, session, websocket);
}

/* NULL: none came, or something else. */
static const Pollen8__UpgradeReply *reply_of(enum status status, const Pollen8__GatewayMessage *message)
{
    bool replied =
        status == STATUS_OK && message->message_case == POLLEN8__GATEWAY_MESSAGE__MESSAGE_UPGRADE_REPLY;
    return replied ? message->upgrade_reply : NULL;
}

static void on_committed(struct gateway *gateway, uint64_t id, enum status status,
                         const Pollen8__GatewayMessage *message)
{
    struct arrival *arrival = arrival_of(gateway, id);
    const Pollen8__UpgradeReply *reply = reply_of(status, message);
    if (!arrival)
        return;
    if (reply && reply->result == POLLEN8__UPGRADE_REPLY__RESULT__MOVED) {
        take(gateway, arrival, reply->move);
    } else if (!reply || reply->result != POLLEN8__UPGRADE_REPLY__RESULT__AGAIN ||
               session_move_join(gateway, arrival->session, reply->rooms, reply->n_rooms) != STATUS_OK) {
        session_close(gateway, arrival->session, CAUSE_UNAVAILABLE);
    } else if (reply->n_rooms > 0) {
        commit(gateway, arrival);
    } else {
        timer_wheel_arm(gateway->wheel, &arrival->timer, gateway->now_ms + AGAIN_MS);
    }
}

static void commit(struct gateway *gateway, struct arrival *arrival)
{
    arrival->stage = COMMITTING;
    session_move_asked(arrival->session);
    timer_wheel_arm(gateway->wheel, &arrival->timer, arrival->end_ms);
    if (say(gateway, arrival, KIND(COMMIT), on_committed) != STATUS_OK)
        session_close(gateway, arrival->session, CAUSE_UNAVAILABLE);
}

static void on_timer(void *context, struct wheel_timer *timer)
{
    struct gateway *gateway = context;
    struct arrival *arrival = TIMER_OWNER(timer, struct arrival, timer);
    if (gateway->now_ms >= arrival->end_ms)
        session_close(gateway, arrival->session, CAUSE_UNAVAILABLE);
    else
        commit(gateway, arrival);
}

void move_in_ended(struct gateway *gateway, const Pollen8__UpgradeReply *reply)
{
    const struct arrival *arrival = arrival_of(gateway, reply->id);
    if (arrival)
        session_close(gateway, arrival->session, CAUSE_UNAVAILABLE);
}

/* ---- the probe ---------------------------------------------------------------------------------------- */

static void on_probed(struct gateway *gateway, uint64_t id, enum status status,
                      const Pollen8__GatewayMessage *message)
{
    struct arrival *arrival = arrival_of(gateway, id);
    const Pollen8__UpgradeReply *reply = reply_of(status, message);
    if (!arrival)
        return;
    if (!reply || reply->result != POLLEN8__UPGRADE_REPLY__RESULT__PROBED ||
        session_move_join(gateway, arrival->session, reply->rooms, reply->n_rooms) != STATUS_OK) {
        gateway_count(gateway, LABEL_MOVES_REFUSED);
        session_close(gateway, arrival->session, CAUSE_NORMAL);
        return;
    }
    arrival->stage = PROBED;
    websocket_write(arrival->websocket, SLICE_LITERAL("3probe"));
}

/* Whether the packet is the next one the probe expects; if so, it has been handled. */
static bool take_packet(struct gateway *gateway, struct arrival *arrival, const struct eio_packet *packet)
{
    if (arrival->stage == OPENED && packet->type == EIO_PING && eio_packet_is_probe(packet)) {
        arrival->stage = ASKED;
        return say(gateway, arrival, KIND(PROBE), on_probed) == STATUS_OK;
    }
    if (arrival->stage != PROBED || packet->type != EIO_UPGRADE)
        return false;
    websocket_read(arrival->websocket, false); /* until the session is here */
    commit(gateway, arrival);
    return true;
}

static void on_socket_message(struct gateway *gateway, void *owner, bool binary, struct slice message)
{
    struct arrival *arrival = owner;
    struct session *session = arrival->session;
    struct eio_packet packet;
    if (binary || eio_packet_decode(message, &packet) != STATUS_OK || !take_packet(gateway, arrival, &packet))
        session_close(gateway, session, CAUSE_PROTOCOL);
}

static void open_arrival(struct gateway *gateway, struct arrival *arrival, const struct sid *sid)
{
    static const struct websocket_owner owner = {.message = on_socket_message, .lost = on_socket_lost};
    memcpy(arrival->sid, sid->text.data, sid->text.length);
    arrival->end_ms = gateway->now_ms + (uint64_t)gateway->settings->upgrade_timeout;
    arrival->timer.fire = on_timer;
    timer_wheel_arm(gateway->wheel, &arrival->timer, arrival->end_ms);
    timer_wheel_cancel(gateway->wheel, &arrival->session->heartbeat);
    websocket_own(arrival->websocket, &owner, arrival);
}

enum status move_in_open(struct gateway *gateway, struct lws *wsi, const struct sid *sid,
                         struct client_token *token, enum status token_status,
                         struct websocket **ret_websocket)
{
    struct arrival *arrival = calloc(1, sizeof(*arrival));
    struct websocket *websocket = arrival ? websocket_create(gateway, wsi) : NULL;
    struct session *session =
        websocket ? session_create(gateway, &arriving_ops, arrival, FRAME_SOCKETIO, 0) : NULL;
    if (!session) {
        if (websocket)
            websocket_closed(websocket);
        free(arrival);
        return STATUS_NO_MEMORY;
    }
    arrival->session = session;
    arrival->websocket = websocket;
    open_arrival(gateway, arrival, sid);
    *ret_websocket = websocket;
    if (session_extra_keep_token(session, token, token_status) != STATUS_OK)
        session_close(gateway, session, CAUSE_MEMORY);
    return STATUS_OK;
}
