/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * message (and the binary ones that belong to it) -> Socket.IO packet -> the session of its namespace ->
 * CONNECT: token and verification · EVENT: ingress · DISCONNECT: the session leaves, the transport stays.
 */
#include "transport/socketio.h"

#include "base/gateway.h"
#include "base/namespace_list.h"
#include "codec/eio_packet.h"
#include "codec/sio_assembly.h"
#include "codec/sio_packet.h"
#include "ingress/ingress.h"
#include "ingress/relay.h"
#include "recovery/recovery.h"
#include "session/identity.h"
#include "session/session.h"
#include "session/session_extra.h"
#include "session/session_send.h"
#include "session/sessions.h"
#include "text/client_token.h"
#include "transport/namespace.h"

#define PACKET_MAXIMUM   4096
#define CONNECTS_MAXIMUM 16 /* tries to get in, for one transport, without any success */

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
    return sio_connect_append(buf, session_namespace(session), slice_from_string(session->id),
                              session->pid ? slice_from_string(session->pid) : (struct slice){0});
}

struct refusal {
    const struct session *session;
    const struct client_result *result;
};

static enum status append_connect_error(struct buf *buf, const void *context)
{
    const struct refusal *refusal = context;
    return sio_connect_error_append(buf, session_namespace(refusal->session), refusal->result->status,
                                    refusal->result->message);
}

static enum status append_invalid_namespace(struct buf *buf, const void *context)
{
    return sio_invalid_namespace_append(buf, *(const struct slice *)context);
}

/* ---- what the session asks for ------------------------------------------------------------------------ */

void socketio_opened(struct gateway *gateway, struct session *session, struct slice id)
{
    (void)id;
    namespace_joined(gateway, session);
    send_packet(gateway, session, append_connect, session);
}

void socketio_refused(struct gateway *gateway, struct session *session, struct slice id,
                      const struct client_result *result)
{
    const struct refusal refusal = {session, result};
    (void)id;
    if (!status_final(result->status)) {
        session_close_status(gateway, session, result->status);
        return;
    }
    send_packet(gateway, session, append_connect_error, &refusal);
    if (namespace_carrier(session) != session)
        session_close(gateway, session, CAUSE_CLIENT); /* the transport, and "/", stay */
}

/* ---- CONNECT ------------------------------------------------------------------------------------------ */

/* The token of header or query: for one session alone where there is one namespace. */
static enum status token_of_upgrade(const struct gateway *gateway, struct session *carrier,
                                    struct client_token *ret_token)
{
    struct session_extra *extra = carrier->extra;
    if (!extra || (!extra->token.text && !extra->token_status))
        return STATUS_NOT_FOUND;
    enum status status = extra->token_status;
    bool keep = gateway->settings->namespaces && gateway->settings->namespaces[0];
    if (keep)
        return extra->token.text
                   ? client_token_from_value(slice_make(extra->token.text, extra->token.length), ret_token)
                   : status;
    *ret_token = extra->token;
    extra->token = (struct client_token){0};
    extra->token_status = STATUS_OK;
    session_extra_trim(carrier);
    return status;
}

static void authenticate(struct gateway *gateway, struct session *carrier, struct session *session,
                         const struct sio_packet *packet)
{
    struct client_token token = {0};
    enum status status = client_token_from_auth(packet->payload, &token);
    if (status == STATUS_NOT_FOUND)
        status = token_of_upgrade(gateway, carrier, &token);
    if (status == STATUS_NOT_FOUND && gateway->settings->auth_payload == AUTH_PAYLOAD_WHOLE)
        status = STATUS_OK;
    if (status == STATUS_OK) {
        recovery_claim(gateway, session, packet->payload);
        relay_authenticate(gateway, session, &token, packet->payload, (struct slice){0});
        return;
    }
    struct client_result result = {.status = status == STATUS_NOT_FOUND ? STATUS_AUTH_REQUIRED : status};
    if (result.status == STATUS_NO_MEMORY)
        result.status = STATUS_INTERNAL;
    gateway_count_status(gateway, METRIC_AUTHENTICATIONS, result.status);
    socketio_refused(gateway, session, (struct slice){0}, &result);
}

static void on_connect_further(struct gateway *gateway, struct session *carrier,
                               const struct sio_packet *packet)
{
    struct session *session = NULL;
    int index = namespace_list_index(gateway->settings->namespaces, packet->namespace);
    if (index < 0)
        send_packet(gateway, carrier, append_invalid_namespace, &packet->namespace);
    else if (namespace_find(carrier, packet->namespace))
        session_close(gateway, carrier, CAUSE_PROTOCOL);
    else if (sessions_count(gateway->sessions) >= (size_t)gateway->settings->max_sessions)
        session_close_status(gateway, carrier, STATUS_UNAVAILABLE);
    else if (namespace_open(gateway, carrier, index, packet->namespace, &session) != STATUS_OK)
        session_close(gateway, carrier, CAUSE_MEMORY);
    else
        authenticate(gateway, carrier, session, packet);
}

/* Verifications cost auth-svc something: a client gets in, or has few tries; one that is in pays for further
 * ones as for events. */
static bool may_connect(struct gateway *gateway, struct session *carrier)
{
    if (carrier->state != SESSION_OPEN)
        return carrier->refused_in_a_row++ < CONNECTS_MAXIMUM;
    return carrier->identity->unlimited ||
           token_bucket_take(&carrier->events, &gateway->event_rule, gateway->now_ms, NULL) == STATUS_OK;
}

