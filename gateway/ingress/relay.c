/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * loop: call created -> service_call ~> service loop or delivery thread: what is needed of the reply -> the
 * same call loop: session found by handle -> opened, refused or answered
 */
#include "ingress/relay.h"

#include <stdlib.h>
#include <string.h>

#include "frame.pb-c.h"

#include "base/gateway.h"
#include "broker/delivery.h"
#include "broker/service_call.h"
#include "codec/client_frame.h"
#include "common/bus/subject.h"
#include "common/clock.h"
#include "common/json.h"
#include "common/wire.h"
#include "recovery/recovery.h"
#include "rooms/control.h"
#include "session/client_reply.h"
#include "session/identity.h"
#include "session/session.h"
#include "session/session_events.h"
#include "session/sessions.h"

struct relayed {
    struct service_call call;
    uint64_t handle;
    uint64_t started_us;
    uint64_t controls; /* of a token: the last control received before */
    /* the answer */
    uint32_t retry_after_ms;
    struct identity *identity; /* of a token */
    char *text;                /* owned: data of an event's answer, or the refusal's sentence */
    size_t text_length;
    struct attachments *attachments; /* owned: of that data; NULL: none */
    bool arguments;                  /* that data is a list of arguments */
    /* what the client sent */
    char event[EVENT_NAME_MAXIMUM_BYTES + 1]; /* empty: a token */
    uint16_t id_length;
    char id[];
};

static void relayed_free(struct service_call *call)
{
    struct relayed *relayed = (struct relayed *)call;
    identity_unref(relayed->identity);
    free(relayed->text);
    free(relayed->attachments);
    free(relayed);
}

/* ---- the answer -> struct relayed ---------------------------------------------------------------------- */

static enum status take_error(struct relayed *relayed, const Pollen8__Error *error)
{
    relayed->retry_after_ms = error->retry_after_ms;
    relayed->text = error->message[0] ? strdup(error->message) : NULL;
    relayed->text_length = relayed->text ? strlen(relayed->text) : 0;
    return status_from_code(error->code, strlen(error->code));
}

static enum status take_verdict(struct service_call *call, const ProtobufCMessage *unpacked)
{
    struct relayed *relayed = (struct relayed *)call;
    const Pollen8__VerifyReply *reply = (const Pollen8__VerifyReply *)unpacked;
    if (reply->result_case == POLLEN8__VERIFY_REPLY__RESULT_ERROR)
        return take_error(relayed, reply->error);
    if (reply->result_case != POLLEN8__VERIFY_REPLY__RESULT_IDENTITY ||
        identity_create(reply->identity, &relayed->identity) != STATUS_OK)
        return STATUS_INTERNAL;
    return STATUS_OK;
}

static enum status take_data(struct relayed *relayed, const Pollen8__FrameReply *reply)
{
    struct slice data = slice_make(reply->data.data, reply->data.len);
    struct slice inside;
    if (!json_valid(data) || (reply->arguments && client_array_inside(data, &inside) != STATUS_OK))
        return STATUS_MALFORMED;
    enum status status =
        delivery_attachments(data, reply->n_attachments, reply->attachments, &relayed->attachments);
    if (status != STATUS_OK)
        return status;
    relayed->text = malloc(data.length);
    if (!relayed->text)
        return STATUS_NO_MEMORY;
    memcpy(relayed->text, data.data, data.length);
    relayed->text_length = data.length;
    relayed->arguments = reply->arguments;
    return STATUS_OK;
}

static enum status take_reply(struct service_call *call, const ProtobufCMessage *unpacked)
{
    struct relayed *relayed = (struct relayed *)call;
    const Pollen8__FrameReply *reply = (const Pollen8__FrameReply *)unpacked;
    if (reply->result_case == POLLEN8__FRAME_REPLY__RESULT_ERROR)
        return take_error(relayed, reply->error);
    if (reply->result_case != POLLEN8__FRAME_REPLY__RESULT_DATA || reply->data.len == 0)
        return STATUS_OK;
    return take_data(relayed, reply) == STATUS_OK ? STATUS_OK : STATUS_INTERNAL;
}

/* ---- loop: answers ------------------------------------------------------------------------------------ */

static enum status refusal_of(const struct session *session, const struct relayed *relayed)
{
    const Pollen8__Identity *identity = session->identity ? &session->identity->message : NULL;
    enum status status =
        client_reply_refusal(identity, relayed->call.status, slice_from_string(relayed->event));
    bool verdict = !relayed->event[0] || !identity;
    return verdict && status == STATUS_UNAVAILABLE ? STATUS_AUTH_UNAVAILABLE : status;
}

static struct client_result result_of(const struct session *session, const struct relayed *relayed)
{
    struct slice text = slice_make(relayed->text, relayed->text_length);
    struct client_result result = {.status = STATUS_OK,
                                   .data = text,
                                   .attachments = relayed->attachments,
                                   .arguments = relayed->arguments};
    if (relayed->call.status != STATUS_OK)
        result = (struct client_result){.status = refusal_of(session, relayed),
                                        .message = text,
                                        .retry_after_ms = relayed->retry_after_ms};
    return result;
}

static void answer_verify(struct gateway *gateway, struct session *session, struct relayed *relayed)
{
    struct client_result result = result_of(session, relayed);
    struct slice id = slice_make(relayed->id, relayed->id_length);
    uint64_t taken_us = clock_monotonic_us() - relayed->started_us;
    metrics_observe_ns(gateway->metrics, METRIC_AUTHENTICATION_SECONDS, taken_us * 1000);
    gateway_count_status(gateway, METRIC_AUTHENTICATIONS, result.status);
    if (result.status != STATUS_OK) {
        session_enter_state(session, SESSION_CONNECTED);
        session->ops->refused(gateway, session, id, &result);
        return;
    }
    struct identity *identity = relayed->identity;
    relayed->identity = NULL;
    if (control_apply_since(gateway, session, relayed->controls, &identity))
        recovery_open(gateway, session, identity, id);
}

