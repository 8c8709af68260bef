/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * Decoding goes from left to right. Each part cuts itself off the rest: type, attachments, namespace, ack id.
 * What remains is the payload, which is scanned in place. The event is then read from the payload in a second
 * step, because its mistakes are answered differently.
 */
#include "codec/sio_packet.h"

#include "common/utf8.h"
#include "text/append.h"
#include "text/json_scan.h"

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static struct slice skip(struct slice text, size_t bytes)
{
    return slice_make(text.data + bytes, text.length - bytes);
}

static bool is_binary(enum sio_type type)
{
    return type == SIO_BINARY_EVENT || type == SIO_BINARY_ACK;
}

static size_t count_digits(struct slice text)
{
    size_t digits = 0;

    while (digits < text.length && is_digit(text.data[digits]))
        digits++;
    return digits;
}

/* The digits' value; STATUS_FULL past `maximum`. */
static enum status number_value(struct slice digits, uint64_t maximum, uint64_t *ret_value)
{
    uint64_t value = 0;

    for (size_t i = 0; i < digits.length; i++) {
        uint64_t digit = (uint64_t)(digits.data[i] - '0');

        if (value > (maximum - digit) / 10)
            return STATUS_FULL;
        value = value * 10 + digit;
    }
    *ret_value = value;
    return STATUS_OK;
}

static enum status cut_attachments(struct slice *rest, struct sio_packet *packet)
{
    struct slice digits = slice_make(rest->data, count_digits(*rest));
    uint64_t attachments;
    enum status status;

    if (!is_binary(packet->type))
        return STATUS_OK;
    if (digits.length == 0 || digits.length == rest->length || rest->data[digits.length] != '-')
        return STATUS_MALFORMED;
    status = number_value(digits, SIO_ATTACHMENTS_MAXIMUM, &attachments);
    if (status != STATUS_OK)
        return status;
    packet->attachments = (unsigned)attachments;
    *rest = skip(*rest, digits.length + 1);
    return STATUS_OK;
}

/* From '/' to the comma; without a comma all that is left is the namespace. */
static enum status cut_namespace(struct slice *rest, struct sio_packet *packet)
{
    const char *comma;

    packet->namespace = SIO_ROOT;
    if (rest->length == 0 || rest->data[0] != '/')
        return STATUS_OK;
    comma = memchr(rest->data, ',', rest->length);
    packet->namespace = slice_make(rest->data, comma ? (size_t)(comma - rest->data) : rest->length);
    if (packet->namespace.length > SIO_NAMESPACE_MAXIMUM_BYTES)
        return STATUS_FULL;
    *rest = skip(*rest, packet->namespace.length + (comma ? 1 : 0));
    return utf8_clean(packet->namespace) ? STATUS_OK : STATUS_MALFORMED;
}

static enum status cut_ack_id(struct slice *rest, struct sio_packet *packet)
{
    packet->ack_text = slice_make(rest->data, count_digits(*rest));
    packet->has_ack = packet->ack_text.length > 0;
    *rest = skip(*rest, packet->ack_text.length);
    return number_value(packet->ack_text, SIO_ACK_ID_MAXIMUM, &packet->ack_id);
}

/* What kind of payload a type may have, and whether it may have an ack id. */
static bool parts_fit(const struct sio_packet *packet)
{
    enum json_scan_kind kind = json_scan_kind(packet->payload);

    switch (packet->type) {
    case SIO_CONNECT: return !packet->has_ack && (kind == JSON_SCAN_NONE || kind == JSON_SCAN_OBJECT);
    case SIO_DISCONNECT: return !packet->has_ack && kind == JSON_SCAN_NONE;
    case SIO_EVENT:
    case SIO_BINARY_EVENT: return kind == JSON_SCAN_ARRAY;
    case SIO_ACK:
    case SIO_BINARY_ACK: return packet->has_ack && kind == JSON_SCAN_ARRAY;
    case SIO_CONNECT_ERROR: return !packet->has_ack && (kind == JSON_SCAN_OBJECT || kind == JSON_SCAN_STRING);
    }
    return false;
}

enum status sio_packet_decode(struct slice text, struct sio_packet *ret_packet)
{
    struct sio_packet packet = {0};
    struct slice rest;
    enum status status;

