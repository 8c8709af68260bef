/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * message -> Engine.IO packet -> (heartbeat, close: here) -> its data to Socket.IO. Whatever does not decode
 * closes the transport, as a stock server does.
 */
#include "transport_eio.h"

#include "eio_packet.h"
#include "gateway.h"
#include "handshake.h"
#include "session.h"
#include "socketio.h"

#define PACKET_MAXIMUM 4096

static void ping(struct gateway *gateway, struct session *session)
{
    session_send(gateway, session, gateway->pings[FRAME_SOCKETIO]);
}

static const struct transport_ops ops = {
    .name = "socketio_websocket",
    .flush = websocket_flush,
    .opened = socketio_opened,
    .refused = socketio_refused,
    .ping = ping,
    .close = websocket_close,
};

/* ---- Engine.IO ---------------------------------------------------------------------------------------- */

static void on_message(struct gateway *gateway, struct session *session, bool binary, struct slice message)
{
    struct eio_packet packet;
    if (binary) {
        socketio_binary(gateway, session, message);
        return;
    }
    if (eio_packet_decode(message, &packet) != STATUS_OK) {
        session_close(gateway, session, CAUSE_PROTOCOL);
        return;
    }
    switch (packet.type) {
    case EIO_MESSAGE: socketio_text(gateway, session, packet.data); break;
    case EIO_PONG: session_pong(gateway, session); break;
    case EIO_CLOSE: session_close(gateway, session, CAUSE_NORMAL); break;
    case EIO_UPGRADE:
    case EIO_NOOP: break;
    default: session_close(gateway, session, CAUSE_PROTOCOL); break; /* heartbeats go the other way */
    }
}

static void send_open(struct gateway *gateway, struct session *session)
{
    const struct settings *settings = gateway->settings;
    struct eio_open open = {
        .sid = slice_from_string(session->id),
        .ping_interval_ms = (uint32_t)settings->ping_interval,
        .ping_timeout_ms = (uint32_t)settings->ping_timeout,
        .max_payload = (uint32_t)settings->max_payload,
    };
    struct buf buf;
    buf_init(&buf, PACKET_MAXIMUM);
    if (eio_open_append(&buf, &open) == STATUS_OK)
        session_send_message(gateway, session, buf_slice(&buf));
    else
        session_close(gateway, session, CAUSE_MEMORY);
    buf_done(&buf);
}

enum status transport_eio_open(struct gateway *gateway, struct lws *wsi, struct handshake_token *token,
                               enum status token_status, struct websocket **ret_websocket)
{
    uint64_t deadline_ms = gateway->now_ms + (uint64_t)gateway->settings->connect_timeout;
    struct websocket *websocket = websocket_create(gateway, wsi, on_message);
    if (!websocket)
        return STATUS_NO_MEMORY;
    struct session *session = session_create(gateway, &ops, websocket, FRAME_SOCKETIO, deadline_ms);
    if (!session) {
        websocket_closed(websocket);
        return STATUS_NO_MEMORY;
    }
    websocket_carry(websocket, session);
    session->token = *token;
    session->token_status = (uint8_t)token_status;
    *token = (struct handshake_token){0};
    *ret_websocket = websocket;
    send_open(gateway, session);
    return STATUS_OK;
}
