/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * The protobuf subprotocol: a frame that decodes encodes (by the generated code) to one that decodes the
 * same.
 */
#include "fuzz.h"

#include "client.pb-c.h"
#include "codec/ws_proto.h"

static void check_frame(const struct client_frame *frame)
{
    Pollen8__Client__V1__ClientFrame message = POLLEN8__CLIENT__V1__CLIENT_FRAME__INIT;
    struct wire_arena arena = {0};
    struct client_frame again;
    struct client_reason reason;
    struct attachments room;
    ProtobufCBinaryData attachments[ATTACHMENTS_MAXIMUM];
    char event[EVENT_NAME_MAXIMUM_BYTES + 1];
    char id[CLIENT_ID_MAXIMUM_BYTES + 1];
    struct buf bytes;

    CHECK(frame->id.length <= CLIENT_ID_MAXIMUM_BYTES);
    if (frame->id.length > 0)
        memcpy(id, frame->id.data, frame->id.length);
    id[frame->id.length] = '\0';
    memcpy(event, frame->event, sizeof(event));
    message.id = id;
    message.event = event;
    message.data.len = frame->data.length;
    memcpy(&message.data.data, &frame->data.data, sizeof(message.data.data));
    message.answer = frame->answer;
    message.n_attachments = attachments_count(frame->attachments);
    message.attachments = attachments;
    for (size_t i = 0; i < message.n_attachments; i++) {
        attachments[i].len = frame->attachments->list[i].length;
        memcpy(&attachments[i].data, &frame->attachments->list[i].data, sizeof(attachments[i].data));
    }
    buf_init(&bytes, 1 << 21);
    CHECK(wire_pack(&bytes, &message.base) == STATUS_OK);
    CHECK(ws_proto_decode(&arena, buf_slice(&bytes), &room, &again, &reason) == STATUS_OK);
    CHECK(slice_equal(again.id, frame->id));
    CHECK(slice_equal(again.data, frame->data));
    CHECK(strcmp(again.event, frame->event) == 0 && again.answer == frame->answer);
    CHECK(attachments_count(again.attachments) == message.n_attachments);
    wire_arena_done(&arena);
    buf_done(&bytes);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct wire_arena arena = {0};
    struct client_frame frame;
    struct attachments attachments;
    struct client_reason reason = {""};
    struct client_result result = {.status = STATUS_INVALID_PAYLOAD};
    struct buf ack;

    if (ws_proto_decode(&arena, slice_make(data, size), &attachments, &frame, &reason) == STATUS_OK)
        check_frame(&frame);
    buf_init(&ack, 4096);
    result.message = slice_from_string(reason.text);
    CHECK(ws_proto_ack_append(&ack, frame.id, &result) == STATUS_OK);
    buf_done(&ack);
    wire_arena_done(&arena);
    return 0;
}
