/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * WebSocket text message or one part of a polling body -> digit -> struct eio_packet; and back. Only binary
 * parts of a polling body need memory of their own, for the decoded base64.
 */
#include "codec/eio_packet.h"

#include "codec/ws_frame.h"
#include "text/append.h"
#include "text/base64_padded.h"

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
    status = base64_padded_decode(slice_make(part.data + 1, part.length - 1), scratch);
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

static enum status append_encoded(struct buf *body, struct slice packet)
{
    struct append out = append_start(body);

    append_separator(&out);
    append_slice(&out, packet);
    return append_end(&out);
}

static enum status append_binary(struct buf *body, struct slice bytes)
{
    struct append out = append_start(body);

    append_separator(&out);
    append_text(&out, "b");
    append_status(&out, base64_padded_append(body, bytes));
    return append_end(&out);
}

enum status eio_payload_append_frames(struct buf *body, struct slice frames)
{
    struct append out = append_start(body);
    enum ws_opcode opcode;
    struct slice payload;

    while (out.status == STATUS_OK && ws_frame_next(&frames, &opcode, &payload)) {
        if (opcode == WS_BINARY)
            append_status(&out, append_binary(body, payload));
        else
            append_status(&out, append_encoded(body, payload));
    }
    return append_end(&out);
}
