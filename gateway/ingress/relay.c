/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * loop: request made, packed -> questions ~> service
 * answer unpacked into the same request (loop, or the delivery thread where the bus asks) -> mailbox (reply
 * lane)
 * loop: session found by handle -> opened, refused or answered
 */
#include "ingress/relay.h"

#include <stdlib.h>
#include <string.h>

#include "frame.pb-c.h"

#include "base/gateway.h"
#include "base/mailbox.h"
#include "broker/delivery.h"
#include "broker/requests.h"
#include "codec/client_frame.h"
#include "common/bus/subject.h"
#include "common/clock.h"
#include "common/json.h"
#include "common/log.h"
#include "common/permission.h"
#include "common/wire.h"
#include "recovery/recovery.h"
#include "rooms/control.h"
#include "session/client_reply.h"
#include "session/identity.h"
#include "session/session.h"
#include "session/session_events.h"

#define PACKED_MAXIMUM (4u * 1024 * 1024)

enum http_request_kind { REQUEST_VERIFY, REQUEST_EVENT };

struct http_request {
    struct mail mail;
    struct gateway *gateway;
    enum http_request_kind kind;
    uint64_t handle;
    uint64_t started_us;
    uint64_t controls; /* REQUEST_VERIFY: the last control that had come */
    /* the answer */
    enum status status;
    uint32_t retry_after_ms;
    struct identity *identity; /* REQUEST_VERIFY */
    char *text;                /* owned: data of an event's answer, or the refusal's sentence */
    size_t text_length;
    struct attachments *attachments; /* owned: of that data; NULL: none */
    bool arguments;                  /* that data is a list of arguments */
    /* what the client sent */
    char event[EVENT_NAME_MAXIMUM_BYTES + 1];
    uint16_t id_length;
    char id[];
};

static void http_request_free(struct http_request *request)
{
    identity_unref(request->identity);
    free(request->text);
    free(request->attachments);
    free(request);
}

static void dispose_request(struct mail *mail)
{
    http_request_free((struct http_request *)mail);
}

static void act_on_answer(struct gateway *gateway, struct mail *mail);

static const struct mail_kind request_mail = {.act = act_on_answer, .dispose = dispose_request};

/* ---- the answer's bytes -> struct http_request --------------------------------------------------------- */

static void take_error(struct http_request *request, const Pollen8__Error *error)
{
    request->status = status_from_code(error->code, strlen(error->code));
    request->retry_after_ms = error->retry_after_ms;
    request->text = error->message[0] ? strdup(error->message) : NULL;
    request->text_length = request->text ? strlen(request->text) : 0;
}

static enum status take_verdict(struct http_request *request, const ProtobufCMessage *unpacked)
{
    const Pollen8__VerifyReply *reply = (const Pollen8__VerifyReply *)unpacked;
    if (reply->result_case == POLLEN8__VERIFY_REPLY__RESULT_IDENTITY)
        return identity_create(reply->identity, &request->identity);
    if (reply->result_case != POLLEN8__VERIFY_REPLY__RESULT_ERROR)
        return STATUS_MALFORMED;
    take_error(request, reply->error);
    return STATUS_OK;
}

static enum status take_reply(struct http_request *request, const ProtobufCMessage *unpacked)
{
    const Pollen8__FrameReply *reply = (const Pollen8__FrameReply *)unpacked;
    if (reply->result_case == POLLEN8__FRAME_REPLY__RESULT_ERROR) {
        take_error(request, reply->error);
        return STATUS_OK;
    }
    size_t length = reply->result_case == POLLEN8__FRAME_REPLY__RESULT_DATA ? reply->data.len : 0;
    struct slice data = slice_make(reply->data.data, length);
    struct slice inside;
    if (length == 0)
        return STATUS_OK;
    if (!json_valid(data) || (reply->arguments && client_array_inside(data, &inside) != STATUS_OK))
        return STATUS_MALFORMED;
    enum status status =
        delivery_attachments(data, reply->n_attachments, reply->attachments, &request->attachments);
    if (status != STATUS_OK)
        return status;
    request->text = malloc(length);
    if (!request->text)
        return STATUS_NO_MEMORY;
    memcpy(request->text, reply->data.data, length);
    request->text_length = length;
    request->arguments = reply->arguments;
    return STATUS_OK;
}

static const struct {
    const ProtobufCMessageDescriptor *descriptor;
    enum status (*take)(struct http_request *request, const ProtobufCMessage *unpacked);
} answers[] = {
    [REQUEST_VERIFY] = {&pollen8__verify_reply__descriptor, take_verdict},
    [REQUEST_EVENT] = {&pollen8__frame_reply__descriptor, take_reply},
};