    if (text.length == 0 || text.data[0] < '0' || text.data[0] > '6')
        return STATUS_MALFORMED;
    packet.type = (enum sio_type)(text.data[0] - '0');
    rest = skip(text, 1);
    status = cut_attachments(&rest, &packet);
    if (status == STATUS_OK)
        status = cut_namespace(&rest, &packet);
    if (status == STATUS_OK)
        status = cut_ack_id(&rest, &packet);
    if (status == STATUS_OK && rest.length > 0) {
        status = json_scan_check_syntax(rest, CLIENT_DATA_VALUES);
        packet.payload = json_scan_trim(rest);
    }
    if (status != STATUS_OK)
        return status;
    if (!parts_fit(&packet))
        return STATUS_MALFORMED;
    *ret_packet = packet;
    return STATUS_OK;
}

/* Whether the stock parser reserves the name. */
static bool is_reserved(struct slice name)
{
    static const char *const reserved[] = {"connect",       "connect_error", "disconnect",
                                           "disconnecting", "newListener",   "removeListener"};

    for (size_t i = 0; i < sizeof(reserved) / sizeof(reserved[0]); i++) {
        if (slice_equal_string(name, reserved[i]))
            return true;
    }
    return false;
}

/* The first element: the event's name. */
static enum status read_name(struct json_scan_walk *walk, struct client_frame *frame,
                             struct client_reason *reason)
{
    struct slice raw;
    size_t length = 0;
    enum status status = json_scan_walk_next(walk, NULL, &raw);

    if (status != STATUS_OK || json_scan_kind(raw) != JSON_SCAN_STRING)
        return STATUS_MALFORMED;
    status = json_scan_string(raw, frame->event, EVENT_NAME_MAXIMUM_BYTES, &length);
    if (status == STATUS_OK && is_reserved(slice_make(frame->event, length)))
        return STATUS_MALFORMED;
    if (status == STATUS_OK && event_name_valid(slice_make(frame->event, length))) {
        frame->event[length] = '\0';
        return STATUS_OK;
    }
    client_reason_set(reason, CLIENT_REASON_EVENT_NAME);
    return STATUS_INVALID_PAYLOAD;
}

/* What follows the name: nothing, the data, or several arguments. */
static enum status read_arguments(struct json_scan_walk *walk, struct client_frame *frame,
                                  struct client_reason *reason)
{
    enum status status = STATUS_OK;
    struct slice value;
    size_t count = 0;

    while (status == STATUS_OK && json_scan_walk_next(walk, NULL, &value) == STATUS_OK) {
        if (count++ == 0)
            frame->data = value;
        else
            frame->data.length = (size_t)(value.data + value.length - frame->data.data);
        status = client_data_check(value, reason);
    }
    frame->arguments = count > 1;
    return status;
}

enum status sio_event_decode(const struct sio_packet *packet, struct client_frame *ret_frame,
                             struct client_reason *reason)
{
    struct json_scan_walk walk;
    struct client_frame frame = {.id = packet->ack_text};
    enum status status;

    if (json_scan_walk_start(&walk, packet->payload) != STATUS_OK || walk.object)
        return STATUS_MALFORMED;
    status = read_name(&walk, &frame, reason);
    if (status == STATUS_OK)
        status = read_arguments(&walk, &frame, reason);
    if (status != STATUS_OK)
        frame = (struct client_frame){.id = packet->ack_text};
    if (status == STATUS_OK || status == STATUS_INVALID_PAYLOAD)
        *ret_frame = frame;
    return status;
}

/* Whether an object is a placeholder, and if so its number. STATUS_NOT_FOUND: it is not one. */
static enum status read_placeholder(struct slice object, unsigned *ret_number)
{
    struct json_scan_walk walk;
    struct slice key;
    struct slice value;
    struct slice number = {0};
    uint64_t parsed = 0;
    bool placeholder = false;
    size_t members = 0;

    if (json_scan_walk_start(&walk, object) != STATUS_OK)
        return STATUS_MALFORMED;
    while (json_scan_walk_next(&walk, &key, &value) == STATUS_OK) {
        members++;
        if (json_scan_string_equal(key, "_placeholder"))
            placeholder = slice_equal_string(value, "true");
        else if (json_scan_string_equal(key, "num"))
            number = value;
    }
    if (!placeholder)
        return STATUS_NOT_FOUND;
    if (members != 2 || number.length == 0 || count_digits(number) != number.length ||
        number_value(number, SIO_ATTACHMENTS_MAXIMUM, &parsed) != STATUS_OK)
        return STATUS_MALFORMED;
    *ret_number = (unsigned)parsed;
    return STATUS_OK;
}

/* The closing quote of the string that opens at `at`. */
static const char *skip_string(const char *at, const char *end)
{
    for (at++; at < end && *at != '"'; at++) {
        if (*at == '\\')
            at++;
    }
    return at;
}

