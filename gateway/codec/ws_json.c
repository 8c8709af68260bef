/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * The message is scanned once as a whole, then its members are walked. Each is judged where it stands. The
 * first mistake is kept, and the walk goes on to the end, so that an id behind the mistake is still found.
 */
#include "codec/ws_json.h"

#include <errno.h>
#include <stdlib.h>

#include "text/append.h"
#include "text/json_scan.h"

/* The values of the envelope: the object and its members. */
#define ENVELOPE_VALUES 5
#define ANSWER_DIGITS   15

struct decoding {
    struct client_frame frame;
    struct client_reason reason;
    enum status status;
    unsigned seen; /* bits of enum member */
};

enum member { MEMBER_ID = 1, MEMBER_EVENT = 2, MEMBER_DATA = 4, MEMBER_ANSWER = 8 };

static void refuse(struct decoding *decoding, const char *reason)
{
    if (decoding->status != STATUS_OK)
        return;
    decoding->status = STATUS_INVALID_PAYLOAD;
    client_reason_set(&decoding->reason, "%s", reason);
}

/* An integer that every client's library can hold: 64 bits, signed. */
static bool is_integer64(struct slice number)
{
    char text[24];

    if (json_scan_kind(number) != JSON_SCAN_NUMBER || !json_scan_is_integer(number) ||
        number.length >= sizeof(text))
        return false;
    memcpy(text, number.data, number.length);
    text[number.length] = '\0';
    errno = 0;
    (void)strtoll(text, NULL, 10);
    return errno == 0;
}

static void read_id(struct decoding *decoding, struct slice value)
{
    bool string = json_scan_kind(value) == JSON_SCAN_STRING;

    if (!string && !is_integer64(value))
        refuse(decoding, "id must be a string or an integer of 64 bits");
    else if (string && value.length > CLIENT_ID_MAXIMUM_BYTES + 2)
        refuse(decoding, "id is longer than 128 bytes");
    else if (json_scan_check(value, 1) != STATUS_OK)
        refuse(decoding, "id has an escape that names no character");
    else
        decoding->frame.id = value;
}

static void read_event(struct decoding *decoding, struct slice value)
{
    char *event = decoding->frame.event;
    size_t length = 0;

    if (json_scan_kind(value) != JSON_SCAN_STRING) {
        refuse(decoding, "event must be a string");
    } else if (json_scan_string(value, event, EVENT_NAME_MAXIMUM_BYTES, &length) != STATUS_OK ||
               !event_name_valid(slice_make(event, length))) {
        refuse(decoding, CLIENT_REASON_EVENT_NAME);
    } else {
        event[length] = '\0';
    }
}

static void read_answer(struct decoding *decoding, struct slice value)
{
    uint64_t number = 0;

    bool good = json_scan_kind(value) == JSON_SCAN_NUMBER && value.length <= ANSWER_DIGITS;

    for (size_t i = 0; good && i < value.length; i++) {
        good = value.data[i] >= '0' && value.data[i] <= '9';
        number = number * 10 + (uint64_t)(value.data[i] - '0');
    }
    if (!good || number == 0)
        refuse(decoding, "answer must be the number that the event had as ask");
    else
        decoding->frame.answer = number;
}

static void read_data(struct decoding *decoding, struct slice value)
{
    if (decoding->status != STATUS_OK)
        return;
    decoding->frame.data = value;
    decoding->status = client_data_check(value, &decoding->reason);
}

/* Puts the member's name into the reason if it is a plain short word: nothing else of the input is
 * repeated. */
static void refuse_unknown(struct decoding *decoding, struct slice key)
{
    char name[32];
    size_t length = 0;

    if (json_scan_string(key, name, sizeof(name), &length) != STATUS_OK ||
        !event_name_valid(slice_make(name, length))) {
        refuse(decoding, "unknown member; id, event, data and answer are known");
    } else if (decoding->status == STATUS_OK) {
        decoding->status = STATUS_INVALID_PAYLOAD;
        client_reason_set(&decoding->reason, "unknown member \"%.*s\"; id, event, data and answer are known",
                          (int)length, name);
    }
}

