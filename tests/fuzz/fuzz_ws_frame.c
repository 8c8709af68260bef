/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * WebSocket frames as a client sends them, one after the other; and the same bytes as a walk over frames of
 * our own. What was read has the form it must have, and is found again in a frame that is made of it.
 */
#include "fuzz.h"

#include <stdlib.h>

#include "codec/ws_frame.h"

static void check_own(enum ws_opcode opcode, struct slice payload)
{
    struct buf made;
    struct slice frames;
    struct slice found;
    enum ws_opcode kind;

    buf_init(&made, payload.length + WS_FRAME_HEADER_MAXIMUM);
    CHECK(ws_frame_append(&made, opcode, payload) == STATUS_OK);
    frames = buf_slice(&made);
    CHECK(ws_frame_next(&frames, &kind, &found));
    CHECK(kind == opcode && found.length == payload.length && frames.length == 0);
    CHECK(payload.length == 0 || memcmp(found.data, payload.data, payload.length) == 0);
    buf_done(&made);
}

static void check_payload(const struct ws_client_frame *frame, struct slice masked)
{
    char *payload = malloc(masked.length + 1);

    CHECK(payload);
    if (masked.length > 0)
        memcpy(payload, masked.data, masked.length);
    ws_client_frame_unmask(frame, payload);
    check_own(frame->opcode, slice_make(payload, masked.length));
    ws_client_frame_unmask(frame, payload); /* twice is not at all */
    CHECK(masked.length == 0 || memcmp(payload, masked.data, masked.length) == 0);
    free(payload);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct slice rest = slice_make(data, size);
    struct ws_client_frame frame;
    enum ws_opcode opcode;
    struct slice payload;
    size_t before;

    while (ws_client_frame_read(rest, &frame) == STATUS_OK) {
        CHECK(frame.header >= 6 && frame.header <= WS_CLIENT_HEADER_MAXIMUM && frame.header <= rest.length);
        CHECK(frame.length <= INT64_MAX);
        CHECK(frame.opcode < WS_CLOSE || (frame.final && frame.length <= WS_FRAME_CONTROL_MAXIMUM));
        if (frame.length > rest.length - frame.header)
            break;
        check_payload(&frame, slice_make(rest.data + frame.header, (size_t)frame.length));
        rest = slice_make(rest.data + frame.header + frame.length,
                          rest.length - frame.header - (size_t)frame.length);
    }
    rest = slice_make(data, size);
    for (before = rest.length; ws_frame_next(&rest, &opcode, &payload); before = rest.length)
        CHECK(rest.length < before && payload.length < before);
    return 0;
}
