/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * WebSocket text message or one part of a polling body -> digit -> struct eio_packet; and back. Only binary
 * parts of a polling body need memory of their own, for the bytes behind the base64.
 */
#include "eio_packet.h"

#include "append.h"
#include "ws_frame.h"

static const char base64_alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

enum status eio_packet_decode(struct slice text, struct eio_packet *ret_packet)
{
    if (text.length == 0 || text.data[0] < '0' || text.data[0] > '6')
        return STATUS_MALFORMED;
    *ret_packet = (struct eio_packet){
        .type = (enum eio_type)(text.data[0] - '0'),
        .binary = false,
        .data = slice_make(text.data + 1, text.length - 1),
    };
    return STATUS_OK;
}

struct eio_packet eio_packet_decode_binary(struct slice bytes)
{
    return (struct eio_packet){.type = EIO_MESSAGE, .binary = true, .data = bytes};
}

bool eio_packet_is_probe(const struct eio_packet *packet)
{
    return (packet->type == EIO_PING || packet->type == EIO_PONG) &&
           slice_equal_string(packet->data, "probe");
}

static int base64_value(char c)
{
    if (c >= 'A' && c <= 'Z')
        return c - 'A';
    if (c >= 'a' && c <= 'z')
        return c - 'a' + 26;
    if (c >= '0' && c <= '9')
        return c - '0' + 52;
    if (c == '+')
        return 62;
    return c == '/' ? 63 : -1;
}

/* Four characters, of which the last `padding` (0 to 2) are '='; bits left over must be zero. */
static enum status base64_group(const char *in, size_t padding, struct buf *out)
{
    uint32_t bits = 0;
    char bytes[3];

    for (size_t i = 0; i < 4; i++) {
        int value = i < 4 - padding ? base64_value(in[i]) : 0;

        if (value < 0)
            return STATUS_MALFORMED;
        bits = bits << 6 | (uint32_t)value;
    }
    if ((padding == 1 && (bits & 0xFF)) || (padding == 2 && (bits & 0xFFFF)))
        return STATUS_MALFORMED;
    bytes[0] = (char)(bits >> 16);
    bytes[1] = (char)(bits >> 8);
    bytes[2] = (char)bits;
    return buf_append(out, bytes, 3 - padding);
}

/* RFC 4648 section 4, with its padding. Appends all or nothing. */
static enum status base64_decode(struct slice text, struct buf *out)
{
    struct append whole = append_start(out);

    if (text.length % 4 != 0)
        return STATUS_MALFORMED;
    append_status(&whole, buf_reserve(out, text.length > 0 ? text.length / 4 * 3 - 2 : 0));
    for (size_t i = 0; i < text.length && whole.status == STATUS_OK; i += 4) {
        size_t padding = 0;

        if (i + 4 == text.length && text.data[i + 3] == '=')
            padding = text.data[i + 2] == '=' ? 2 : 1;
        append_status(&whole, base64_group(text.data + i, padding, out));
    }
    return append_end(&whole);
}

void eio_payload_start(struct eio_payload *payload, struct slice body, size_t maximum)
{
    *payload = (struct eio_payload){.rest = body, .left = maximum, .done = false};
}

/* Cuts the text up to the next separator off the rest. */
static struct slice cut_part(struct eio_payload *payload)
{
    struct slice part = payload->rest;
    const char *separator = part.length > 0 ? memchr(part.data, EIO_SEPARATOR, part.length) : NULL;

    if (!separator) {
        payload->done = true;
        payload->rest = (struct slice){0};
        return part;
    }
    part.length = (size_t)(separator - part.data);
    payload->rest = slice_make(separator + 1, payload->rest.length - part.length - 1);
    return part;
}

enum status eio_payload_next(struct eio_payload *payload, struct buf *scratch, struct eio_packet *ret_packet)
{
    struct slice part;
    size_t start = scratch->length;
    enum status status;

    if (payload->done)
        return STATUS_NOT_FOUND;
    if (payload->left == 0)
        return STATUS_FULL;
    payload->left--;
    part = cut_part(payload);
    if (part.length == 0 || part.data[0] != 'b')
        return eio_packet_decode(part, ret_packet);
    status = base64_decode(slice_make(part.data + 1, part.length - 1), scratch);
    if (status != STATUS_OK)
        return status;
    *ret_packet = eio_packet_decode_binary(
        slice_make(scratch->data ? scratch->data + start : NULL, scratch->length - start));
    return STATUS_OK;
}

enum status eio_packet_append(struct buf *buf, enum eio_type type, struct slice data)
{
    struct append out = append_start(buf);
    char digit = (char)('0' + (int)type);

    append_slice(&out, slice_make(&digit, 1));
    append_slice(&out, data);
    return append_end(&out);
}

enum status eio_open_append(struct buf *buf, const struct eio_open *open)
{
    struct append out = append_start(buf);

    append_text(&out, "0{\"sid\":");
    append_json_string(&out, open->sid);
    append_text(&out, open->upgrade_websocket ? ",\"upgrades\":[\"websocket\"]" : ",\"upgrades\":[]");
    append_text(&out, ",\"pingInterval\":");
    append_number(&out, open->ping_interval_ms);
    append_text(&out, ",\"pingTimeout\":");
    append_number(&out, open->ping_timeout_ms);
    append_text(&out, ",\"maxPayload\":");
    append_number(&out, open->max_payload);
    append_text(&out, "}");
    return append_end(&out);
}

static void append_separator(struct append *out)
{
    static const char separator = EIO_SEPARATOR;

    if (out->start > 0)
        append_slice(out, slice_make(&separator, 1));
}

enum status eio_payload_append(struct buf *body, enum eio_type type, struct slice data)
{
    struct append out = append_start(body);

    append_separator(&out);
    append_status(&out, eio_packet_append(body, type, data));
    return append_end(&out);
}

enum status eio_payload_append_encoded(struct buf *body, struct slice packet)
{
    struct append out = append_start(body);

    append_separator(&out);
    append_slice(&out, packet);
    return append_end(&out);
}

enum status eio_payload_append_binary(struct buf *body, struct slice bytes)
{
    struct append out = append_start(body);

    append_separator(&out);
    append_text(&out, "b");
    for (size_t i = 0; i < bytes.length; i += 3) {
        size_t take = bytes.length - i < 3 ? bytes.length - i : 3;
        uint32_t bits = 0;
        char group[4] = "====";

        for (size_t j = 0; j < 3; j++)
            bits = bits << 8 | (j < take ? (unsigned char)bytes.data[i + j] : 0U);
        for (size_t j = 0; j <= take; j++)
            group[j] = base64_alphabet[(bits >> (18 - 6 * j)) & 63];
        append_slice(&out, slice_make(group, 4));
    }
    return append_end(&out);
}

enum status eio_payload_append_frames(struct buf *body, struct slice frames)
{
    struct append out = append_start(body);
    enum ws_opcode opcode;
    struct slice payload;

    while (out.status == STATUS_OK && ws_frame_next(&frames, &opcode, &payload)) {
        if (opcode == WS_BINARY)
            append_status(&out, eio_payload_append_binary(body, payload));
        else
            append_status(&out, eio_payload_append_encoded(body, payload));
    }
    return append_end(&out);
}
