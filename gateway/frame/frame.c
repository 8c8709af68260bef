/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * Event and data bytes -> (first session of a format) -> the codec of that format -> WebSocket header in
 * front
 * -> one allocation that lives as long as the frame.
 */
#include "frame/frame.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "codec/sio_packet.h"
#include "common/buf.h"
#include "common/names.h"
#include "text/json_scan.h"

#define ENCODED_MAXIMUM (4u * 1024 * 1024)

struct frame_variant {
    struct frame_variant *next;
    int index; /* of the namespace */
    struct frame *frame;
};

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

static size_t framed_size(size_t length)
{
    return ws_frame_header_size(length) + length;
}

static unsigned char *write_frame(unsigned char *at, enum ws_opcode opcode, struct slice payload)
{
    at += ws_frame_header(at, opcode, payload.length);
    if (payload.length)
        memcpy(at, payload.data, payload.length);
    return at + payload.length;
}

static struct wire *wire_create(enum ws_opcode opcode, struct slice payload,
                                const struct attachments *attachments)
{
    size_t size = framed_size(payload.length);
    for (size_t i = 0; i < attachments_count(attachments); i++)
        size += framed_size(attachments->list[i].length);
    struct wire *wire = malloc(sizeof(*wire) + size);
    if (!wire)
        return NULL;
    wire->header = (uint32_t)ws_frame_header_size(payload.length);
    wire->length = (uint32_t)size;
    unsigned char *at = write_frame(wire->bytes, opcode, payload);
    for (size_t i = 0; i < attachments_count(attachments); i++)
        at = write_frame(at, WS_BINARY, attachments->list[i]);
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

enum status frame_create_messages(enum frame_format format, enum ws_opcode opcode, struct slice payload,
                                  const struct attachments *attachments, struct frame **ret_frame)
{
    struct frame *frame = allocate(0);
    if (!frame)
        return STATUS_NO_MEMORY;
    frame->wires[format] = wire_create(opcode, payload, attachments);
    if (!frame->wires[format]) {
        free(frame);
        return STATUS_NO_MEMORY;
    }
    *ret_frame = frame;
    return STATUS_OK;
}

enum status frame_create_message(enum frame_format format, enum ws_opcode opcode, struct slice payload,
                                 struct frame **ret_frame)
{
    return frame_create_messages(format, opcode, payload, NULL, ret_frame);
}

static void free_variants(struct frame *frame)
{
    struct frame_variant *variant;
    while ((variant = frame->variants)) {
        frame->variants = variant->next;
        frame_unref(variant->frame);
        free(variant);
    }
}

enum status frame_create_wire(enum frame_format format, struct slice wire, struct frame **ret_frame)
{
    struct slice rest = wire;
    struct slice payload = {0};
    enum ws_opcode opcode;
    while (ws_frame_next(&rest, &opcode, &payload))
        ;
    if (rest.length > 0 || !payload.data || wire.length > ENCODED_MAXIMUM)
        return STATUS_MALFORMED;
    struct frame *frame = allocate(0);
    struct wire *copy = frame ? malloc(sizeof(*copy) + wire.length) : NULL;
    if (!copy) {
        free(frame);
        return STATUS_NO_MEMORY;
    }
    copy->length = (uint32_t)wire.length;
    /* of the only message, if there is exactly one */
    copy->header = (uint32_t)(wire.length - payload.length);
    memcpy(copy->bytes, wire.data, wire.length);
    frame->wires[format] = copy;
    *ret_frame = frame;
    return STATUS_OK;
}

void frame_unref(struct frame *frame)
{
    if (!frame || --frame->references > 0)
        return;
    for (int i = 0; i < FRAME_FORMATS; i++)
        free(frame->wires[i]);
    free_variants(frame);
    free(frame->attachments);
    free(frame->ask);
    free(frame->namespace);
    free(frame->offset);
    free(frame);
}

enum status frame_copy(const struct frame *frame, struct frame **ret_frame)
{
    struct frame *copy = NULL;
    enum status status = frame_create_event(slice_make(frame->text, frame->event_length),
                                            slice_make(frame->text + frame->event_length, frame->data_length),
                                            &frame->rule, &copy);
    if (status == STATUS_OK && frame->attachments)
        status = attachments_copy(frame->attachments, &copy->attachments);
    if (status == STATUS_OK && frame->namespace) {
        copy->namespace = strdup(frame->namespace);
        status = copy->namespace ? STATUS_OK : STATUS_NO_MEMORY;
    }
    if (status != STATUS_OK) {
        frame_unref(copy);
        return status;
    }
    copy->published_at_us = frame->published_at_us;
    copy->event_id = frame->event_id;
    copy->lane = frame->lane;
    copy->lane_sequence = frame->lane_sequence;
    copy->first_lane = frame->first_lane;
    copy->first_sequence = frame->first_sequence;
    copy->keep = frame->keep;
    copy->lent = frame->lent;
    copy->arguments = frame->arguments;
    copy->is_volatile = frame->is_volatile;
    *ret_frame = copy;
    return STATUS_OK;
}

void frame_set_offset(struct frame *frame, struct slice offset)
{
    char *copy = offset.length ? malloc(offset.length) : NULL;
    if (copy)
        memcpy(copy, offset.data, offset.length);
    free(frame->offset);
    frame->offset = copy;
    frame->offset_length = copy ? (uint16_t)offset.length : 0;
}

bool frame_ends_with_text(const struct frame *frame)
{
    struct slice inside = slice_make(frame->text + frame->event_length, frame->data_length);
    if (frame->ask || !frame->event_length)
        return false;
    if (frame->arguments && client_array_inside(inside, &inside) != STATUS_OK)
        return false;
    inside = json_scan_trim(inside);
    return inside.length == 0 || inside.data[inside.length - 1] == '"';
}

void frame_lend_offset(struct frame *frame, struct slice offset)
{
    if (frame->offset_length || !frame_ends_with_text(frame))
        return;
    frame_set_offset(frame, offset);
    frame->lent = frame->offset_length > 0;
}

struct client_event frame_event(const struct frame *frame)
{
    return (struct client_event){
        .event = slice_make(frame->text, frame->event_length),
        .data = slice_make(frame->text + frame->event_length, frame->data_length),
        .offset = frame_offset(frame),
        .attachments = frame->attachments,
        .arguments = frame->arguments,
    };
}

static struct wire *encode(const struct frame *frame, const struct format_ops *format, struct slice namespace)
{
    struct client_event event = frame_event(frame);
    struct wire *wire = NULL;
    struct buf buf;
    if (frame->lent && !format->lent_offsets)
        event.offset = (struct slice){0};
    buf_init(&buf, ENCODED_MAXIMUM);
    if (format->append_event(&buf, namespace, &event) == STATUS_OK)
        wire = wire_create(format->opcode, buf_slice(&buf),
                           format->attachments_follow ? frame->attachments : NULL);
    buf_done(&buf);
    return wire;
}

const struct wire *frame_encode(struct frame *frame, enum frame_format format)
{
    if (!frame->event_length)
        return NULL;
    frame->wires[format] = encode(frame, &formats[format], SIO_ROOT);
    return frame->wires[format];
}

/* ---- further namespaces ------------------------------------------------------------------------------- */

static struct frame *make_variant(const struct frame *frame, int index, struct slice name)
{
    struct frame *variant = allocate(0);
    if (!variant)
        return NULL;
    variant->wires[FRAME_SOCKETIO] = encode(frame, &formats[FRAME_SOCKETIO], name);
    if (!variant->wires[FRAME_SOCKETIO]) {
        frame_unref(variant);
        return NULL;
    }
    if (frame->rule.coalesce)
        variant->rule.coalesce = hash64(&index, sizeof(index), frame->rule.coalesce) | 1;
    return variant;
}

struct frame *frame_in_namespace(struct frame *frame, int index, struct slice name)
{
    if (!frame->event_length)
        return frame;
    for (const struct frame_variant *variant = frame->variants; variant; variant = variant->next)
        if (variant->index == index)
            return variant->frame;
    struct frame_variant *added = malloc(sizeof(*added));
    if (!added)
        return NULL;
    *added = (struct frame_variant){frame->variants, index, make_variant(frame, index, name)};
    if (!added->frame) {
        free(added);
        return NULL;
    }
    frame->variants = added;
    return added->frame;
}