static void on_answer(void *context, enum status status, const struct bus_message *message)
{
    struct http_request *request = context;
    struct wire_arena arena = {0};
    const ProtobufCMessage *unpacked = NULL;
    request->status = status;
    if (status == STATUS_OK) {
        status = wire_unpack(&arena, answers[request->kind].descriptor, message->data, &unpacked);
        if (status == STATUS_OK)
            status = answers[request->kind].take(request, unpacked);
        if (status != STATUS_OK)
            request->status = STATUS_INTERNAL;
    }
    wire_arena_done(&arena);
    (void)mailbox_post(request->gateway->mailbox, MAIL_REPLIES, &request->mail); /* that lane is never full */
}

/* ---- loop: asking ------------------------------------------------------------------------------------- */

static struct http_request *http_request_create(struct gateway *gateway, const struct session *session,
                                                enum http_request_kind kind, struct slice id)
{
    struct http_request *request = calloc(1, sizeof(*request) + id.length);
    if (!request)
        return NULL;
    request->mail.kind = &request_mail;
    request->gateway = gateway;
    request->kind = kind;
    request->handle = session->handle;
    request->started_us = clock_monotonic_us();
    request->id_length = (uint16_t)id.length;
    if (id.length)
        memcpy(request->id, id.data, id.length);
    return request;
}

static enum status send_request(struct gateway *gateway, struct session *session,
                                struct http_request *request, const char *subject,
                                const ProtobufCMessage *message, uint32_t timeout_ms)
{
    struct buf packed;
    buf_init(&packed, PACKED_MAXIMUM);
    enum status status = wire_pack(&packed, message);
    if (status == STATUS_OK)
        status = requests_ask(gateway->questions, subject, buf_slice(&packed),
                              request->kind == REQUEST_VERIFY, timeout_ms, on_answer, request);
    if (packed.data && request->kind == REQUEST_VERIFY)
        explicit_bzero(packed.data, packed.length); /* it holds the token */
    buf_done(&packed);
    if (status != STATUS_OK) {
        http_request_free(request);
        return status;
    }
    session->in_flight++;
    metrics_set(gateway->metrics, METRIC_REQUESTS_IN_FLIGHT, ++gateway->in_flight);
    return STATUS_OK;
}

/* The library never writes through these when it packs. */
static ProtobufCBinaryData borrow(struct slice bytes)
{
    return (ProtobufCBinaryData){.len = bytes.length, .data = (uint8_t *)(uintptr_t)bytes.data};
}

static enum status make_array(struct buf *buf, struct slice inside)
{
    buf_init(buf, inside.length + 2);
    enum status status = buf_reserve(buf, inside.length + 2);
    if (status == STATUS_OK)
        status = buf_append_char(buf, '[');
    if (status == STATUS_OK)
        status = buf_append(buf, inside.data, inside.length);
    return status ? status : buf_append_char(buf, ']');
}

/* STATUS_FULL: too much is in flight; STATUS_NO_MEMORY. */
static enum status verify(struct gateway *gateway, struct session *session, const struct client_token *token,
                          struct slice auth, struct slice id)
{
    Pollen8__VerifyRequest message = POLLEN8__VERIFY_REQUEST__INIT;
    uint32_t timeout_ms = (uint32_t)gateway->settings->auth_timeout;
    struct http_request *request = http_request_create(gateway, session, REQUEST_VERIFY, id);
    if (!request)
        return STATUS_NO_MEMORY;
    if (token->text)
        message.token = token->text;
    if (gateway->settings->auth_payload == AUTH_PAYLOAD_WHOLE)
        message.auth = borrow(auth);
    message.deadline_ms = timeout_ms;
    request->controls = controls_last(gateway->controls);
    return send_request(gateway, session, request, SUBJECT_AUTH_VERIFY, &message.base, timeout_ms);
}

void relay_authenticate(struct gateway *gateway, struct session *session, struct client_token *token,
                        struct slice auth, struct slice id)
{
    session_enter_state(session, SESSION_AUTHENTICATING);
    enum status status = verify(gateway, session, token, auth, id);
    client_token_wipe(token);
    if (status == STATUS_OK)
        return;
    struct client_result result = {.status = STATUS_AUTH_UNAVAILABLE};
    session_enter_state(session, SESSION_CONNECTED);
    session->ops->refused(gateway, session, id, &result);
}

enum status relay_event(struct gateway *gateway, struct session *session, const struct client_frame *frame)
{
    Pollen8__InboundFrame message = POLLEN8__INBOUND_FRAME__INIT;
    char subject[SUBJECT_SIZE];
    uint32_t timeout_ms = (uint32_t)gateway->settings->request_timeout;
    struct buf array = {0};
    ProtobufCBinaryData attachments[ATTACHMENTS_MAXIMUM];
    if (subject_make(subject, SUBJECT_IN, client_frame_event(frame)) != STATUS_OK)
        return STATUS_UNKNOWN_EVENT;
    struct http_request *request = http_request_create(gateway, session, REQUEST_EVENT, frame->id);
    if (!request)
        return STATUS_NO_MEMORY;
    memcpy(request->event, frame->event, sizeof(request->event));
    message.event = request->event;
    message.data = borrow(frame->data.length ? frame->data : SLICE_LITERAL("{}"));
    if (frame->arguments) {
        if (make_array(&array, frame->data) != STATUS_OK) {
            http_request_free(request);
            return STATUS_NO_MEMORY;
        }
        message.data = borrow(buf_slice(&array));
        message.arguments = true;
    }
    message.n_attachments = attachments_count(frame->attachments);
    message.attachments = attachments;
    for (size_t i = 0; i < message.n_attachments; i++)
        attachments[i] = borrow(frame->attachments->list[i]);
    message.name_space = (char *)(uintptr_t)session_name_space_text(session);
    message.identity = &session->identity->message;
    message.session = session->id;
    message.deadline_ms = timeout_ms;
    enum status status = send_request(gateway, session, request, subject, &message.base, timeout_ms);
    buf_done(&array);
    return status;
}

