/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * Socket.IO packets: an event that decodes encodes to a packet that decodes the same; what the strict decoder
 * takes, the parser of common/json.h takes as well, duplicate keys and outsized numbers aside.
 */
#include "fuzz.h"

#include "codec/sio_assembly.h"
#include "codec/sio_packet.h"

static void check_event(const struct sio_packet *packet)
{
    struct client_frame frame = {0};
    struct client_frame again = {0};
    struct client_event event;
    struct buf array;
    struct client_reason reason = {""};
    struct sio_packet packet_again;
    struct buf text;
    enum status status = sio_event_decode(packet, &frame, &reason);

    CHECK(status == STATUS_OK || status == STATUS_MALFORMED || status == STATUS_INVALID_PAYLOAD);
    CHECK(status != STATUS_INVALID_PAYLOAD || reason.text[0] != '\0');
    if (status != STATUS_OK)
        return;
    CHECK(event_name_valid(client_frame_event(&frame)));
    CHECK(strcmp(frame.event, "connect") != 0 && strcmp(frame.event, "disconnect") != 0);
    CHECK(!frame.arguments || frame.data.length > 2);
    buf_init(&text, 1 << 20);
    buf_init(&array, 1 << 20);
    CHECK(buf_append_char(&array, '[') == STATUS_OK);
    CHECK(frame.data.length == 0 || buf_append(&array, frame.data.data, frame.data.length) == STATUS_OK);
    CHECK(buf_append_char(&array, ']') == STATUS_OK);
    event = (struct client_event){.event = client_frame_event(&frame),
                                  .data = buf_slice(&array),
                                  .ask = packet->ack_id,
                                  .arguments = true};
    CHECK(sio_event_append(&text, packet->namespace, &event) == STATUS_OK);
    CHECK(sio_packet_decode(buf_slice(&text), &packet_again) == STATUS_OK);
    CHECK(packet_again.has_ack == (packet->ack_id != 0) && packet_again.ack_id == packet->ack_id);
    CHECK(slice_equal(packet_again.namespace, packet->namespace) || packet_again.namespace.length == 1);
    CHECK(sio_event_decode(&packet_again, &again, &reason) == STATUS_OK);
    CHECK(slice_equal(again.data, frame.data) && again.arguments == frame.arguments);
    CHECK(strcmp(again.event, frame.event) == 0);
    buf_done(&text);
    buf_done(&array);
}

/* The bytes themselves as the attachments, cut anywhere: they come out of the assembly as they went in. */
static void check_assembly(struct slice text, const struct sio_packet *packet)
{
    struct sio_assembly *assembly = NULL;
    struct attachments attachments;
    size_t share = text.length / packet->attachments;

    CHECK(sio_assembly_create(text, packet->attachments, text.length, &assembly) == STATUS_OK);
    for (size_t i = 0; i < packet->attachments; i++)
        CHECK(sio_assembly_add(assembly, slice_make(text.data + i * share, share)) == STATUS_OK);
    CHECK(sio_assembly_complete(assembly));
    CHECK(slice_equal(sio_assembly_text(assembly), text));
    attachments = sio_assembly_attachments(assembly);
    CHECK(attachments.count == packet->attachments);
    for (size_t i = 0; i < attachments.count; i++)
        CHECK(slice_equal(attachments.list[i], slice_make(text.data + i * share, share)));
    sio_assembly_free(assembly);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct sio_packet packet;

    if (sio_packet_decode(slice_make(data, size), &packet) != STATUS_OK)
        return 0;
    CHECK(packet.attachments <= SIO_ATTACHMENTS_MAXIMUM);
    CHECK(packet.ack_id <= SIO_ACK_ID_MAXIMUM);
    CHECK(packet.namespace.length > 0 && packet.namespace.data[0] == '/');
    if (packet.type == SIO_EVENT || packet.type == SIO_BINARY_EVENT)
        check_event(&packet);
    if (packet.type == SIO_BINARY_EVENT || packet.type == SIO_BINARY_ACK)
        (void)sio_placeholders_check(packet.payload, packet.attachments);
    if (packet.attachments > 0)
        check_assembly(slice_make(data, size), &packet);
    return 0;
}
