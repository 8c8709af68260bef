/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * Result -> codec of the session's format -> frame for this one session -> its queue.
 */
#include "session/client_reply.h"

#include "base/gateway.h"
#include "codec/format.h"
#include "common/permission.h"
#include "session/session.h"
#include "session/session_send.h"

#define ANSWER_MAXIMUM (4u * 1024 * 1024)

static enum status append_error_data(struct buf *buf, struct slice event, const struct client_result *result)
{
    struct slice message =
        result->message.length ? result->message : slice_from_string(status_message(result->status));
    enum status status = buf_append_format(buf, "{\"code\":\"%s\",\"message\":", status_code(result->status));
    if (status == STATUS_OK)
        status = buf_append_json_string(buf, message);
    if (status == STATUS_OK && event.length) {
        status = buf_append_string(buf, ",\"event\":");
        if (status == STATUS_OK)
            status = buf_append_json_string(buf, event);
    }
    if (status == STATUS_OK && result->retry_after_ms)
        status = buf_append_format(buf, ",\"retryAfterMs\":%u", result->retry_after_ms);
    return status ? status : buf_append_char(buf, '}');
}

static void send_error(struct gateway *gateway, struct session *session, struct slice event,
                       const struct client_result *result)
{
    struct buf data;
    struct frame *frame = NULL;
    buf_init(&data, ANSWER_MAXIMUM);
    enum status status = append_error_data(&data, event, result);
    if (status == STATUS_OK)
        status = frame_create_event(SLICE_LITERAL("error"), buf_slice(&data), NULL, &frame);
    if (status == STATUS_OK) {
        session_send(gateway, session, frame);
        frame_unref(frame);
    } else {
        session_close(gateway, session, CAUSE_MEMORY);
    }
    buf_done(&data);
}

static void send_ack(struct gateway *gateway, struct session *session, struct slice id,
                     const struct client_result *result)
{
    const struct format_ops *format = &formats[session->format];
    struct buf text;
    buf_init(&text, ANSWER_MAXIMUM);
    if (format->append_ack(&text, session_namespace(session), id, result) == STATUS_OK)
        session_send_messages(gateway, session, buf_slice(&text),
                              format->attachments_follow ? result->attachments : NULL);
    else
        session_close(gateway, session, CAUSE_MEMORY);
    buf_done(&text);
}

void client_reply_write(struct gateway *gateway, struct session *session, struct slice id, struct slice event,
                        const struct client_result *result)
{
    if (id.length)
        send_ack(gateway, session, id, result);
    else if (result->status != STATUS_OK)
        send_error(gateway, session, event, result);
}

enum status client_reply_refusal(const Pollen8__Identity *identity, enum status status, struct slice event)
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

void client_reply_malformed(struct gateway *gateway, struct session *session, struct slice id,
                            const struct client_result *result)
{
    gateway_count_status(gateway, METRIC_EVENTS, result->status);
    if (formats[session->format].null_ack)
        send_ack(gateway, session, id, result);
    else
        client_reply_write(gateway, session, id, (struct slice){0}, result);
}

void client_reply_client(struct gateway *gateway, struct session *session, struct slice id,
                         struct slice event, const struct client_result *result)
{
    gateway_count_status(gateway, METRIC_EVENTS, result->status);
    if (result->status == STATUS_RATE_LIMITED && id.length == 0 && session->refused_in_a_row > 1)
        return;
    client_reply_write(gateway, session, id, event, result);
}
