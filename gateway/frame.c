/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * Event and data bytes -> (first session of a format) -> the codec of that format -> WebSocket header in
 * front
 * -> one allocation that lives as long as the frame.
 */
#include "frame.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "../common/buf.h"
#include "eio_packet.h"
#include "sio_packet.h"
#include "ws_json.h"
#include "ws_proto.h"

#define ENCODED_MAXIMUM (4u * 1024 * 1024)

static uint64_t next_serial(void)
{
    static _Atomic uint64_t serial; /* frames are made on two threads */
    return atomic_fetch_add_explicit(&serial, 1, memory_order_relaxed) + 1;
}

static struct frame *allocate(size_t text_length)
{
    struct frame *frame = calloc(1, sizeof(*frame) + text_length);
    if (frame) {
        frame->references = 1;
        frame->serial = next_serial();
    }
    return frame;
}

static struct wire *wire_create(enum ws_opcode opcode, struct slice payload)
{
    unsigned char header[WS_FRAME_HEADER_MAXIMUM];
    size_t size = ws_frame_header(header, opcode, payload.length);
    struct wire *wire = malloc(sizeof(*wire) + size + payload.length);
    if (!wire)
        return NULL;
    wire->header = (uint32_t)size;
    wire->length = (uint32_t)(size + payload.length);
    memcpy(wire->bytes, header, size);
    if (payload.length)
        memcpy(wire->bytes + size, payload.data, payload.length);
    return wire;
}

enum status frame_create_event(struct slice event, struct slice data, const struct frame_rule *rule,
                               struct frame **ret_frame)
{
    if (event.length > EVENT_NAME_MAXIMUM_BYTES || data.length > ENCODED_MAXIMUM / 2)
        return STATUS_MALFORMED;
    struct frame *frame = allocate(event.length + data.length);
    if (!frame)
        return STATUS_NO_MEMORY;
    if (rule)
        frame->rule = *rule;
    frame->event_length = (uint32_t)event.length;
    frame->data_length = (uint32_t)data.length;
    memcpy(frame->text, event.data, event.length);
    if (data.length)
        memcpy(frame->text + event.length, data.data, data.length);
    *ret_frame = frame;
    return STATUS_OK;
}

enum status frame_create_message(enum frame_format format, enum ws_opcode opcode, struct slice payload,
                                 struct frame **ret_frame)
{
    struct frame *frame = allocate(0);
    if (!frame)
        return STATUS_NO_MEMORY;
    frame->wires[format] = wire_create(opcode, payload);
    if (!frame->wires[format]) {
        free(frame);
        return STATUS_NO_MEMORY;
    }
    *ret_frame = frame;
    return STATUS_OK;
}

void frame_unref(struct frame *frame)
{
    if (!frame || --frame->references > 0)
        return;
    for (int i = 0; i < FRAME_FORMATS; i++)
        free(frame->wires[i]);
    free(frame);
}

static enum status append_socketio(struct buf *buf, struct slice event, struct slice data)
{
    enum status status = buf_append_char(buf, '0' + EIO_MESSAGE);
    return status ? status : sio_event_append(buf, SIO_ROOT, NULL, event, data, (struct slice){0});
}

const struct wire *frame_encode(struct frame *frame, enum frame_format format)
{
    struct slice event = slice_make(frame->text, frame->event_length);
    struct slice data = slice_make(frame->text + frame->event_length, frame->data_length);
    struct slice none = {0};
    struct buf buf;
    enum status status = STATUS_NOT_FOUND;
    if (!frame->event_length)
        return NULL;
    buf_init(&buf, ENCODED_MAXIMUM);
    if (format == FRAME_SOCKETIO)
        status = append_socketio(&buf, event, data);
    else if (format == FRAME_JSON)
        status = ws_json_event_append(&buf, event, data, none);
    else if (format == FRAME_PROTOBUF)
        status = ws_proto_event_append(&buf, event, data, none);
    if (status == STATUS_OK)
        frame->wires[format] = wire_create(format == FRAME_PROTOBUF ? WS_BINARY : WS_TEXT, buf_slice(&buf));
    buf_done(&buf);
    return frame->wires[format];
}
