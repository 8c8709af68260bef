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

typedef enum status change_fn(struct gateway *gateway, struct session *session,
                              const struct industries *industries, struct client_reason *reason);

/* All or nothing: the last ones that it is in are those that were joined here. */
static enum status subscribe(struct gateway *gateway, struct session *session,
                             const struct industries *industries, struct client_reason *reason)
{
    unsigned before = session->membership_count;
    enum status status = permit(session, industries, reason);
    for (size_t i = 0; status == STATUS_OK && i < industries->count; i++)
        status = membership_join(gateway, session, slice_from_string(industries->names[i]));
    while (status != STATUS_OK && session->membership_count > before)
        membership_leave(gateway, session,
                         room_key(session->memberships[session->membership_count - 1].room));
    if (status == STATUS_FULL) {
        client_reason_set(reason, "a session can be in %d industries",
                          MEMBERSHIP_MAXIMUM - MEMBERSHIP_INDUSTRIES);
        status = STATUS_INVALID_PAYLOAD;
    }
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
    enum status status = buf_append_char(buf, '{');
    if (status == STATUS_OK)
        status = membership_append(buf, session);
    return status ? status : buf_append_char(buf, '}');
}

static void change_industries(struct gateway *gateway, struct session *session,
                              const struct client_frame *frame, change_fn *change)
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
        status = change(gateway, session, &industries, &reason);
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

static void on_subscribe(struct gateway *gateway, struct session *session, const struct client_frame *frame)
{
    change_industries(gateway, session, frame, subscribe);
}

static void on_unsubscribe(struct gateway *gateway, struct session *session, const struct client_frame *frame)
{
    change_industries(gateway, session, frame, unsubscribe);
}

/* ---- the table ---------------------------------------------------------------------------------------- */

#define FORMAT(name) (1u << FRAME_##name)

static const struct builtin {
    const char *event;
    unsigned formats; /* where it is one; elsewhere it is any service's event */
    bool resumes;     /* any other event says that the client will not resume */
    void (*handle)(struct gateway *gateway, struct session *session, const struct client_frame *frame);
} builtins[] = {
    {"subscribe", FORMAT(SOCKETIO) | FORMAT(JSON) | FORMAT(PROTOBUF), false, on_subscribe},
    {"unsubscribe", FORMAT(SOCKETIO) | FORMAT(JSON) | FORMAT(PROTOBUF), false, on_unsubscribe},
    {"resume", FORMAT(JSON) | FORMAT(PROTOBUF), true, recovery_resume},
};

static const struct builtin *find(const struct session *session, struct slice event)
{
    for (size_t i = 0; i < sizeof(builtins) / sizeof(builtins[0]); i++)
        if (builtins[i].formats & (1u << session->format) && slice_equal_string(event, builtins[i].event))
            return &builtins[i];
    return NULL;
}

bool builtins_handle(struct gateway *gateway, struct session *session, const struct client_frame *frame)
{
    const struct builtin *builtin = find(session, client_frame_event(frame));
    if (!builtin || !builtin->resumes)
        catchup_stay(gateway, session);
    if (builtin)
        builtin->handle(gateway, session, frame);
    return builtin != NULL;
}
