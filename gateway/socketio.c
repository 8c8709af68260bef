/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * message -> Socket.IO packet -> CONNECT: token and verification · EVENT: ingress · DISCONNECT: the session
 * leaves, the transport stays.
 */
#include "socketio.h"

#include "eio_packet.h"
#include "gateway.h"
#include "handshake.h"
#include "ingress.h"
#include "session.h"
#include "sio_packet.h"

#define PACKET_MAXIMUM   4096
#define CONNECTS_MAXIMUM 16 /* tries to get in, for one transport */

typedef enum status append_fn(struct buf *buf, const void *context);

/* An Engine.IO message around what `append` writes. */
static void send_packet(struct gateway *gateway, struct session *session, append_fn *append,
                        const void *context)
{
    struct buf buf;
    buf_init(&buf, PACKET_MAXIMUM);
    enum status status = buf_append_char(&buf, '0' + EIO_MESSAGE);
    if (status == STATUS_OK)
        status = append(&buf, context);
    if (status == STATUS_OK)
        session_send_message(gateway, session, buf_slice(&buf));
    else
        session_close(gateway, session, CAUSE_MEMORY);
    buf_done(&buf);
}

static enum status append_connect(struct buf *buf, const void *context)
{
    const struct session *session = context;
    return sio_connect_append(buf, SIO_ROOT, slice_from_string(session->id), (struct slice){0});
}

static enum status append_connect_error(struct buf *buf, const void *context)
{
    const struct client_result *result = context;
    return sio_connect_error_append(buf, SIO_ROOT, result->status, result->message);
}

static enum status append_invalid_namespace(struct buf *buf, const void *context)
{
    return sio_invalid_namespace_append(buf, *(const struct slice *)context);
}

/* ---- what the session asks for ------------------------------------------------------------------------ */

void socketio_opened(struct gateway *gateway, struct session *session, struct slice id)
{
    (void)id;
    send_packet(gateway, session, append_connect, session);
}

void socketio_refused(struct gateway *gateway, struct session *session, struct slice id,
                      const struct client_result *result)
{
    (void)id;
    if (status_final(result->status))
        send_packet(gateway, session, append_connect_error, result);
    else
        session_close_status(gateway, session, result->status);
}

/* ---- Socket.IO ---------------------------------------------------------------------------------------- */

static void on_connect(struct gateway *gateway, struct session *session, const struct sio_packet *packet)
{
    struct handshake_token token = {0};
    if (session->state != SESSION_CONNECTED) {
        session_close(gateway, session, CAUSE_PROTOCOL);
        return;
    }
    enum status status = handshake_token_from_auth(packet->payload, &token);
    if (status == STATUS_NOT_FOUND && (session->token.text || session->token_status)) {
        token = session->token;
        status = (enum status)session->token_status;
        session->token = (struct handshake_token){0};
        session->token_status = STATUS_OK;
    }
    if (status == STATUS_OK) {
        session_authenticate(gateway, session, &token, (struct slice){0});
        return;
    }
    struct client_result result = {.status = status == STATUS_NOT_FOUND ? STATUS_AUTH_REQUIRED : status};
    if (result.status == STATUS_NO_MEMORY)
        result.status = STATUS_INTERNAL;
    gateway_count(gateway, METRIC_AUTHENTICATIONS, status_code(result.status));
    socketio_refused(gateway, session, (struct slice){0}, &result);
}

static void on_event(struct gateway *gateway, struct session *session, const struct sio_packet *packet)
{
    struct client_frame frame;
    struct client_reason reason = {{0}};
    enum status status = sio_event_decode(packet, &frame, &reason);
    if (status == STATUS_OK)
        ingress_frame(gateway, session, &frame);
    else if (status == STATUS_INVALID_PAYLOAD)
        ingress_malformed(gateway, session, frame.id, status, &reason);
    else
        session_close(gateway, session, status == STATUS_NO_MEMORY ? CAUSE_MEMORY : CAUSE_PROTOCOL);
}

/* Binary attachments are not taken: the event is refused and its attachments are passed over. */
static void on_binary_event(struct gateway *gateway, struct session *session, const struct sio_packet *packet)
{
    struct client_reason reason = {{0}};
    session->attachments_left = (uint8_t)packet->attachments;
    client_reason_set(&reason, "binary data is not supported");
    ingress_malformed(gateway, session, packet->has_ack ? packet->ack_text : (struct slice){0},
                      STATUS_INVALID_PAYLOAD, &reason);
}

static void on_member_packet(struct gateway *gateway, struct session *session,
                             const struct sio_packet *packet)
{
    switch (packet->type) {
    case SIO_EVENT: on_event(gateway, session, packet); break;
    case SIO_BINARY_EVENT: on_binary_event(gateway, session, packet); break;
    case SIO_BINARY_ACK: session->attachments_left = (uint8_t)packet->attachments; break;
    case SIO_ACK: break; /* nobody asked for one yet */
    case SIO_DISCONNECT:
        session_leave(gateway, session, gateway->now_ms + (uint64_t)gateway->settings->connect_timeout);
        break;
    default: session_close(gateway, session, CAUSE_PROTOCOL); break;
    }
}

void socketio_text(struct gateway *gateway, struct session *session, struct slice text)
{
    struct sio_packet packet;
    if (sio_packet_decode(text, &packet) != STATUS_OK) {
        session_close(gateway, session, CAUSE_PROTOCOL);
        return;
    }
    bool root = slice_equal_string(packet.name_space, "/");
    if (packet.type == SIO_CONNECT && session->state != SESSION_OPEN &&
        session->refused_in_a_row++ >= CONNECTS_MAXIMUM)
        session_close_status(gateway, session, STATUS_RATE_LIMITED);
    else if (packet.type == SIO_CONNECT && !root)
        send_packet(gateway, session, append_invalid_namespace, &packet.name_space);
    else if (packet.type == SIO_CONNECT)
        on_connect(gateway, session, &packet);
    else if (root && session->state == SESSION_OPEN)
        on_member_packet(gateway, session, &packet);
    else
        session_close(gateway, session, CAUSE_PROTOCOL);
}

void socketio_binary(struct gateway *gateway, struct session *session, struct slice bytes)
{
    (void)bytes;
    if (session->attachments_left)
        session->attachments_left--;
    else
        session_close(gateway, session, CAUSE_PROTOCOL);
}
