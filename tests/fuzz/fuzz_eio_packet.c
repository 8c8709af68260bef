/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * Engine.IO packets and polling bodies: what decodes encodes to a body that decodes the same.
 */
#include "fuzz.h"

#include "codec/eio_packet.h"
#include "codec/ws_frame.h"

static void encode(struct buf *body, const struct eio_packet *packet)
{
    struct buf frame;

    if (!packet->binary) {
        CHECK(eio_payload_append(body, packet->type, packet->data) == STATUS_OK);
        return;
    }
    buf_init(&frame, packet->data.length + WS_FRAME_HEADER_MAXIMUM);
    CHECK(ws_frame_append(&frame, WS_BINARY, packet->data) == STATUS_OK);
    CHECK(eio_payload_append_frames(body, buf_slice(&frame)) == STATUS_OK);
    buf_done(&frame);
}

static void check_same(const struct eio_packet *a, const struct eio_packet *b)
{
    CHECK(a->type == b->type);
    CHECK(a->binary == b->binary);
    CHECK(slice_equal(a->data, b->data));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct slice input = slice_make(data, size);
    struct eio_payload first;
    struct eio_payload second;
    struct eio_packet packet;
    struct eio_packet again;
    struct buf scratch;
    struct buf scratch_again;
    struct buf body;

    if (eio_packet_decode(input, &packet) == STATUS_OK)
        CHECK(packet.data.length == size - 1);
    buf_init(&scratch, size);
    buf_init(&scratch_again, size);
    buf_init(&body, 2 * size + 16);
    eio_payload_start(&first, input, EIO_PAYLOAD_PACKET_MAXIMUM);
    while (eio_payload_next(&first, &scratch, &packet) == STATUS_OK)
        encode(&body, &packet);
    eio_payload_start(&first, input, EIO_PAYLOAD_PACKET_MAXIMUM);
    eio_payload_start(&second, buf_slice(&body), EIO_PAYLOAD_PACKET_MAXIMUM);
    buf_clear(&scratch);
    while (eio_payload_next(&first, &scratch, &packet) == STATUS_OK) {
        CHECK(eio_payload_next(&second, &scratch_again, &again) == STATUS_OK);
        check_same(&packet, &again);
    }
    buf_done(&scratch);
    buf_done(&scratch_again);
    buf_done(&body);
    return 0;
}
