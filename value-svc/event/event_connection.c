/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * The shapes of connection.new, connection.removed { userId, industries } and connection.import
 * { userId, connections }: read from JSON or from the envelope's body, checked, written back.
 */
#include <inttypes.h>

#include "event/event_codec.h"

static bool room_present(const struct event *event, const char *room)
{
    for (size_t i = 0; i < event->room_count; i++) {
        if (strcmp(event->rooms[i], room) == 0)
            return true;
    }
    return false;
}

static enum status take_industry(struct event *event, struct slice name, char *reason)
{
    size_t index = event->industry_count;
    if (name.length > INDUSTRY_MAXIMUM_BYTES)
        return event_refuse(reason, "`industries[%zu]` is longer than %d bytes", index,
                            INDUSTRY_MAXIMUM_BYTES);
    size_t length;
    if (industry_normalise(name, event->rooms[event->room_count], &length) != STATUS_OK)
        return event_refuse(reason, "`industries[%zu]` is empty, holds a control character or is not UTF-8",
                            index);
    memcpy(event->industries[index], name.data, name.length);
    event->industries[index][name.length] = '\0';
    event->industry_count++;
    if (!room_present(event, event->rooms[event->room_count]))
        event->room_count++;
    return STATUS_OK;
}

static enum status refuse_too_many(char *reason)
{
    return event_refuse(reason, "`industries` has more than %d entries", INDUSTRIES_MAXIMUM);
}

static enum status connection_read_json(const json_t *object, struct event *event, char *reason)
{
    const json_t *industries = json_object_get(object, "industries");
    enum status status = event_take_json_id(object, "userId", event->user_id, reason);
    if (status != STATUS_OK)
        return status;
    if (!industries)
        return event_refuse(reason, "`industries` is missing");
    if (!json_is_array(industries))
        return event_refuse(reason, "`industries` must be an array of strings");
    size_t count = json_array_size(industries);
    if (count > INDUSTRIES_MAXIMUM)
        return refuse_too_many(reason);
    for (size_t i = 0; i < count && status == STATUS_OK; i++) {
        const json_t *name = json_array_get(industries, i);
        if (!json_is_string(name))
            return event_refuse(reason, "`industries[%zu]` must be a string", i);
        status = take_industry(event, json_string_slice(name), reason);
    }
    return status;
}

static enum status connection_read_body(const Pollen8__Event *envelope, struct event *event, char *reason)
{
    const Pollen8__ConnectionChange *body = envelope->connection_change;
    if (envelope->body_case != POLLEN8__EVENT__BODY_CONNECTION_CHANGE)
        return event_refuse(reason, "the envelope's body is of another event");
    if (body->n_industries > INDUSTRIES_MAXIMUM)
        return refuse_too_many(reason);
    enum status status = event_take_id(slice_from_string(body->user_id), "userId", event->user_id, reason);
    for (size_t i = 0; i < body->n_industries && status == STATUS_OK; i++)
        status = take_industry(event, slice_from_string(body->industries[i]), reason);
    return status;
}

static enum status connection_pack(const struct event *event, Pollen8__Event *envelope, struct buf *buf)
{
    char *industries[INDUSTRIES_MAXIMUM];
    for (size_t i = 0; i < event->industry_count; i++)
        industries[i] = (char *)(uintptr_t)event->industries[i];
    Pollen8__ConnectionChange body = POLLEN8__CONNECTION_CHANGE__INIT;
    body.user_id = (char *)(uintptr_t)event->user_id;
    body.industries = industries;
    body.n_industries = event->industry_count;
    envelope->body_case = POLLEN8__EVENT__BODY_CONNECTION_CHANGE;
    envelope->connection_change = &body;
    return wire_pack(buf, &envelope->base);
}

static enum status append_user(const struct event *event, struct buf *buf)
{
    enum status status = buf_append_string(buf, "{\"userId\":");
    return status == STATUS_OK ? buf_append_json_string(buf, slice_from_string(event->user_id)) : status;
}

static enum status connection_append(const struct event *event, struct buf *buf)
{
    enum status status = append_user(event, buf);
    if (status == STATUS_OK)
        status = buf_append_string(buf, ",\"industries\":[");
    for (size_t i = 0; i < event->industry_count && status == STATUS_OK; i++) {
        if (i > 0)
            status = buf_append_char(buf, ',');
        if (status == STATUS_OK)
            status = buf_append_json_string(buf, slice_from_string(event->industries[i]));
    }
    return status == STATUS_OK ? buf_append_string(buf, "]}") : status;
}

static const char *const connection_members[] = {"userId", "industries", NULL};

const struct event_codec event_codec_connection = {.members = connection_members,
                                                   .read_json = connection_read_json,
                                                   .read_body = connection_read_body,
                                                   .pack = connection_pack,
                                                   .append_payload = connection_append};

static enum status take_amount(struct event *event, int64_t connections, char *reason)
{
    if (connections < 0)
        return event_refuse(reason, "`connections` is negative");
    if (connections > EVENT_IMPORT_MAXIMUM)
        return event_refuse(reason, "`connections` is larger than %d", EVENT_IMPORT_MAXIMUM);
    event->amount = connections;
    return STATUS_OK;
}

static enum status import_read_json(const json_t *object, struct event *event, char *reason)
{
    const json_t *connections = json_object_get(object, "connections");
    enum status status = event_take_json_id(object, "userId", event->user_id, reason);
    if (status != STATUS_OK)
        return status;
    if (!connections)
        return event_refuse(reason, "`connections` is missing");
    if (!json_is_integer(connections))
        return event_refuse(reason, "`connections` must be an integer");
    return take_amount(event, json_integer_value(connections), reason);
}

static enum status import_read_body(const Pollen8__Event *envelope, struct event *event, char *reason)
{
    if (envelope->body_case != POLLEN8__EVENT__BODY_CONNECTION_IMPORT)
        return event_refuse(reason, "the envelope's body is of another event");
    enum status status = event_take_id(slice_from_string(envelope->connection_import->user_id), "userId",
                                       event->user_id, reason);
    return status == STATUS_OK ? take_amount(event, envelope->connection_import->connections, reason)
                               : status;
}

static enum status import_pack(const struct event *event, Pollen8__Event *envelope, struct buf *buf)
{
    Pollen8__ConnectionImport body = POLLEN8__CONNECTION_IMPORT__INIT;
    body.user_id = (char *)(uintptr_t)event->user_id;
    body.connections = event->amount;
    envelope->body_case = POLLEN8__EVENT__BODY_CONNECTION_IMPORT;
    envelope->connection_import = &body;
    return wire_pack(buf, &envelope->base);
}

static enum status import_append(const struct event *event, struct buf *buf)
{
    enum status status = append_user(event, buf);
    return status == STATUS_OK ? buf_append_format(buf, ",\"connections\":%" PRId64 "}", event->amount)
                               : status;
}

static const char *const import_members[] = {"userId", "connections", NULL};

const struct event_codec event_codec_import = {.members = import_members,
                                               .read_json = import_read_json,
                                               .read_body = import_read_body,
                                               .pack = import_pack,
                                               .append_payload = import_append};
