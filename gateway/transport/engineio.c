/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * WebSocket message -> Engine.IO packet -> heartbeat and close: here · message: the handler.
 */
#include "transport/engineio.h"

#include "base/gateway.h"
#include "session/session.h"
#include "session/session_extra.h"
#include "session/session_send.h"
#include "session/sessions.h"
#include "text/client_token.h"
#include "text/sid.h"
#include "transport/polling.h"

#define OPEN_MAXIMUM 512

/* ---- down --------------------------------------------------------------------------------------------- */

void engineio_send_open(struct gateway *gateway, struct session *session, const char *key, bool upgradable)
{
    char sid[SID_SIZE];
    sid_write(sid, key, gateway->settings->gateway_name);
    const struct settings *settings = gateway->settings;
    struct eio_open open = {
        .sid = slice_from_string(sid),
        .upgrade_websocket = upgradable,
        .ping_interval_ms = (uint32_t)settings->ping_interval,
        .ping_timeout_ms = (uint32_t)settings->ping_timeout,
        .max_payload = (uint32_t)settings->max_payload,
    };
    struct buf buf;
    buf_init(&buf, OPEN_MAXIMUM);
    if (eio_open_append(&buf, &open) == STATUS_OK)
        session_send_message(gateway, session, buf_slice(&buf));
    else
        session_close(gateway, session, CAUSE_MEMORY);
    buf_done(&buf);
}

void engineio_opened(struct gateway *gateway, struct session *session, struct slice id)
{
    gateway->engineio->opened(gateway, session, id);
}

void engineio_refused(struct gateway *gateway, struct session *session, struct slice id,
                      const struct client_result *result)
{
    gateway->engineio->refused(gateway, session, id, result);
}

void engineio_ping(struct gateway *gateway, struct session *session)
{
    session_send(gateway, session, gateway->pings[FRAME_SOCKETIO]);
}

void engineio_ended(struct gateway *gateway, struct session *session)
{
    gateway->engineio->ended(gateway, session);
}

static const struct transport_ops websocket_ops = {
    .name = "socketio_websocket",
    .flush = websocket_flush,
    .writable = websocket_writable,
    .opened = engineio_opened,
    .refused = engineio_refused,
    .ping = engineio_ping,
    .close = websocket_close,
    .ended = engineio_ended,
};

/* ---- up ----------------------------------------------------------------------------------------------- */

void engineio_take(struct gateway *gateway, struct session *session, const struct eio_packet *packet)
{
    const struct engineio_handler *handler = gateway->engineio;
    switch (packet->type) {
    case EIO_MESSAGE:
        (packet->binary ? handler->binary : handler->text)(gateway, session, packet->data);
        break;
    case EIO_PONG: session_pong(gateway, session); break;
    case EIO_NOOP: break;
    default: session_close(gateway, session, CAUSE_PROTOCOL); break; /* heartbeats go the other way */
    }
}

static void on_message(struct gateway *gateway, struct session *session, bool binary, struct slice message)
{
    struct eio_packet packet = eio_packet_decode_binary(message);
    if (!binary && eio_packet_decode(message, &packet) != STATUS_OK)
        session_close(gateway, session, CAUSE_PROTOCOL);
    else if (packet.type == EIO_CLOSE)
        session_close(gateway, session, CAUSE_NORMAL);
    else if (packet.type != EIO_UPGRADE)
        engineio_take(gateway, session, &packet);
}

/* ---- sessions by sid ---------------------------------------------------------------------------------- */

static const char *key_of(const struct session *session)
{
    if (polling_carries(session))
        return polling_sid(session);
    return session->ops == &websocket_ops && session->transport ? websocket_sid(session->transport) : NULL;
}

struct session *engineio_find(struct gateway *gateway, struct slice text)
{
    struct sid sid;
    if (sid_read(text, &sid) != STATUS_OK ||
        !slice_equal_string(sid.gateway, gateway->settings->gateway_name))
        return NULL;
    struct session *session = sessions_at(gateway->sessions, sid.place);
    const char *key = session ? key_of(session) : NULL;
    if (!key || !sid_key_equal(key, sid.key) || session_overdue(gateway, session))
        return NULL;
    return session;
}

/* ---- a WebSocket from the start ----------------------------------------------------------------------- */

enum status engineio_open(struct gateway *gateway, struct lws *wsi, struct client_token *token,
                          enum status token_status, struct websocket **ret_websocket)
{
    char key[SID_KEY_SIZE];
    uint64_t deadline_ms = gateway->now_ms + (uint64_t)gateway->settings->connect_timeout;
    struct websocket *websocket = websocket_create(gateway, wsi, on_message);
    if (!websocket)
        return STATUS_NO_MEMORY;
    struct session *session = session_create(gateway, &websocket_ops, websocket, FRAME_SOCKETIO, deadline_ms);
    if (!session) {
        websocket_closed(websocket);
        return STATUS_NO_MEMORY;
    }
    websocket_carry(websocket, session);
    *ret_websocket = websocket;
    if (session_extra_keep_token(session, token, token_status) != STATUS_OK) {
        session_close(gateway, session, CAUSE_MEMORY);
        return STATUS_OK;
    }
    sid_make_key((uint32_t)(session->handle & UINT32_MAX), key);
    engineio_send_open(gateway, session, key, false);
    return STATUS_OK;
}

/* ---- a WebSocket that is to take a session over ------------------------------------------------------- */

static void take_over(struct gateway *gateway, struct session *session)
{
    struct websocket *websocket = polling_probe(session);
    if (websocket_take_over(websocket, on_message, polling_sid(session)) != STATUS_OK) {
        session_close(gateway, session, CAUSE_MEMORY);
        return;
    }
    polling_leave(gateway, session);
    session_change_transport(gateway, session, &websocket_ops, websocket);
}

void engineio_arrived(struct gateway *gateway, struct session *session, struct websocket *websocket)
{
    (void)websocket_take_over(websocket, on_message, NULL); /* copies nothing: cannot fail */
    session_change_transport(gateway, session, &websocket_ops, websocket);
    websocket_read(websocket, true);
}

/* What a socket says before it carries the session. Anything unexpected ends it, not the session. */
static void on_probe(struct gateway *gateway, struct session *session, bool binary, struct slice message)
{
    struct websocket *websocket = polling_probe(session);
    struct eio_packet packet;
    if (!binary && eio_packet_decode(message, &packet) == STATUS_OK) {
        if (packet.type == EIO_UPGRADE) {
            take_over(gateway, session);
            return;
        }
        if (packet.type == EIO_PING && eio_packet_is_probe(&packet)) {
            websocket_write(websocket, SLICE_LITERAL("3probe"));
            polling_make_way(gateway, session);
            return;
        }
    }
    websocket_end(websocket, 1002, "probe expected");
    polling_probe_lost(gateway, session);
}

enum status engineio_attend(struct gateway *gateway, struct lws *wsi, struct slice sid,
                            struct websocket **ret_websocket)
{
    struct session *session = engineio_find(gateway, sid);
    struct websocket *websocket = websocket_create(gateway, wsi, on_probe);
    if (!websocket)
        return STATUS_NO_MEMORY;
    *ret_websocket = websocket;
    if (!session || !polling_carries(session) || polling_upgrading(session)) {
        websocket_end(websocket, 1000, ""); /* another one was first */
        return STATUS_OK;
    }
    websocket_attend(websocket, session, polling_probe_lost);
    polling_set_probe(gateway, session, websocket);
    return STATUS_OK;
}