/* ---- loop: answers ------------------------------------------------------------------------------------ */

/* What the client is told for what went wrong on the way to the service. */
enum status relay_refusal(const Pollen8__Identity *identity, enum status status, struct slice event)
{
    switch (status) {
    case STATUS_NO_RESPONDERS:
        return !identity || permission_literal(identity->permissions, identity->n_permissions, "emit", event)
                   ? STATUS_UNAVAILABLE
                   : STATUS_UNKNOWN_EVENT;
    case STATUS_TIMEOUT:
    case STATUS_DISCONNECTED:
    case STATUS_FULL: return STATUS_UNAVAILABLE;
    default: return status >= STATUS_AUTH_REQUIRED ? status : STATUS_INTERNAL;
    }
}

static enum status refusal_of(const struct session *session, const struct http_request *request)
{
    const Pollen8__Identity *identity = session->identity ? &session->identity->message : NULL;
    enum status status = relay_refusal(identity, request->status, slice_from_string(request->event));
    bool verdict = request->kind == REQUEST_VERIFY || !identity;
    return verdict && status == STATUS_UNAVAILABLE ? STATUS_AUTH_UNAVAILABLE : status;
}

static struct client_result result_of(const struct session *session, const struct http_request *request)
{
    struct slice text = slice_make(request->text, request->text_length);
    struct client_result result = {.status = STATUS_OK,
                                   .data = text,
                                   .attachments = request->attachments,
                                   .arguments = request->arguments};
    if (request->status != STATUS_OK)
        result = (struct client_result){.status = refusal_of(session, request),
                                        .message = text,
                                        .retry_after_ms = request->retry_after_ms};
    return result;
}

static void answer_verify(struct gateway *gateway, struct session *session, struct http_request *request)
{
    struct client_result result = result_of(session, request);
    struct slice id = slice_make(request->id, request->id_length);
    uint64_t taken_us = clock_monotonic_us() - request->started_us;
    metrics_observe_ns(gateway->metrics, METRIC_AUTHENTICATION_SECONDS, taken_us * 1000);
    gateway_count(gateway, METRIC_AUTHENTICATIONS,
                  result.status == STATUS_OK ? "ok" : status_code(result.status));
    if (result.status != STATUS_OK) {
        session_enter_state(session, SESSION_CONNECTED);
        session->ops->refused(gateway, session, id, &result);
        return;
    }
    struct identity *identity = request->identity;
    request->identity = NULL;
    if (control_apply_since(gateway, session, request->controls, &identity))
        recovery_open(gateway, session, identity, id);
}

static void answer_event(struct gateway *gateway, struct session *session, struct http_request *request)
{
    struct client_result result = result_of(session, request);
    uint64_t taken_us = clock_monotonic_us() - request->started_us;
    metrics_observe_ns(gateway->metrics, METRIC_EVENT_SECONDS, taken_us * 1000);
    client_reply_client(gateway, session, slice_make(request->id, request->id_length),
                        slice_from_string(request->event), &result);
}

static void forward(struct gateway *gateway, const struct http_request *request)
{
    struct slice text = slice_make(request->text, request->text_length);
    const struct client_result result = {.status = request->status,
                                         .data = text,
                                         .message = text,
                                         .attachments = request->attachments,
                                         .arguments = request->arguments,
                                         .retry_after_ms = request->retry_after_ms};
    gateway->events->orphan(gateway, request->handle, slice_make(request->id, request->id_length),
                            slice_from_string(request->event), &result);
}

static void act_on_answer(struct gateway *gateway, struct mail *mail)
{
    struct http_request *request = (struct http_request *)mail;
    struct session *session = sessions_find(gateway->sessions, request->handle);
    metrics_set(gateway->metrics, METRIC_REQUESTS_IN_FLIGHT, --gateway->in_flight);
    if (session) {
        session->in_flight--;
        if (request->kind == REQUEST_VERIFY && session->state == SESSION_AUTHENTICATING)
            answer_verify(gateway, session, request);
        else if (request->kind == REQUEST_EVENT && session_is_member(session))
            answer_event(gateway, session, request);
        if (session->leaving && session->in_flight == 0)
            session_close(gateway, session, CAUSE_DRAIN);
    } else if (request->kind == REQUEST_EVENT) {
        forward(gateway, request);
    }
    http_request_free(request);
}
