/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * message -> who asks, may it, what for.
 */
#include "query/query_question.h"

#include "common/json.h"
#include "common/permission.h"
#include "event/event_codec.h"
#include "frame.pb-c.h"

static enum status take_user(struct question *question, const char *user_id)
{
    size_t length = strlen(user_id);
    if (!id_valid(slice_make(user_id, length)))
        return STATUS_INVALID_PAYLOAD;
    memcpy(question->user_id, user_id, length + 1);
    return STATUS_OK;
}

static enum status read_session_open(struct wire_arena *arena, struct question *question)
{
    enum status status = opening_read(arena, question->item->data, &question->opening);
    question->message = "not a SessionOpen";
    if (status != STATUS_OK)
        return status;
    question->opening.reply = question->item->reply;
    question->opening.id = question->item->id;
    question->wants_value = opening_wants_value(&question->opening);
    return take_user(question, question->opening.user_id);
}

/* Nothing but white space, null or {}. */
static bool payload_empty(struct slice data)
{
    if (event_blank(data))
        return true;
    json_t *value = NULL;
    if (json_parse(data, &value, NULL, 0) != STATUS_OK)
        return false;
    bool empty = json_is_null(value) || (json_is_object(value) && json_object_size(value) == 0);
    json_decref(value);
    return empty;
}

/* The frame of a client's event, and whether its identity may send it. */
static enum status read_frame(struct wire_arena *arena, struct question *question, const char *event,
                              const Pollen8__InboundFrame **ret_frame)
{
    const ProtobufCMessage *message = NULL;
    enum status status =
        wire_unpack(arena, &pollen8__inbound_frame__descriptor, question->item->data, &message);
    const Pollen8__InboundFrame *frame = (const Pollen8__InboundFrame *)message;
    question->message = "not an InboundFrame";
    if (status != STATUS_OK || !frame->identity || take_user(question, frame->identity->user_id) != STATUS_OK)
        return STATUS_INVALID_PAYLOAD;
    question->message = NULL;
    if (permission_scope(frame->identity->permissions, frame->identity->n_permissions, "emit",
                         slice_from_string(event)) == PERMISSION_NONE)
        return STATUS_FORBIDDEN;
    *ret_frame = frame;
    return STATUS_OK;
}

static enum status read_value_get(struct wire_arena *arena, struct question *question)
{
    const Pollen8__InboundFrame *frame = NULL;
    enum status status = read_frame(arena, question, EVENT_VALUE_GET, &frame);
    if (status != STATUS_OK)
        return status;
    question->wants_value = true;
    question->message = "the payload of value.get must be {}";
    return payload_empty(slice_make(frame->data.data, frame->data.len)) ? STATUS_OK : STATUS_INVALID_PAYLOAD;
}

static enum status read_invite_seen(struct wire_arena *arena, struct question *question)
{
    const Pollen8__InboundFrame *frame = NULL;
    enum status status = read_frame(arena, question, EVENT_INVITE_SEEN, &frame);
    if (status != STATUS_OK)
        return status;
    question->message = "the payload of invite.seen must be {\"inviteId\": string}";
    json_t *payload = NULL;
    if (json_parse(slice_make(frame->data.data, frame->data.len), &payload, NULL, 0) != STATUS_OK)
        return STATUS_INVALID_PAYLOAD;
    char reason[EVENT_REASON_SIZE];
    if (json_object_size(payload) != 1) /* 0 of what is no object */
        status = STATUS_INVALID_PAYLOAD;
    else
        status = event_take_json_id(payload, "inviteId", question->invite_id, reason);
    json_decref(payload);
    return status;
}

void question_read(struct wire_arena *arena, struct query_item *item, struct question *question)
{
    wire_arena_reset(arena);
    question->item = item;
    question->message = NULL;
    question->answered = false;
    question->wants_value = false;
    question->user_id[0] = '\0';
    if (question->item->kind == QUERY_SESSION_OPEN)
        question->status = read_session_open(arena, question);
    else if (question->item->kind == QUERY_INVITE_SEEN)
        question->status = read_invite_seen(arena, question);
    else
        question->status = read_value_get(arena, question);
}