static void answer_event(struct gateway *gateway, struct session *session, struct relayed *relayed)
{
    struct client_result result = result_of(session, relayed);
    uint64_t taken_us = clock_monotonic_us() - relayed->started_us;
    metrics_observe_ns(gateway->metrics, METRIC_EVENT_SECONDS, taken_us * 1000);
    client_reply_client(gateway, session, slice_make(relayed->id, relayed->id_length),
                        slice_from_string(relayed->event), &result);
}

static void forward(struct gateway *gateway, const struct relayed *relayed)
{
    struct slice text = slice_make(relayed->text, relayed->text_length);
    const struct client_result result = {.status = relayed->call.status,
                                         .data = text,
                                         .message = text,
                                         .attachments = relayed->attachments,
                                         .arguments = relayed->arguments,
                                         .retry_after_ms = relayed->retry_after_ms};
    gateway->events->orphan(gateway, relayed->handle, slice_make(relayed->id, relayed->id_length),
                            slice_from_string(relayed->event), &result);
}

/* The session that asked; NULL: it is gone. */
static struct session *take_session(struct gateway *gateway, const struct relayed *relayed)
{
    struct session *session = sessions_find(gateway->sessions, relayed->handle);
    if (session)
        session->in_flight--;
    return session;
}

static void end_leaving(struct gateway *gateway, struct session *session)
{
    if (session->leaving && session->in_flight == 0)
        session_close(gateway, session, CAUSE_DRAIN);
}

static void on_verified(struct gateway *gateway, struct service_call *call)
{
    struct relayed *relayed = (struct relayed *)call;
    struct session *session = take_session(gateway, relayed);
    if (!session)
        return;
    if (session->state == SESSION_AUTHENTICATING)
        answer_verify(gateway, session, relayed);
    end_leaving(gateway, session);
}

static void on_event_answer(struct gateway *gateway, struct service_call *call)
{
    struct relayed *relayed = (struct relayed *)call;
    struct session *session = take_session(gateway, relayed);
    if (!session) {
        forward(gateway, relayed);
        return;
    }
    if (session_is_member(session))
        answer_event(gateway, session, relayed);
    end_leaving(gateway, session);
}

static const struct service_call_kind verify_kind = {
    .descriptor = &pollen8__verify_reply__descriptor,
    .take = take_verdict,
    .answered = on_verified,
    .free = relayed_free,
};

static const struct service_call_kind event_kind = {
    .descriptor = &pollen8__frame_reply__descriptor,
    .take = take_reply,
    .answered = on_event_answer,
    .free = relayed_free,
};

/* ---- loop: asking ------------------------------------------------------------------------------------- */

static struct relayed *relayed_create(const struct session *session, const struct service_call_kind *kind,
                                      struct slice id)
{
    struct relayed *relayed = calloc(1, sizeof(*relayed) + id.length);
    if (!relayed)
        return NULL;
    relayed->call.kind = kind;
    relayed->handle = session->handle;
    relayed->started_us = clock_monotonic_us();
    relayed->id_length = (uint16_t)id.length;
    if (id.length)
        memcpy(relayed->id, id.data, id.length);
    return relayed;
}

static enum status send_call(struct gateway *gateway, struct session *session, struct relayed *relayed,
                             const char *subject, const ProtobufCMessage *message, uint32_t timeout_ms)
{
    enum status status = service_call_send(gateway, &relayed->call, subject, message, timeout_ms);
    session->in_flight += status == STATUS_OK;
    return status;
}

/* The library never writes through these when it packs. */
/* STATUS_FULL: too much is in flight; STATUS_NO_MEMORY. */
static enum status verify(struct gateway *gateway, struct session *session, const struct client_token *token,
                          struct slice auth, struct slice id)
{
    Pollen8__VerifyRequest message = POLLEN8__VERIFY_REQUEST__INIT;
    uint32_t timeout_ms = (uint32_t)gateway->settings->auth_timeout;
    struct relayed *relayed = relayed_create(session, &verify_kind, id);
    if (!relayed)
        return STATUS_NO_MEMORY;
    if (token->text)
        message.token = token->text;
    if (gateway->settings->auth_payload == AUTH_PAYLOAD_WHOLE)
        message.auth = wire_borrow(auth);
    message.deadline_ms = timeout_ms;
    relayed->call.secret = true; /* it holds the token */
    relayed->controls = controls_last(gateway->controls);
    return send_call(gateway, session, relayed, SUBJECT_AUTH_VERIFY, &message.base, timeout_ms);
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
    struct relayed *relayed = relayed_create(session, &event_kind, frame->id);
    if (!relayed)
        return STATUS_NO_MEMORY;
    memcpy(relayed->event, frame->event, sizeof(relayed->event));
    message.event = relayed->event;
    message.data = wire_borrow(frame->data.length ? frame->data : SLICE_LITERAL("{}"));
    if (frame->arguments) {
        if (client_array_make(frame->data, &array) != STATUS_OK) {
            relayed_free(&relayed->call);
            return STATUS_NO_MEMORY;
        }
        message.data = wire_borrow(buf_slice(&array));
        message.arguments = true;
    }
    message.n_attachments = attachments_borrow(frame->attachments, attachments);
    message.attachments = attachments;
    message.name_space = (char *)(uintptr_t)session_namespace_text(session);
    message.identity = &session->identity->message;
    message.session = session->id;
    message.deadline_ms = timeout_ms;
    enum status status = send_call(gateway, session, relayed, subject, &message.base, timeout_ms);
    buf_done(&array);
    return status;
}