static void on_connect(struct gateway *gateway, struct session *carrier, const struct sio_packet *packet)
{
    if (!may_connect(gateway, carrier))
        session_close_status(gateway, carrier, STATUS_RATE_LIMITED);
    else if (!slice_equal(packet->namespace, SIO_ROOT))
        on_connect_further(gateway, carrier, packet);
    else if (carrier->state == SESSION_CONNECTED)
        authenticate(gateway, carrier, carrier, packet);
    else
        session_close(gateway, carrier, CAUSE_PROTOCOL);
}

/* ---- other packets ------------------------------------------------------------------------------------ */

static void on_event(struct gateway *gateway, struct session *session, const struct sio_packet *packet,
                     const struct attachments *attachments)
{
    struct client_frame frame;
    struct client_reason reason = {{0}};
    enum status status = sio_event_decode(packet, &frame, &reason);
    frame.attachments = attachments;
    if (status == STATUS_OK)
        ingress_frame(gateway, session, &frame);
    else if (status == STATUS_INVALID_PAYLOAD)
        ingress_malformed(gateway, session, frame.id, status, &reason);
    else
        session_close(gateway, session, status == STATUS_NO_MEMORY ? CAUSE_MEMORY : CAUSE_PROTOCOL);
}

static void on_disconnect(struct gateway *gateway, struct session *session)
{
    if (namespace_carrier(session) != session)
        session_close(gateway, session, CAUSE_CLIENT);
    else
        session_leave(
            gateway, session,
            namespace_any(session) ? 0 : gateway->now_ms + (uint64_t)gateway->settings->connect_timeout);
}

/* Whom the packet is for; NULL: that namespace has not been joined. */
static struct session *receiver(struct session *carrier, const struct sio_packet *packet)
{
    struct session *session = namespace_find(carrier, packet->namespace);
    return session && session->state == SESSION_OPEN ? session : NULL;
}

/* `attachments`: NULL where the packet has none. */
static void on_packet(struct gateway *gateway, struct session *carrier, const struct sio_packet *packet,
                      const struct attachments *attachments)
{
    if (packet->type == SIO_CONNECT) {
        on_connect(gateway, carrier, packet);
        return;
    }
    struct session *session = receiver(carrier, packet);
    if (!session) {
        session_close(gateway, carrier, CAUSE_PROTOCOL);
        return;
    }
    switch (packet->type) {
    case SIO_EVENT:
    case SIO_BINARY_EVENT: on_event(gateway, session, packet, attachments); break;
    case SIO_ACK:
    case SIO_BINARY_ACK:
        ingress_answer(gateway, session, packet->ack_id, packet->payload, attachments);
        break;
    case SIO_DISCONNECT: on_disconnect(gateway, session); break;
    default: session_close(gateway, carrier, CAUSE_PROTOCOL); break;
    }
}

/* ---- messages ----------------------------------------------------------------------------------------- */

static void begin_assembly(struct gateway *gateway, struct session *carrier, struct slice text,
                           const struct sio_packet *packet)
{
    struct session_extra *extra = NULL;
    enum status status = receiver(carrier, packet)
                             ? sio_placeholders_check(packet->payload, packet->attachments)
                             : STATUS_MALFORMED;
    if (status == STATUS_OK)
        extra = session_extra(carrier);
    if (status == STATUS_OK)
        status = extra ? sio_assembly_create(text, packet->attachments,
                                             (size_t)gateway->settings->max_payload, &extra->assembly)
                       : STATUS_NO_MEMORY;
    if (status != STATUS_OK)
        session_close(gateway, carrier, status == STATUS_NO_MEMORY ? CAUSE_MEMORY : CAUSE_PROTOCOL);
}

void socketio_text(struct gateway *gateway, struct session *carrier, struct slice text)
{
    struct sio_packet packet;
    if ((carrier->extra && carrier->extra->assembly) || sio_packet_decode(text, &packet) != STATUS_OK)
        session_close(gateway, carrier, CAUSE_PROTOCOL);
    else if (packet.attachments)
        begin_assembly(gateway, carrier, text, &packet);
    else
        on_packet(gateway, carrier, &packet, NULL);
}

static void end_assembly(struct gateway *gateway, struct session *carrier)
{
    struct sio_assembly *assembly = carrier->extra->assembly;
    struct attachments attachments = sio_assembly_attachments(assembly);
    struct sio_packet packet;
    carrier->extra->assembly = NULL;
    session_extra_trim(carrier);
    if (sio_packet_decode(sio_assembly_text(assembly), &packet) == STATUS_OK)
        on_packet(gateway, carrier, &packet, &attachments);
    sio_assembly_free(assembly);
}

void socketio_binary(struct gateway *gateway, struct session *carrier, struct slice bytes)
{
    struct sio_assembly *assembly = carrier->extra ? carrier->extra->assembly : NULL;
    if (!assembly) {
        session_close(gateway, carrier, CAUSE_PROTOCOL);
        return;
    }
    enum status status = sio_assembly_add(assembly, bytes);
    if (status != STATUS_OK)
        session_close(gateway, carrier, status == STATUS_FULL ? CAUSE_TOO_LARGE : CAUSE_MEMORY);
    else if (sio_assembly_complete(assembly))
        end_assembly(gateway, carrier);
}
