/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * Every message between services: the first byte chooses which. What unpacks packs, and packs the same again.
 */
#include "fuzz.h"

#include "common/wire.h"
#include "control.pb-c.h"
#include "event.pb-c.h"
#include "frame.pb-c.h"
#include "identity.pb-c.h"
#include "presence.pb-c.h"

static const ProtobufCMessageDescriptor *const messages[] = {
    &pollen8__verify_request__descriptor, &pollen8__verify_reply__descriptor,
    &pollen8__identity__descriptor,       &pollen8__inbound_frame__descriptor,
    &pollen8__frame_reply__descriptor,    &pollen8__outbound_frame__descriptor,
    &pollen8__event__descriptor,          &pollen8__control__descriptor,
    &pollen8__session_open__descriptor,   &pollen8__session_open_reply__descriptor,
    &pollen8__session_closed__descriptor, &pollen8__gateway_heartbeat__descriptor,
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const ProtobufCMessageDescriptor *descriptor;
    const ProtobufCMessage *message = NULL;
    struct wire_arena arena = {0};
    struct wire_arena arena_again = {0};
    struct buf packed;
    struct buf packed_again;

    if (size == 0)
        return 0;
    descriptor = messages[data[0] % (sizeof(messages) / sizeof(messages[0]))];
    buf_init(&packed, WIRE_MAXIMUM_BYTES);
    buf_init(&packed_again, WIRE_MAXIMUM_BYTES);
    if (wire_unpack(&arena, descriptor, slice_make(data + 1, size - 1), &message) == STATUS_OK) {
        CHECK(wire_pack(&packed, message) == STATUS_OK);
        message = NULL;
        CHECK(wire_unpack(&arena_again, descriptor, buf_slice(&packed), &message) == STATUS_OK);
        CHECK(wire_pack(&packed_again, message) == STATUS_OK);
        CHECK(slice_equal(buf_slice(&packed), buf_slice(&packed_again)));
    }
    CHECK(arena.allocated <= 16 * size + 65536);
    wire_arena_done(&arena);
    wire_arena_done(&arena_again);
    buf_done(&packed);
    buf_done(&packed_again);
    return 0;
}
