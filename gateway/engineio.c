/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * WebSocket message -> Engine.IO packet -> heartbeat and close: here · message: the handler. A sid is the
 * place of the session in the table and 88 random bits, so that it is found without a table of its own.
 */
#include "engineio.h"

#include <string.h>

#include "../common/base64url.h"
#include "../common/rng.h"
#include "gateway.h"
#include "handshake.h"
#include "polling.h"
#include "session.h"

#define OPEN_MAXIMUM 512
#define SID_BYTES    15

/* ---- down --------------------------------------------------------------------------------------------- */

void engineio_send(struct gateway *gateway, struct session *session, bool binary, struct slice data)
{
    struct buf buf;
    if (binary) {
        session_send_binary(gateway, session, data);
        return;
    }
    buf_init(&buf, data.length + 1);
    if (eio_packet_append(&buf, EIO_MESSAGE, data) == STATUS_OK)
        session_send_message(gateway, session, buf_slice(&buf));
    else
        session_close(gateway, session, CAUSE_MEMORY);
    buf_done(&buf);
}

void engineio_send_open(struct gateway *gateway, struct session *session, const char *sid, bool upgradable)
{
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

static const struct transport_ops websocket_ops = {
    .name = "socketio_websocket",
    .flush = websocket_flush,
    .opened = engineio_opened,
    .refused = engineio_refused,
    .ping = engineio_ping,
    .close = websocket_close,
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

void engineio_make_sid(const struct session *session, char out[ENGINEIO_SID_SIZE])
{
    unsigned char bytes[SID_BYTES];
    uint32_t place = (uint32_t)(session->handle & UINT32_MAX);
    rng_bytes(bytes, sizeof(bytes));
    memcpy(bytes, &place, sizeof(place));
    out[base64url_encode(out, bytes, sizeof(bytes))] = '\0';
}

static const char *sid_of(const struct session *session)
{
    if (polling_carries(session))
        return polling_sid(session);
    return session->ops == &websocket_ops && session->transport ? websocket_sid(session->transport) : NULL;
}

/* Takes as long for any two texts of one length. */
static bool same(const char *a, struct slice b)
{
    unsigned char difference = 0;
    if (strlen(a) != b.length)
        return false;
    for (size_t i = 0; i < b.length; i++)
        difference |= (unsigned char)(a[i] ^ b.data[i]);
    return difference == 0;
}

struct session *engineio_find(struct gateway *gateway, struct slice sid)
{
    unsigned char bytes[SID_BYTES];
    size_t length = 0;
    uint32_t place;
    if (base64url_decode(bytes, sizeof(bytes), sid, &length) != STATUS_OK || length != sizeof(bytes))
        return NULL;
    memcpy(&place, bytes, sizeof(place));
    struct session *session = sessions_at(gateway->sessions, place);
    const char *own = session ? sid_of(session) : NULL;
    if (!own || !same(own, sid) || session_overdue(gateway, session))
        return NULL;
    return session;
}

/* ---- a WebSocket from the start ----------------------------------------------------------------------- */

enum status engineio_open(struct gateway *gateway, struct lws *wsi, struct handshake_token *token,
                          enum status token_status, struct websocket **ret_websocket)
{
    char sid[ENGINEIO_SID_SIZE];
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
    session->token = *token;
    session->token_status = (uint8_t)token_status;
    *token = (struct handshake_token){0};
    *ret_websocket = websocket;
    engineio_make_sid(session, sid);
    engineio_send_open(gateway, session, sid, false);
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
    if (!session || !polling_carries(session) || polling_probe(session)) {
        websocket_end(websocket, 1000, ""); /* another one was first */
        return STATUS_OK;
    }
    websocket_attend(websocket, session, polling_probe_lost);
    polling_set_probe(gateway, session, websocket);
    return STATUS_OK;
}
