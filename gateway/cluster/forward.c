/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * reply -> where the session has gone -> message ~> reply -> the session among those of its transport ->
 * answer. The gateway with the identity decides what a missing service means.
 */
#include "cluster/forward.h"

#include <string.h>

#include "base/gateway.h"
#include "cluster/departures.h"
#include "cluster/peer_message.h"
#include "common/wire.h"
#include "session/client_reply.h"
#include "session/identity.h"
#include "session/session.h"
#include "session/sessions.h"
#include "transport/namespace.h"

uint64_t forward_name(const struct session *session)
{
    const char *name = session_namespace_text(session);
    return hash64(name, strlen(name), 0);
}

void forward_answer(struct gateway *gateway, uint64_t handle, struct slice id, struct slice event,
                    const struct client_result *result)
{
    Pollen8__GatewayMessage message = POLLEN8__GATEWAY_MESSAGE__INIT;
    Pollen8__ForwardedAnswer body = POLLEN8__FORWARDED_ANSWER__INIT;
    ProtobufCBinaryData attachments[ATTACHMENTS_MAXIMUM];
    char name[EVENT_NAME_MAXIMUM_BYTES + 1] = "";
    const struct departure *departure =
        gateway->departures ? departures_by_handle(gateway->departures, handle, gateway->now_ms) : NULL;
    if (!departure || event.length >= sizeof(name))
        return;
    memcpy(name, event.data, event.length);
    message.message_case = POLLEN8__GATEWAY_MESSAGE__MESSAGE_FORWARDED;
    message.forwarded = &body;
    body.id = departure->id;
    body.name_space = departure->namespace;
    body.ack = wire_borrow(id);
    body.event = name;
    body.no_responders = result->status == STATUS_NO_RESPONDERS;
    if (result->status != STATUS_OK && !body.no_responders)
        body.code = (char *)(uintptr_t)status_code(client_reply_refusal(NULL, result->status, event));
    body.text = wire_borrow(result->status == STATUS_OK ? result->data : result->message);
    body.retry_after_ms = result->retry_after_ms;
    body.arguments = result->arguments;
    body.n_attachments = attachments_borrow(result->attachments, attachments);
    body.attachments = attachments;
    (void)peer_message_tell(gateway, departure->gateway, &message); /* no answer: the client asks again */
}

static struct session *find(const struct gateway *gateway, const Pollen8__ForwardedAnswer *forwarded)
{
    struct session *carrier = sessions_find(gateway->sessions, forwarded->id);
    struct session *one = carrier;
    while (one && forward_name(one) != forwarded->name_space)
        one = namespace_next(carrier, one);
    return one && session_is_member(one) ? one : NULL;
}

void forward_take(struct gateway *gateway, const Pollen8__ForwardedAnswer *forwarded)
{
    struct session *session = find(gateway, forwarded);
    struct attachments attachments = {0};
    struct slice text = slice_make(forwarded->text.data, forwarded->text.len);
    struct slice event = slice_from_string(forwarded->event);
    if (!session || forwarded->n_attachments > ATTACHMENTS_MAXIMUM)
        return;
    for (size_t i = 0; i < forwarded->n_attachments; i++)
        attachments.list[attachments.count++] =
            slice_make(forwarded->attachments[i].data, forwarded->attachments[i].len);
    struct client_result result = {.status = STATUS_OK,
                                   .data = text,
                                   .attachments = attachments.count ? &attachments : NULL,
                                   .arguments = forwarded->arguments};
    if (forwarded->no_responders)
        result = (struct client_result){
            .status = client_reply_refusal(&session->identity->message, STATUS_NO_RESPONDERS, event)};
    else if (forwarded->code[0])
        result = (struct client_result){.status = status_from_code(forwarded->code, strlen(forwarded->code)),
                                        .message = text,
                                        .retry_after_ms = forwarded->retry_after_ms};
    client_reply_client(gateway, session, slice_make(forwarded->ack.data, forwarded->ack.len), event,
                        &result);
}
