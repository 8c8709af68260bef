/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * bytes -> (JSON | Event message) -> the shape's codec checks and copies -> struct event; and back. The
 * table of events is events.def; shapes are event_<shape>.c.
 */
#include "event/event.h"

#include <inttypes.h>
#include <openssl/sha.h>
#include <stdarg.h>
#include <stdio.h>

#include "common/base64url.h"
#include "common/utf8.h"
#include "event/event_codec.h"

static const struct event_definition definitions[EVENT_COUNT] = {
#define EVENT(id, text, shape, count_sign, what, how)                                                        \
    [EVENT_##id] = {.name = (text),                                                                          \
                    .codec = &event_codec_##shape,                                                           \
                    .sign = (count_sign),                                                                    \
                    .effects = (what),                                                                       \
                    .policy = POLICY_##how,                                                                  \
                    .index = EVENT_##id},
#include "event/events.def"
#undef EVENT
};

const struct event_definition *event_at(enum event_index index)
{
    return &definitions[index];
}

const struct event_definition *event_find(struct slice name)
{
    for (size_t i = 0; i < EVENT_COUNT; i++) {
        if (slice_equal_string(name, definitions[i].name))
            return &definitions[i];
    }
    return NULL;
}

enum status event_refuse(char *reason, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(reason, EVENT_REASON_SIZE, format, arguments);
    va_end(arguments);
    return STATUS_INVALID_PAYLOAD;
}

enum status event_take_id(struct slice id, const char *member, char out[ID_MAXIMUM_BYTES + 1], char *reason)
{
    if (id.length == 0)
        return event_refuse(reason, "`%s` is empty", member);
    if (id.length > ID_MAXIMUM_BYTES)
        return event_refuse(reason, "`%s` is longer than %d bytes", member, ID_MAXIMUM_BYTES);
    if (!id_valid(id))
        return event_refuse(reason, "`%s` holds a control character or is not UTF-8", member);
    memcpy(out, id.data, id.length);
    out[id.length] = '\0';
    return STATUS_OK;
}

enum status event_take_json_id(const json_t *object, const char *member, char out[ID_MAXIMUM_BYTES + 1],
                               char *reason)
{
    const json_t *value = json_object_get(object, member);
    if (!value)
        return event_refuse(reason, "`%s` is missing", member);
    if (!json_is_string(value))
        return event_refuse(reason, "`%s` must be a string", member);
    return event_take_id(json_string_slice(value), member, out, reason);
}

static void event_reset(struct event *event, const struct event_definition *definition)
{
    event->definition = definition;
    event->platform = true;
    event->submitter[0] = '\0';
    event->event_id[0] = '\0';
    event->user_id[0] = '\0';
    event->invite_id[0] = '\0';
    event->origin_sequence = 0;
    event->origin_ms = 0;
    event->amount = 1;
    event->industry_count = 0;
    event->room_count = 0;
}

static bool member_known(const struct event_codec *codec, const char *name)
{
    if (strcmp(name, "eventId") == 0)
        return true;
    for (const char *const *member = codec->members; *member; member++) {
        if (strcmp(name, *member) == 0)
            return true;
    }
    return false;
}

static enum status check_members(const struct event_codec *codec, json_t *object, char *reason)
{
    const char *name;
    json_t *value;
    json_object_foreach(object, name, value)
    {
        if (member_known(codec, name))
            continue;
        if (strlen(name) > 64 || !utf8_clean(slice_from_string(name)))
            return event_refuse(reason, "an unknown member");
        return event_refuse(reason, "unknown member `%s`", name);
    }
    return STATUS_OK;
}

static enum status read_object(json_t *object, struct event *event, char *reason)
{
    const struct event_codec *codec = event->definition->codec;
    if (!json_is_object(object))
        return event_refuse(reason, "the payload must be a JSON object");
    enum status status = check_members(codec, object, reason);
    if (status != STATUS_OK)
        return status;
    status = codec->read_json(object, event, reason);
    if (status == STATUS_OK && json_object_get(object, "eventId"))
        status = event_take_json_id(object, "eventId", event->event_id, reason);
    return status;
}

/* From the first byte that is not JSON's white space. */
static struct slice skip_space(struct slice text)
{
    size_t at = 0;
    while (at < text.length && strchr(" \t\r\n", text.data[at]) && text.data[at] != '\0')
        at++;
    return slice_make(text.data + at, text.length - at);
}

bool event_blank(struct slice text)
{
    return skip_space(text).length == 0;
}

enum status event_from_json(const struct event_definition *definition, struct slice text, struct event *event,
                            char reason[EVENT_REASON_SIZE])
{
    event_reset(event, definition);
    if (event_blank(text))
        return event_refuse(reason, "the payload is empty");
    char why[EVENT_REASON_SIZE / 2] = "";
    json_t *object = NULL;
    enum status status = json_parse(text, &object, why, sizeof(why));
    if (status == STATUS_MALFORMED)
        return event_refuse(reason, "not valid JSON: %s", why);
    if (status != STATUS_OK)
        return status;
    status = read_object(object, event, reason);
    json_decref(object);
    return status;
}

enum status event_submitted_by(struct event *event, struct slice user_id)
{
    event->platform = false;
    char reason[EVENT_REASON_SIZE];
    return event_take_id(user_id, "submitter", event->submitter, reason);
}

/* The envelope's own fields and its body, or its JSON if it has no typed body. */
static enum status read_envelope(const Pollen8__Event *envelope, const struct event_definition *definition,
                                 struct event *event, char *reason)
{
    if (strcmp(envelope->name, definition->name) != 0)
        return event_refuse(reason, "the envelope names another event than the subject");
    enum status status;
    if (envelope->body_case == POLLEN8__EVENT__BODY__NOT_SET) {
        status =
            event_from_json(definition, slice_make(envelope->data.data, envelope->data.len), event, reason);
    } else {
        event_reset(event, definition);
        status = definition->codec->read_body(envelope, event, reason);
    }
    if (status == STATUS_OK && envelope->event_id[0] != '\0')
        status = event_take_id(slice_from_string(envelope->event_id), "eventId", event->event_id, reason);
    if (status == STATUS_OK && envelope->submitter[0] != '\0') {
        event->platform = false;
        status = event_take_id(slice_from_string(envelope->submitter), "submitter", event->submitter, reason);
    }
    event->origin_sequence = envelope->origin_sequence;
    event->origin_ms = envelope->origin_ms;
    return status;
}

enum status event_from_stream(struct slice name, struct slice bytes, struct wire_arena *arena,
                              struct event *event, char reason[EVENT_REASON_SIZE])
{
    const struct event_definition *definition = event_find(name);
    struct slice text = skip_space(bytes);
    if (!definition) {
        snprintf(reason, EVENT_REASON_SIZE, "unknown event");
        return STATUS_UNKNOWN_EVENT;
    }
    if (text.length == 0)
        return event_refuse(reason, "the body is empty");
    /* No Event starts with '{': as a protobuf tag it would open a group, and proto3 has no groups. Nor does
     * one start with white space and '{': a line feed is the tag of the name, and no event's name
     * starts with either. */
    if (text.data[0] == '{')
        return event_from_json(definition, text, event, reason);
    wire_arena_reset(arena);
    const ProtobufCMessage *message = NULL;
    enum status status = wire_unpack(arena, &pollen8__event__descriptor, bytes, &message);
    if (status == STATUS_NO_MEMORY)
        return status;
    if (status != STATUS_OK)
        return event_refuse(reason, "neither a JSON object nor an Event message");
    return read_envelope((const Pollen8__Event *)message, definition, event, reason);
}

enum status event_pack(const struct event *event, int64_t submitted_at_ms, struct buf *buf)
{
    Pollen8__Event envelope = POLLEN8__EVENT__INIT;
    /* protobuf-c's fields are not const, and packing does not write to them. */
    envelope.name = (char *)(uintptr_t)event->definition->name;
    envelope.submitter = (char *)(uintptr_t)event->submitter;
    envelope.event_id = (char *)(uintptr_t)event->event_id;
    envelope.submitted_at_ms = submitted_at_ms;
    return event->definition->codec->pack(event, &envelope, buf);
}

enum status event_append_payload(const struct event *event, struct buf *buf)
{
    return event->definition->codec->append_payload(event, buf);
}

static size_t join(char *out, size_t at, const char *part)
{
    size_t length = strlen(part) + 1; /* with its NUL: no part contains one, so joins cannot collide */
    memcpy(out + at, part, length);
    return at + length;
}

void event_key(const struct event *event, uint64_t stream_sequence, int64_t timestamp_ms,
               char out[EVENT_KEY_SIZE])
{
    if (event->event_id[0] == '\0') {
        if (event->origin_sequence != 0) {
            stream_sequence = event->origin_sequence;
            timestamp_ms = event->origin_ms;
        }
        snprintf(out, EVENT_KEY_SIZE, "#%" PRIu64 "-%" PRId64, stream_sequence, timestamp_ms);
        return;
    }
    char text[4 * (ID_MAXIMUM_BYTES + 1) + 2];
    /* The first byte keeps the platform apart from a user whose id is "platform". */
    text[0] = event->platform ? 'p' : 's';
    size_t length = join(text, 1, event->platform ? "platform" : event->submitter);
    length = join(text, length, event->definition->name);
    length = join(text, length, event->user_id);
    length = join(text, length, event->event_id);
    unsigned char digest[SHA256_DIGEST_LENGTH];
    SHA256((const unsigned char *)text, length, digest);
    base64url_encode(out, digest, sizeof(digest));
}

bool event_once(const struct event *event)
{
    return event->definition->index == EVENT_CONNECTION_IMPORT && event->event_id[0] != '\0';
}

int64_t event_change(const struct event *event)
{
    return event->definition->sign * event->amount;
}
