/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * The shape of invite.created { inviteId, creatorId }: its subject user is the creator.
 */
#include "event/event_codec.h"

static enum status invite_read_json(const json_t *object, struct event *event, char *reason)
{
    enum status status = event_take_json_id(object, "inviteId", event->invite_id, reason);
    return status == STATUS_OK ? event_take_json_id(object, "creatorId", event->user_id, reason) : status;
}

static enum status invite_read_body(const Pollen8__Event *envelope, struct event *event, char *reason)
{
    const Pollen8__InviteCreated *body = envelope->invite_created;
    if (envelope->body_case != POLLEN8__EVENT__BODY_INVITE_CREATED)
        return event_refuse(reason, "the envelope's body is of another event");
    enum status status =
        event_take_id(slice_from_string(body->invite_id), "inviteId", event->invite_id, reason);
    if (status != STATUS_OK)
        return status;
    return event_take_id(slice_from_string(body->creator_id), "creatorId", event->user_id, reason);
}

static enum status invite_pack(const struct event *event, Pollen8__Event *envelope, struct buf *buf)
{
    Pollen8__InviteCreated body = POLLEN8__INVITE_CREATED__INIT;
    body.invite_id = (char *)(uintptr_t)event->invite_id;
    body.creator_id = (char *)(uintptr_t)event->user_id;
    envelope->body_case = POLLEN8__EVENT__BODY_INVITE_CREATED;
    envelope->invite_created = &body;
    return wire_pack(buf, &envelope->base);
}

static enum status invite_append(const struct event *event, struct buf *buf)
{
    enum status status = buf_append_string(buf, "{\"inviteId\":");
    if (status == STATUS_OK)
        status = buf_append_json_string(buf, slice_from_string(event->invite_id));
    if (status == STATUS_OK)
        status = buf_append_string(buf, ",\"creatorId\":");
    if (status == STATUS_OK)
        status = buf_append_json_string(buf, slice_from_string(event->user_id));
    return status == STATUS_OK ? buf_append_char(buf, '}') : status;
}

static const char *const invite_members[] = {"inviteId", "creatorId", NULL};

const struct event_codec event_codec_invite = {.members = invite_members,
                                               .read_json = invite_read_json,
                                               .read_body = invite_read_body,
                                               .pack = invite_pack,
                                               .append_payload = invite_append};
