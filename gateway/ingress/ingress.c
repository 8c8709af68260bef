/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * frame -> token bucket -> built-in? answered here : permission -> request to the event's subject, answered
 * by relay when its reply is back.
 */
#include "ingress/ingress.h"

#include "base/gateway.h"
#include "common/permission.h"
#include "ingress/builtins.h"
#include "ingress/client_ask.h"
#include "ingress/relay.h"
#include "session/client_reply.h"
#include "session/identity.h"
#include "session/session.h"

/* Whether the frame may go on; else the client has received an error, or has been closed for flooding. */
static bool within_limits(struct gateway *gateway, struct session *session, struct slice id,
                          struct slice event)
{
    struct client_result result = {.status = STATUS_RATE_LIMITED};
    if (session->identity->unlimited)
        return true;
    if (token_bucket_take(&session->events, &gateway->event_rule, gateway->now_ms, &result.retry_after_ms) ==
        STATUS_OK) {
        session->refused_in_a_row = 0;
        return true;
    }
    if (session->refused_in_a_row < UINT16_MAX)
        session->refused_in_a_row++;
    client_reply_client(gateway, session, id, event, &result);
    int64_t flood = gateway->settings->flood_limit;
    if (flood && session->refused_in_a_row >= flood)
        session_close(gateway, session, CAUSE_FLOOD);
    return false;
}

static enum status admit(const struct gateway *gateway, const struct session *session,
                         const struct client_frame *frame)
{
    const Pollen8__Identity *identity = &session->identity->message;
    if (permission_scope(identity->permissions, identity->n_permissions, "emit", client_frame_event(frame)) ==
        PERMISSION_NONE)
        return STATUS_FORBIDDEN;
    return session->in_flight < gateway->settings->requests_per_session ? STATUS_OK : STATUS_RATE_LIMITED;
}

static void relay(struct gateway *gateway, struct session *session, const struct client_frame *frame)
{
    struct client_result result = {.status = admit(gateway, session, frame)};
    if (result.status == STATUS_OK)
        result.status = relay_event(gateway, session, frame);
    if (result.status == STATUS_OK)
        return;
    if (result.status == STATUS_FULL)
        result.status = STATUS_UNAVAILABLE;
    else if (result.status < STATUS_AUTH_REQUIRED)
        result.status = STATUS_INTERNAL;
    if (result.status == STATUS_RATE_LIMITED)
        result.retry_after_ms = 100;
    client_reply_client(gateway, session, frame->id, client_frame_event(frame), &result);
}

void ingress_frame(struct gateway *gateway, struct session *session, const struct client_frame *frame)
{
    if (!session_may_emit(session) || !within_limits(gateway, session, frame->id, client_frame_event(frame)))
        return;
    if (!builtins_handle(gateway, session, frame))
        relay(gateway, session, frame);
}

void ingress_malformed(struct gateway *gateway, struct session *session, struct slice id, enum status status,
                       const struct client_reason *reason)
{
    struct slice none = {0};
    struct client_result result = {.status = status == STATUS_NO_MEMORY ? STATUS_INTERNAL : status,
                                   .message = slice_from_string(reason->text)};
    if (session_may_emit(session) && within_limits(gateway, session, id, none))
        client_reply_malformed(gateway, session, id, &result);
}

void ingress_answer(struct gateway *gateway, struct session *session, uint64_t number, struct slice array,
                    const struct attachments *attachments)
{
    struct slice none = {0};
    if (session_may_emit(session) && !client_ask_answered(gateway, session, number, array, attachments))
        (void)within_limits(gateway, session, none, none);
}
