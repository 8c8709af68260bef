/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * message -> codec of the subprotocol -> before the verdict: only `auth` · afterwards: ingress.
 */
#include "transport/plain_ws.h"

#include "base/gateway.h"
#include "codec/format.h"
#include "common/wire.h"
#include "ingress/ingress.h"
#include "ingress/relay.h"
#include "net/websocket.h"
#include "rooms/membership.h"
#include "session/client_reply.h"
#include "session/identity.h"
#include "session/session.h"
#include "session/session_send.h"
#include "text/client_token.h"
#include "transport/ws_writer.h"

#define READY_MAXIMUM 65536

/* ---- what the session asks for ------------------------------------------------------------------------ */

static enum status append_ready(struct buf *buf, const struct session *session)
{
    enum status status = buf_append_format(buf, "{\"session\":\"%s\",\"user\":", session->id);
    if (status == STATUS_OK)
        status = buf_append_json_string(buf, identity_user(session->identity));
    if (status == STATUS_OK)
        status = buf_append_char(buf, ',');
    if (status == STATUS_OK)
        status = membership_append(buf, session);
    return status ? status : buf_append_char(buf, '}');
}

static void opened(struct gateway *gateway, struct session *session, struct slice id)
{
    struct client_result result = {.status = STATUS_OK};
    struct buf data;
    struct frame *frame = NULL;
    if (id.length)
        client_reply_write(gateway, session, id, SLICE_LITERAL("auth"), &result);
    buf_init(&data, READY_MAXIMUM);
    if (session->state == SESSION_OPEN && append_ready(&data, session) == STATUS_OK &&
        frame_create_event(SLICE_LITERAL("ready"), buf_slice(&data), NULL, &frame) == STATUS_OK)
        session_send(gateway, session, frame);
    else
        session_close(gateway, session, CAUSE_MEMORY);
    frame_unref(frame);
    buf_done(&data);
    if (session->transport)
        websocket_read(session->transport, true);
}

static void refused(struct gateway *gateway, struct session *session, struct slice id,
                    const struct client_result *result)
{
    if (id.length)
        client_reply_write(gateway, session, id, SLICE_LITERAL("auth"), result);
    client_reply_write(gateway, session, (struct slice){0}, (struct slice){0}, result);
    session_close_status(gateway, session, result->status);
}

static void ping(struct gateway *gateway, struct session *session)
{
    session_send(gateway, session, gateway->pings[session->format]);
}

static const struct transport_ops ops = {
    .label = LABEL_SESSIONS_WEBSOCKET,
    .flush = ws_writer_flush,
    .writable = ws_writer_writable,
    .opened = opened,
    .refused = refused,
    .ping = ping,
    .close = ws_writer_close,
};

/* ---- what the client sends ---------------------------------------------------------------------------- */

static void refuse(struct gateway *gateway, struct session *session, struct slice id, enum status status,
                   const char *message)
{
    struct client_result result = {.status = status == STATUS_NO_MEMORY ? STATUS_INTERNAL : status,
                                   .message = slice_from_string(message)};
    gateway_count_status(gateway, METRIC_AUTHENTICATIONS, result.status);
    refused(gateway, session, id, &result);
}

/* Nothing is read until the verdict is here: opened() reads on. */
static void authenticate(struct gateway *gateway, struct session *session, struct client_token *token,
                         struct slice auth, struct slice id)
{
    websocket_read(session->transport, false);
    relay_authenticate(gateway, session, token, auth, id);
}

static void on_first_frame(struct gateway *gateway, struct session *session, const struct client_frame *frame)
{
    struct client_token token = {0};
    if (session->state != SESSION_CONNECTED || !slice_equal_string(client_frame_event(frame), "auth")) {
        refuse(gateway, session, frame->id, STATUS_AUTH_REQUIRED, "the first message must be the event auth");
        return;
    }
    enum status status = client_token_from_auth(frame->data, &token);
    if (status == STATUS_NOT_FOUND && gateway->settings->auth_payload == AUTH_PAYLOAD_WHOLE)
        status = STATUS_OK;
    if (status == STATUS_OK)
        authenticate(gateway, session, &token, frame->data, frame->id);
    else
        refuse(gateway, session, frame->id, status == STATUS_NOT_FOUND ? STATUS_AUTH_REQUIRED : status, NULL);
}

static void on_malformed(struct gateway *gateway, struct session *session, struct slice id,
                         enum status status, const struct client_reason *reason)
{
    if (session->state == SESSION_OPEN)
        ingress_malformed(gateway, session, id, status, reason);
    else
        refuse(gateway, session, id, status, reason->text);
}

/* As the array it would be on Socket.IO. */
static void on_answer(struct gateway *gateway, struct session *session, const struct client_frame *frame)
{
    struct buf array;
    if (client_array_make(frame->data, &array) == STATUS_OK)
        ingress_answer(gateway, session, frame->answer, buf_slice(&array), frame->attachments);
    else
        session_close(gateway, session, CAUSE_MEMORY);
    buf_done(&array);
}

static void on_message(struct gateway *gateway, void *owner, bool binary, struct slice message)
{
    struct session *session = owner;
    const struct format_ops *format = &formats[session->format];
    struct client_frame frame;
    struct client_reason reason = {{0}};
    struct attachments attachments;
    struct wire_arena arena = {0};
    session_pong(gateway, session); /* whatever it sends, it is alive */
    if (binary != (format->opcode == WS_BINARY)) {
        session_close(gateway, session, CAUSE_UNSUPPORTED);
        return;
    }
    enum status status = format->decode(&arena, message, &attachments, &frame, &reason);
    if (status != STATUS_OK)
        on_malformed(gateway, session, frame.id, status, &reason);
    else if (session->state == SESSION_OPEN && frame.answer)
        on_answer(gateway, session, &frame);
    else if (session->state == SESSION_OPEN)
        ingress_frame(gateway, session, &frame);
    else
        on_first_frame(gateway, session, &frame);
    wire_arena_done(&arena);
}

enum status plain_ws_open(struct gateway *gateway, struct lws *wsi, enum frame_format format,
                          struct client_token *token, enum status token_status,
                          struct websocket **ret_websocket)
{
    static const struct websocket_owner owner = {.message = on_message,
                                                 .pong = ws_writer_pong,
                                                 .unblocked = ws_writer_unblocked,
                                                 .failed = ws_writer_failed,
                                                 .lost = ws_writer_lost};
    uint64_t deadline_ms = gateway->now_ms + (uint64_t)gateway->settings->handshake_timeout;
    struct websocket *websocket = websocket_create(gateway, wsi);
    if (!websocket)
        return STATUS_NO_MEMORY;
    struct session *session = session_create(gateway, &ops, websocket, format, deadline_ms);
    if (!session) {
        websocket_closed(websocket);
        return STATUS_NO_MEMORY;
    }
    websocket_own(websocket, &owner, session);
    *ret_websocket = websocket;
    if (token_status != STATUS_OK)
        refuse(gateway, session, (struct slice){0}, token_status, NULL);
    else if (token->text)
        authenticate(gateway, session, token, (struct slice){0}, (struct slice){0});
    return STATUS_OK;
}
