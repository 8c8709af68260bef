/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * WebSocket message -> Engine.IO packet -> close: here · anything else: engineio
 * sid -> its session, whether polling carries it or a WebSocket
 */
#include "transport/engineio_ws.h"

#include "base/gateway.h"
#include "codec/eio_packet.h"
#include "net/websocket.h"
#include "session/session.h"
#include "session/session_extra.h"
#include "session/session_send.h"
#include "session/sessions.h"
#include "text/client_token.h"
#include "text/sid.h"
#include "transport/engineio.h"
#include "transport/polling.h"
#include "transport/ws_writer.h"

static const struct transport_ops websocket_ops = {
    .label = LABEL_SESSIONS_SOCKETIO_WEBSOCKET,
    .flush = ws_writer_flush,
    .writable = ws_writer_writable,
    .opened = engineio_opened,
    .refused = engineio_refused,
    .ping = engineio_ping,
    .close = ws_writer_close,
    .ended = engineio_ended,
};

static void on_message(struct gateway *gateway, void *owner, bool binary, struct slice message)
{
    struct session *session = owner;
    struct eio_packet packet = eio_packet_decode_binary(message);
    if (!binary && eio_packet_decode(message, &packet) != STATUS_OK)
        session_close(gateway, session, CAUSE_PROTOCOL);
    else if (packet.type == EIO_CLOSE)
        session_close(gateway, session, CAUSE_NORMAL);
    else if (packet.type != EIO_UPGRADE)
        engineio_take(gateway, session, &packet);
}

static const struct websocket_owner session_owner = {
    .message = on_message,
    .pong = ws_writer_pong,
    .unblocked = ws_writer_unblocked,
    .failed = ws_writer_failed,
    .lost = ws_writer_lost,
};

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

enum status engineio_ws_open(struct gateway *gateway, struct lws *wsi, struct client_token *token,
                             enum status token_status, struct websocket **ret_websocket)
{
    char key[SID_KEY_SIZE];
    uint64_t deadline_ms = gateway->now_ms + (uint64_t)gateway->settings->connect_timeout;
    struct websocket *websocket = websocket_create(gateway, wsi);
    if (!websocket)
        return STATUS_NO_MEMORY;
    struct session *session = session_create(gateway, &websocket_ops, websocket, FRAME_SOCKETIO, deadline_ms);
    if (!session) {
        websocket_closed(websocket);
        return STATUS_NO_MEMORY;
    }
    websocket_own(websocket, &session_owner, session);
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
    if (websocket_keep_sid(websocket, polling_sid(session)) != STATUS_OK) {
        session_close(gateway, session, CAUSE_MEMORY);
        return;
    }
    websocket_own(websocket, &session_owner, session);
    polling_leave(gateway, session);
    session_change_transport(gateway, session, &websocket_ops, websocket);
}

void engineio_ws_arrived(struct gateway *gateway, struct session *session, struct websocket *websocket)
{
    websocket_own(websocket, &session_owner, session);
    session_change_transport(gateway, session, &websocket_ops, websocket);
    websocket_read(websocket, true);
}

/* What a socket says before it carries the session. Anything unexpected ends it, not the session. */
static void on_probe(struct gateway *gateway, void *owner, bool binary, struct slice message)
{
    struct session *session = owner;
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

static void on_probe_lost(struct gateway *gateway, void *owner)
{
    polling_probe_lost(gateway, owner);
}

enum status engineio_ws_attend(struct gateway *gateway, struct lws *wsi, struct slice sid,
                               struct websocket **ret_websocket)
{
    static const struct websocket_owner probe_owner = {.message = on_probe, .lost = on_probe_lost};
    struct session *session = engineio_find(gateway, sid);
    struct websocket *websocket = websocket_create(gateway, wsi);
    if (!websocket)
        return STATUS_NO_MEMORY;
    *ret_websocket = websocket;
    if (!session || !polling_carries(session) || polling_upgrading(session)) {
        websocket_end(websocket, 1000, ""); /* another one was first */
        return STATUS_OK;
    }
    websocket_own(websocket, &probe_owner, session);
    polling_set_probe(gateway, session, websocket);
    return STATUS_OK;
}
