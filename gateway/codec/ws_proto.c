/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * ClientFrame (proto/client.proto) -> struct client_frame, and events and results -> ServerFrame. Messages to
 * encode stand on the stack. protobuf-c needs NUL-terminated strings, so short ones are copied there.
 */
#include "codec/ws_proto.h"

#include "client.pb-c.h"

#include "codec/sio_packet.h"

static enum status refuse(struct client_reason *reason, const char *text)
{
    client_reason_set(reason, "%s", text);
    return STATUS_INVALID_PAYLOAD;
}

static enum status read_attachments(const Pollen8__Client__V1__ClientFrame *message,
                                    struct attachments *attachments, struct client_frame *frame,
                                    struct client_reason *reason)
{
    struct slice data = slice_make(message->data.data, message->data.len);

    if (message->n_attachments == 0)
        return STATUS_OK;
    if (message->n_attachments > ATTACHMENTS_MAXIMUM)
        return refuse(reason, "there are more than 10 attachments");
    if (sio_placeholders_check(data, message->n_attachments) != STATUS_OK)
        return refuse(reason, "data does not name each attachment once");
    *attachments = (struct attachments){.count = message->n_attachments};
    for (size_t i = 0; i < message->n_attachments; i++)
        attachments->list[i] = slice_make(message->attachments[i].data, message->attachments[i].len);
    frame->attachments = attachments;
    return STATUS_OK;
}

static enum status read_frame(const Pollen8__Client__V1__ClientFrame *message,
                              struct attachments *attachments, struct client_frame *frame,
                              struct client_reason *reason)
{
    struct slice id = slice_from_string(message->id);
    struct slice event = slice_from_string(message->event);
    struct slice data = slice_make(message->data.data, message->data.len);
    enum status status = STATUS_OK;

    if (id.length > CLIENT_ID_MAXIMUM_BYTES)
        return refuse(reason, "id is longer than 128 bytes");
    frame->id = id;
    frame->answer = message->answer;
    if (message->answer ? event.length || id.length : !event_name_valid(event))
        return refuse(reason,
                      message->answer ? "answer stands without event and id" : CLIENT_REASON_EVENT_NAME);
    memcpy(frame->event, event.data, event.length);
    frame->data = data;
    if (data.length > 0)
        status = client_data_check(data, reason);
    return status ? status : read_attachments(message, attachments, frame, reason);
}

enum status ws_proto_decode(struct wire_arena *arena, struct slice bytes, struct attachments *attachments,
                            struct client_frame *ret_frame, struct client_reason *reason)
{
    const ProtobufCMessage *message = NULL;
    struct client_frame frame = {0};
    enum status status = wire_unpack(arena, &pollen8__client__v1__client_frame__descriptor, bytes, &message);

    if (status == STATUS_OK)
        status = read_frame((const void *)message, attachments, &frame, reason);
    else if (status == STATUS_MALFORMED)
        status = refuse(reason, "the message is not a ClientFrame");
    if (status != STATUS_OK)
        frame = (struct client_frame){.id = frame.id};
    *ret_frame = frame;
    return status;
}

/* Copies with a NUL; STATUS_MALFORMED if it does not fit or contains a NUL. */
static enum status copy_string(char *out, size_t size, struct slice text)
{
    if (text.length >= size || (text.length > 0 && memchr(text.data, '\0', text.length)))
        return STATUS_MALFORMED;
    if (text.length > 0)
        memcpy(out, text.data, text.length);
    out[text.length] = '\0';
    return STATUS_OK;
}

enum status ws_proto_event_append(struct buf *buf, const struct client_event *event)
{
    char event_text[EVENT_NAME_MAXIMUM_BYTES + 1];
    char offset_text[WS_PROTO_OFFSET_MAXIMUM_BYTES + 1];
    ProtobufCBinaryData attachments[ATTACHMENTS_MAXIMUM];
    Pollen8__Client__V1__Event body = POLLEN8__CLIENT__V1__EVENT__INIT;
    Pollen8__Client__V1__ServerFrame frame = POLLEN8__CLIENT__V1__SERVER_FRAME__INIT;

    if (copy_string(event_text, sizeof(event_text), event->event) != STATUS_OK ||
        copy_string(offset_text, sizeof(offset_text), event->offset) != STATUS_OK)
        return STATUS_MALFORMED;
    body.event = event_text;
    body.data = wire_borrow(event->data);
    body.offset = offset_text;
    body.n_attachments = attachments_borrow(event->attachments, attachments);
    body.attachments = attachments;
    body.ask = event->ask;
    body.arguments = event->arguments;
    frame.frame_case = POLLEN8__CLIENT__V1__SERVER_FRAME__FRAME_EVENT;
    frame.event = &body;
    return wire_pack(buf, &frame.base);
}

/* Cuts between characters, and at a NUL, which the encoding could not carry. */
static void copy_message(char out[WS_PROTO_MESSAGE_MAXIMUM_BYTES + 1], struct slice message)
{
    if (message.length > WS_PROTO_MESSAGE_MAXIMUM_BYTES) {
        message.length = WS_PROTO_MESSAGE_MAXIMUM_BYTES;
        while (message.length > 0 && ((unsigned char)message.data[message.length] & 0xC0U) == 0x80U)
            message.length--;
    }
    memcpy(out, message.data, message.length);
    out[message.length] = '\0';
}

enum status ws_proto_ack_append(struct buf *buf, struct slice id, const struct client_result *result)
{
    char id_text[CLIENT_ID_MAXIMUM_BYTES + 1];
    char code[64];
    char message[WS_PROTO_MESSAGE_MAXIMUM_BYTES + 1];
    ProtobufCBinaryData attachments[ATTACHMENTS_MAXIMUM];
    Pollen8__Client__V1__Error error = POLLEN8__CLIENT__V1__ERROR__INIT;
    Pollen8__Client__V1__Ack body = POLLEN8__CLIENT__V1__ACK__INIT;
    Pollen8__Client__V1__ServerFrame frame = POLLEN8__CLIENT__V1__SERVER_FRAME__INIT;

    if (copy_string(id_text, sizeof(id_text), id) != STATUS_OK ||
        copy_string(code, sizeof(code), slice_from_string(status_code(result->status))) != STATUS_OK)
        return STATUS_MALFORMED;
    body.id = id_text;
    body.ok = result->status == STATUS_OK;
    if (body.ok) {
        body.data = wire_borrow(result->data.length > 0 ? result->data : SLICE_LITERAL("{}"));
        body.n_attachments = attachments_borrow(result->attachments, attachments);
        body.attachments = attachments;
    } else {
        copy_message(message, result->message.length > 0 ? result->message
                                                         : slice_from_string(status_message(result->status)));
        error.code = code;
        error.message = message;
        error.retry_after_ms = result->retry_after_ms;
        body.error = &error;
    }
    frame.frame_case = POLLEN8__CLIENT__V1__SERVER_FRAME__FRAME_ACK;
    frame.ack = &body;
    return wire_pack(buf, &frame.base);
}