static void read_member(struct decoding *decoding, struct slice key, struct slice value)
{
    unsigned member = 0;

    if (json_scan_string_equal(key, "id"))
        member = MEMBER_ID;
    else if (json_scan_string_equal(key, "event"))
        member = MEMBER_EVENT;
    else if (json_scan_string_equal(key, "data"))
        member = MEMBER_DATA;
    else if (json_scan_string_equal(key, "answer"))
        member = MEMBER_ANSWER;
    if (member & decoding->seen) {
        refuse(decoding, "a member is given twice");
        if (member == MEMBER_ID)
            decoding->frame.id = (struct slice){0}; /* whose ack would it be? */
        return;
    }
    decoding->seen |= member;
    switch (member) {
    case MEMBER_ID: read_id(decoding, value); break;
    case MEMBER_EVENT: read_event(decoding, value); break;
    case MEMBER_DATA: read_data(decoding, value); break;
    case MEMBER_ANSWER: read_answer(decoding, value); break;
    default: refuse_unknown(decoding, key); break;
    }
}

static void read_object(struct decoding *decoding, struct slice text)
{
    struct json_scan_walk walk;
    struct slice key;
    struct slice value;

    if (json_scan_walk_start(&walk, text) != STATUS_OK || !walk.object) {
        refuse(decoding, "the message is not a JSON object");
        return;
    }
    while (json_scan_walk_next(&walk, &key, &value) == STATUS_OK)
        read_member(decoding, key, value);
    if ((decoding->seen & MEMBER_ANSWER) && (decoding->seen & (MEMBER_EVENT | MEMBER_ID)))
        refuse(decoding, "answer stands without event and id");
    else if (!(decoding->seen & (MEMBER_EVENT | MEMBER_ANSWER)))
        refuse(decoding, "event is missing");
}

enum status ws_json_decode(struct slice text, struct client_frame *ret_frame, struct client_reason *reason)
{
    struct decoding decoding = {.status = STATUS_OK};
    enum status status = json_scan_check_syntax(text, CLIENT_DATA_VALUES + ENVELOPE_VALUES);

    if (status == STATUS_FULL)
        refuse(&decoding, "the message is nested too deeply or has too many values");
    else if (status != STATUS_OK)
        refuse(&decoding, "the message is not valid JSON");
    else
        read_object(&decoding, text);
    if (decoding.status != STATUS_OK) {
        decoding.frame = (struct client_frame){.id = decoding.frame.id};
        *reason = decoding.reason;
    }
    *ret_frame = decoding.frame;
    return decoding.status;
}

enum status ws_json_event_append(struct buf *buf, const struct client_event *event)
{
    struct append out = append_start(buf);

    append_text(&out, "{\"event\":");
    append_json_string(&out, event->event);
    append_text(&out, ",\"data\":");
    append_slice(&out, event->data.length > 0 ? event->data : SLICE_LITERAL("null"));
    append_status(&out, client_attachments_append(buf, event->attachments));
    if (event->ask) {
        append_text(&out, ",\"ask\":");
        append_number(&out, event->ask);
    }
    if (event->offset.length > 0) {
        append_text(&out, ",\"offset\":");
        append_json_string(&out, event->offset);
    }
    append_text(&out, "}");
    return append_end(&out);
}

enum status ws_json_ack_append(struct buf *buf, struct slice id, const struct client_result *result)
{
    struct append out = append_start(buf);

    append_text(&out, "{\"id\":");
    append_slice(&out, id.length > 0 ? id : SLICE_LITERAL("null"));
    append_text(&out, ",");
    append_status(&out, client_result_append_members(buf, result));
    if (result->status == STATUS_OK)
        append_status(&out, client_attachments_append(buf, result->attachments));
    append_text(&out, "}");
    return append_end(&out);
}