enum status sio_placeholders_check(struct slice json, size_t attachments)
{
    const char *end = json.data + json.length;
    unsigned seen = 0; /* one bit per placeholder */

    for (const char *at = json.data; at < end; at++) {
        unsigned number = 0;
        enum status status = STATUS_NOT_FOUND;

        if (*at == '"')
            at = skip_string(at, end);
        else if (*at == '{')
            status = read_placeholder(slice_make(at, (size_t)(end - at)), &number);
        if (status == STATUS_NOT_FOUND)
            continue;
        if (status != STATUS_OK || number >= attachments || (seen & (1U << number)))
            return STATUS_MALFORMED;
        seen |= 1U << number;
    }
    return seen == (1U << attachments) - 1 ? STATUS_OK : STATUS_MALFORMED;
}

/* ---- encoding ----------------------------------------------------------------------------------------- */

static void append_namespace(struct append *out, struct slice namespace)
{
    if (namespace.length == 0 || slice_equal_string(namespace, "/"))
        return;
    append_slice(out, namespace);
    append_text(out, ",");
}

static void append_head(struct append *out, enum sio_type type, struct slice namespace)
{
    append_number(out, (uint64_t)type);
    append_namespace(out, namespace);
}

/* For EVENT and ACK, which change their type if attachments follow. */
static void append_binary_head(struct append *out, enum sio_type type, size_t attachments,
                               struct slice namespace)
{
    if (attachments == 0) {
        append_head(out, type, namespace);
        return;
    }
    append_number(out, type == SIO_EVENT ? SIO_BINARY_EVENT : SIO_BINARY_ACK);
    append_number(out, attachments);
    append_text(out, "-");
    append_namespace(out, namespace);
}

enum status sio_connect_append(struct buf *buf, struct slice namespace, struct slice sid, struct slice pid)
{
    struct append out = append_start(buf);

    append_head(&out, SIO_CONNECT, namespace);
    append_text(&out, "{\"sid\":");
    append_json_string(&out, sid);
    if (pid.length > 0) {
        append_text(&out, ",\"pid\":");
        append_json_string(&out, pid);
    }
    append_text(&out, "}");
    return append_end(&out);
}

enum status sio_connect_error_append(struct buf *buf, struct slice namespace, enum status status,
                                     struct slice message)
{
    struct append out = append_start(buf);

    append_head(&out, SIO_CONNECT_ERROR, namespace);
    append_text(&out, "{\"message\":");
    append_json_string(&out, message.length > 0 ? message : slice_from_string(status_message(status)));
    append_text(&out, ",\"data\":{\"code\":");
    append_json_string(&out, slice_from_string(status_code(status)));
    append_text(&out, "}}");
    return append_end(&out);
}

enum status sio_invalid_namespace_append(struct buf *buf, struct slice namespace)
{
    struct append out = append_start(buf);

    append_head(&out, SIO_CONNECT_ERROR, namespace);
    append_text(&out, "{\"message\":\"Invalid namespace\"}");
    return append_end(&out);
}

enum status sio_event_append(struct buf *buf, struct slice namespace, const struct client_event *event)
{
    struct append out = append_start(buf);
    struct slice arguments = event->data;

    if (event->arguments)
        append_status(&out, client_array_inside(event->data, &arguments));
    append_binary_head(&out, SIO_EVENT, attachments_count(event->attachments), namespace);
    if (event->ask)
        append_number(&out, event->ask);
    append_text(&out, "[");
    append_json_string(&out, event->event);
    if (arguments.length > 0) {
        append_text(&out, ",");
        append_slice(&out, arguments);
    }
    if (event->offset.length > 0) {
        append_text(&out, ",");
        append_json_string(&out, event->offset);
    }
    append_text(&out, "]");
    return append_end(&out);
}

enum status sio_ack_append(struct buf *buf, struct slice namespace, struct slice ack_text,
                           const struct client_result *result)
{
    struct append out = append_start(buf);
    bool arguments = result->status == STATUS_OK && result->arguments;
    struct slice inside = {0};

    append_binary_head(&out, SIO_ACK,
                       result->status == STATUS_OK ? attachments_count(result->attachments) : 0, namespace);
    append_slice(&out, ack_text);
    append_text(&out, "[");
    if (arguments) {
        append_status(&out, client_array_inside(result->data, &inside));
        append_slice(&out, inside);
    } else {
        append_status(&out, client_result_append(buf, result));
    }
    append_text(&out, "]");
    return append_end(&out);
}
