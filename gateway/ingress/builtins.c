/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * data -> strict parse -> normalised industries -> permission -> rooms joined or left -> ack.
 */
#include "ingress/builtins.h"

#include "base/gateway.h"
#include "common/industry.h"
#include "common/json.h"
#include "recovery/catchup_read.h"
#include "recovery/opening.h"
#include "recovery/recovery.h"
#include "rooms/membership.h"
#include "session/client_reply.h"
#include "session/session.h"

#define ACK_MAXIMUM (64 * 1024)

struct industries {
    size_t count;
    char names[INDUSTRIES_MAXIMUM][INDUSTRY_NORMALISED_SIZE];
};

/* {"industries":["...",...]} and nothing else. */
static enum status parse(const json_t *data, struct industries *industries, struct client_reason *reason)
{
    const json_t *list = json_object_get(data, "industries");
    if (!json_is_array(list) || json_object_size(data) != 1) {
        client_reason_set(reason, "the data must be {\"industries\": [strings]}");
        return STATUS_INVALID_PAYLOAD;
    }
    if (json_array_size(list) == 0 || json_array_size(list) > INDUSTRIES_MAXIMUM) {
        client_reason_set(reason, "1 to %d industries are possible at once", INDUSTRIES_MAXIMUM);
        return STATUS_INVALID_PAYLOAD;
    }
    for (size_t i = 0; i < json_array_size(list); i++) {
        struct slice name = json_string_slice(json_array_get(list, i));
        size_t length;
        if (!name.data || industry_normalise(name, industries->names[i], &length) != STATUS_OK) {
            client_reason_set(reason, "industry %zu is not a string of 1 to %d bytes of clean text", i + 1,
                              INDUSTRY_MAXIMUM_BYTES);
            return STATUS_INVALID_PAYLOAD;
        }
    }
    industries->count = json_array_size(list);
    return STATUS_OK;
}

static enum status permit(const struct session *session, const struct industries *industries,
                          struct client_reason *reason)
{
    for (size_t i = 0; i < industries->count; i++) {
        if (membership_permitted(session, slice_from_string(industries->names[i])))
            continue;
        client_reason_set(reason, "industry %zu is not one of the user's", i + 1);
        return STATUS_FORBIDDEN;
    }
    return STATUS_OK;
}

static enum status subscribe(struct gateway *gateway, struct session *session,
                             const struct industries *industries, struct client_reason *reason)
{
    enum status status = permit(session, industries, reason);
    if (status == STATUS_OK && session->membership_count + industries->count > MEMBERSHIP_MAXIMUM) {
        client_reason_set(reason, "a session can be in %d industries",
                          MEMBERSHIP_MAXIMUM - MEMBERSHIP_INDUSTRIES);
        status = STATUS_INVALID_PAYLOAD;
    }
    for (size_t i = 0; status == STATUS_OK && i < industries->count; i++)
        if (membership_join(gateway, session, slice_from_string(industries->names[i])) != STATUS_OK)
            status = STATUS_INTERNAL;
    return status;
}

static enum status unsubscribe(struct gateway *gateway, struct session *session,
                               const struct industries *industries, struct client_reason *reason)
{
    (void)reason;
    for (size_t i = 0; i < industries->count; i++)
        membership_leave(gateway, session, slice_from_string(industries->names[i]));
    return STATUS_OK;
}

static enum status append_current(struct buf *buf, const struct session *session)
{
    enum status status = buf_append_string(buf, "{\"industries\":[");
    for (unsigned i = MEMBERSHIP_INDUSTRIES; status == STATUS_OK && i < session->membership_count; i++) {
        if (i > MEMBERSHIP_INDUSTRIES)
            status = buf_append_char(buf, ',');
        if (status == STATUS_OK)
            status = buf_append_json_string(buf, room_key(session->memberships[i].room));
    }
    return status ? status : buf_append_string(buf, "]}");
}

static const struct {
    const char *event;
    enum status (*handle)(struct gateway *gateway, struct session *session,
                          const struct industries *industries, struct client_reason *reason);
} builtins[] = {
    {"subscribe", subscribe},
    {"unsubscribe", unsubscribe},
};

static void run(struct gateway *gateway, struct session *session, const struct client_frame *frame,
                size_t index)
{
    struct industries industries;
    struct client_reason reason = {{0}};
    struct client_result result = {0};
    struct buf ack;
    json_t *data = NULL;
    buf_init(&ack, ACK_MAXIMUM);
    enum status status = STATUS_OK;
    if (frame->arguments || frame->attachments) {
        client_reason_set(&reason, "this event takes one argument of JSON");
        status = STATUS_INVALID_PAYLOAD;
    } else if (frame->data.length) {
        status = json_parse(frame->data, &data, NULL, 0);
    }
    if (status == STATUS_OK)
        status = parse(data, &industries, &reason);
    if (status == STATUS_OK)
        status = builtins[index].handle(gateway, session, &industries, &reason);
    if (status == STATUS_OK) {
        opening_record(gateway, session);
        status = append_current(&ack, session);
    }
    result.status = status == STATUS_OK || status >= STATUS_AUTH_REQUIRED ? status : STATUS_INTERNAL;
    result.data = buf_slice(&ack);
    result.message = slice_from_string(reason.text);
    client_reply_client(gateway, session, frame->id, client_frame_event(frame), &result);
    buf_done(&ack);
    json_decref(data);
}

bool builtins_handle(struct gateway *gateway, struct session *session, const struct client_frame *frame)
{
    if (session->format != FRAME_SOCKETIO && slice_equal_string(client_frame_event(frame), "resume")) {
        recovery_resume(gateway, session, frame);
        return true;
    }
    catchup_stay(gateway, session);
    for (size_t i = 0; i < sizeof(builtins) / sizeof(builtins[0]); i++) {
        if (slice_equal_string(client_frame_event(frame), builtins[i].event)) {
            run(gateway, session, frame, i);
            return true;
        }
    }
    return false;
}
