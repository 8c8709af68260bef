/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * Prints and replays a dead letter. Its body may be any bytes: it is printed as text only if that is safe for
 * a terminal.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "broker.h"
#include "command.h"
#include "common/base64url.h"
#include "common/bus/bus_stream.h"
#include "common/clock.h"
#include "common/names.h"
#include "common/utf8.h"
#include "common/wire.h"
#include "dead.h"

#define LINE_MAXIMUM  8192
#define WHOLE_MAXIMUM (16U << 20)

/* Fields of an Event (event.proto) */
#define EVENT_FIELD_NAME            1
#define EVENT_FIELD_DATA            5
#define EVENT_FIELD_ORIGIN_SEQUENCE 9
#define EVENT_FIELD_ORIGIN_MS       10

void dead_entry_fill(struct dead_entry *entry, const struct bus_message *message, uint64_t sequence,
                     int64_t time_ms)
{
    size_t prefix = strlen(DEAD_SUBJECT);

    *entry = (struct dead_entry){.message = *message, .sequence = sequence, .time_ms = time_ms};
    if (message->subject.length > prefix)
        entry->event = slice_make(message->subject.data + prefix, message->subject.length - prefix);
    if (bus_header(message, "Pollen8-Reason", entry->reason, sizeof(entry->reason)) != STATUS_OK)
        snprintf(entry->reason, sizeof(entry->reason), "no reason given");
}

/* Whether the body comes from a backend; value-svc distinguishes it from an Event in the same way. */
static bool looks_like_json(struct slice body)
{
    size_t at = 0;

    while (at < body.length && body.data[at] != '\0' && strchr(" \t\r\n", body.data[at]))
        at++;
    return at < body.length && body.data[at] == '{';
}

static enum status append_common(const struct dead_entry *entry, struct buf *buf)
{
    char time[25];
    enum status status;

    clock_format_rfc3339(entry->time_ms, time);
    status =
        buf_append_format(buf, "{\"sequence\":%" PRIu64 ",\"time\":\"%s\",\"event\":", entry->sequence, time);
    if (status == STATUS_OK)
        status = buf_append_json_string(buf, entry->event);
    if (status == STATUS_OK)
        status = buf_append_string(buf, ",\"reason\":");
    if (status == STATUS_OK)
        status = buf_append_json_string(buf, slice_from_string(entry->reason));
    return status == STATUS_OK ? buf_append_format(buf, ",\"bytes\":%zu", entry->message.data.length)
                               : status;
}

static void print_buf(struct buf *buf, enum status status)
{
    if (status == STATUS_OK)
        puts(buf->data);
    else
        command_fail(EXIT_FAILED, "a message cannot be shown: %s", status_message(status));
    buf_done(buf);
}

void dead_entry_print_line(const struct dead_entry *entry, bool json)
{
    char time[25];
    struct buf buf;
    enum status status;

    if (!json) {
        clock_format_rfc3339(entry->time_ms, time);
        printf("%8" PRIu64 "  %s  %-18.*s  %s\n", entry->sequence, time, (int)entry->event.length,
               entry->event.data, entry->reason);
        return;
    }
    buf_init(&buf, LINE_MAXIMUM);
    status = append_common(entry, &buf);
    if (status == STATUS_OK)
        status = buf_append_char(&buf, '}');
    print_buf(&buf, status);
}

/* The body in base64url; NULL when out of memory. The caller frees it. */
static char *encoded(struct slice data)
{
    char *text = malloc(BASE64URL_LENGTH(data.length) + 1);

    if (text)
        base64url_encode(text, data.data, data.length);
    return text;
}

/* Whether the text has no control characters except newline and tab. */
static bool printable(struct slice data)
{
    if (!utf8_valid(data))
        return false;
    for (size_t i = 0; i < data.length; i++) {
        unsigned char byte = (unsigned char)data.data[i];

        if ((byte < 0x20 && byte != '\n' && byte != '\t') || byte == 0x7f)
            return false;
    }
    return true;
}

static void print_header(void *context, const char *name, const char *value)
{
    (void)context;
    printf("%s: %s\n", name, value);
}

static void print_text(const struct dead_entry *entry)
{
    char time[25];
    char *text;

    clock_format_rfc3339(entry->time_ms, time);
    printf("sequence: %" PRIu64 "\ntime: %s\nsubject: %.*s\n", entry->sequence, time,
           (int)entry->message.subject.length, entry->message.subject.data);
    bus_headers_each(&entry->message, print_header, NULL);
    putchar('\n');
    if (printable(entry->message.data)) {
        printf("%.*s\n", (int)entry->message.data.length, entry->message.data.data);
        return;
    }
    text = encoded(entry->message.data);
    printf("%zu bytes, not text; in base64url:\n%s\n", entry->message.data.length, text ? text : "");
    free(text);
}

struct headers {
    struct buf *buf;
    enum status status;
    size_t count;
};

static void append_header(void *context, const char *name, const char *value)
{
    struct headers *headers = context;

    if (headers->status == STATUS_OK && headers->count++ > 0)
        headers->status = buf_append_char(headers->buf, ',');
    if (headers->status == STATUS_OK)
        headers->status = buf_append_json_string(headers->buf, slice_from_string(name));
    if (headers->status == STATUS_OK)
        headers->status = buf_append_char(headers->buf, ':');
    if (headers->status == STATUS_OK)
        headers->status = buf_append_json_string(headers->buf, slice_from_string(value));
}

