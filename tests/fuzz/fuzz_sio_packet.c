/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * Socket.IO packets: an event that decodes encodes to a packet that decodes the same; what the strict decoder
 * takes, the parser of common/json.h takes as well, duplicate keys and outsized numbers aside.
 */
#include "fuzz.h"

#include "../../gateway/sio_packet.h"

static void check_event(const struct sio_packet *packet)
{
    struct client_frame frame = {0};
    struct client_frame again = {0};
    struct client_reason reason = {""};
    struct sio_packet packet_again;
    struct buf text;
    enum status status = sio_event_decode(packet, &frame, &reason);

    CHECK(status == STATUS_OK || status == STATUS_MALFORMED || status == STATUS_INVALID_PAYLOAD);
    CHECK(status != STATUS_INVALID_PAYLOAD || reason.text[0] != '\0');
    if (status != STATUS_OK)
        return;
    CHECK(event_name_valid(client_frame_event(&frame)));
    CHECK(!sio_event_reserved(client_frame_event(&frame)));
    buf_init(&text, 1 << 20);
    CHECK(sio_event_append(&text, packet->name_space, packet->has_ack ? &packet->ack_id : NULL,
                           client_frame_event(&frame), frame.data, (struct slice){0}) == STATUS_OK);
    CHECK(sio_packet_decode(buf_slice(&text), &packet_again) == STATUS_OK);
    CHECK(packet_again.has_ack == packet->has_ack && packet_again.ack_id == packet->ack_id);
    CHECK(slice_equal(packet_again.name_space, packet->name_space) || packet_again.name_space.length == 1);
    CHECK(sio_event_decode(&packet_again, &again, &reason) == STATUS_OK);
    CHECK(slice_equal(again.data, frame.data));
    CHECK(strcmp(again.event, frame.event) == 0);
    buf_done(&text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct sio_packet packet;

    if (sio_packet_decode(slice_make(data, size), &packet) != STATUS_OK)
        return 0;
    CHECK(packet.attachments <= SIO_ATTACHMENTS_MAXIMUM);
    CHECK(packet.ack_id <= SIO_ACK_ID_MAXIMUM);
    CHECK(packet.name_space.length > 0 && packet.name_space.data[0] == '/');
    if (packet.type == SIO_EVENT)
        check_event(&packet);
    if (packet.type == SIO_BINARY_EVENT || packet.type == SIO_BINARY_ACK)
        (void)sio_placeholders_check(&packet);
    return 0;
}