static enum status append_body(const struct dead_entry *entry, struct buf *buf)
{
    bool text = utf8_valid(entry->message.data);
    enum status status = buf_append_string(buf, text ? "},\"body\":" : "},\"bodyBase64url\":");
    char *bytes;

    if (status != STATUS_OK)
        return status;
    if (text)
        return buf_append_json_string(buf, entry->message.data);
    bytes = encoded(entry->message.data);
    status = bytes ? buf_append_json_string(buf, slice_from_string(bytes)) : STATUS_NO_MEMORY;
    free(bytes);
    return status;
}

void dead_entry_print_whole(const struct dead_entry *entry, bool json)
{
    struct buf buf;
    struct headers headers = {.buf = &buf};

    if (!json) {
        print_text(entry);
        return;
    }
    buf_init(&buf, WHOLE_MAXIMUM);
    headers.status = append_common(entry, &buf);
    if (headers.status == STATUS_OK)
        headers.status = buf_append_string(&buf, ",\"headers\":{");
    if (headers.status == STATUS_OK)
        bus_headers_each(&entry->message, append_header, &headers);
    if (headers.status == STATUS_OK)
        headers.status = append_body(entry, &buf);
    if (headers.status == STATUS_OK)
        headers.status = buf_append_char(&buf, '}');
    print_buf(&buf, headers.status);
}

/* Reads "<sequence>-<Unix ms>" of the event in the stream; false for a letter whose content was refused. */
static bool origin_of(const struct dead_entry *entry, uint64_t *ret_sequence, int64_t *ret_ms)
{
    char text[64];
    char *end = NULL;

    if (bus_header(&entry->message, "Pollen8-Event", text, sizeof(text)) != STATUS_OK)
        return false;
    *ret_sequence = strtoull(text, &end, 10);
    if (*ret_sequence == 0 || *end != '-')
        return false;
    *ret_ms = strtoll(end + 1, &end, 10);
    return *end == '\0';
}

/* The body as the event it was. If its content was right, it also names the original event, so that both
 * count only once: a replay of the stream may have applied the original in the meantime. JSON is wrapped in
 * an Event for that. */
static enum status append_event(const struct dead_entry *entry, struct buf *buf)
{
    struct slice body = entry->message.data;
    uint64_t sequence;
    int64_t time_ms;
    enum status status = STATUS_OK;

    if (!origin_of(entry, &sequence, &time_ms))
        return buf_append(buf, body.data, body.length);
    if (looks_like_json(body)) {
        status = wire_append_bytes(buf, EVENT_FIELD_NAME, entry->event);
        if (status == STATUS_OK)
            status = wire_append_bytes(buf, EVENT_FIELD_DATA, body);
    } else {
        status = buf_append(buf, body.data, body.length);
    }
    if (status == STATUS_OK)
        status = wire_append_integer(buf, EVENT_FIELD_ORIGIN_SEQUENCE, sequence);
    return status == STATUS_OK ? wire_append_integer(buf, EVENT_FIELD_ORIGIN_MS, (uint64_t)time_ms) : status;
}

static enum status store_again(struct bus *bus, const struct dead_entry *entry, const char *subject,
                               const char *const *headers, char *error, size_t error_size)
{
    struct buf buf;
    enum status status;

    buf_init(&buf, WHOLE_MAXIMUM);
    status = append_event(entry, &buf);
    if (status == STATUS_OK)
        status = bus_store(bus, subject, headers, buf_slice(&buf), NULL, error, error_size);
    buf_done(&buf);
    return status;
}

/* The message id prevents a second copy if a replay is interrupted before the delete and then repeated
 * within the stream's duplicate window, which is DEDUPE_WINDOW. An eventId in the body stays valid as
 * long as usual. */
int dead_entry_replay(struct bus *bus, const struct dead_entry *entry)
{
    char subject[EVENT_NAME_MAXIMUM_BYTES + sizeof(BROKER_EVENTS)];
    char id[64];
    const char *const headers[] = {"Nats-Msg-Id", id, NULL};
    char error[256] = "";
    enum status status;

    if (!event_name_valid(entry->event) || slice_equal_string(entry->event, "unknown"))
        return command_fail(EXIT_FAILED, "message %" PRIu64 " names no event and cannot be replayed",
                            entry->sequence);
    snprintf(subject, sizeof(subject), BROKER_EVENTS "%.*s", (int)entry->event.length, entry->event.data);
    snprintf(id, sizeof(id), "replay-%" PRIu64 "-%" PRId64, entry->sequence, entry->time_ms);
    status = store_again(bus, entry, subject, headers, error, sizeof(error));
    if (status != STATUS_OK)
        return command_fail(EXIT_FAILED, "message %" PRIu64 " is not known to be stored again: %s",
                            entry->sequence, error[0] ? error : status_message(status));
    status = bus_stored_delete(bus, DEAD_STREAM, entry->sequence);
    if (status != STATUS_OK && status != STATUS_NOT_FOUND)
        return command_fail(EXIT_FAILED, "message %" PRIu64 " was stored again but not deleted here: %s",
                            entry->sequence, status_message(status));
    return 0;
}
