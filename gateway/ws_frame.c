/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * Length and opcode -> header bytes, big-endian as the wire is.
 */
#include "ws_frame.h"

#include "../common/check.h"
#include "append.h"

size_t ws_frame_header_size(uint64_t length)
{
    if (length <= 125)
        return 2;
    return length <= UINT16_MAX ? 4 : 10;
}

size_t ws_frame_header(unsigned char out[WS_FRAME_HEADER_MAXIMUM], enum ws_opcode opcode, uint64_t length)
{
    size_t size = ws_frame_header_size(length);

    CHECK(opcode < WS_CLOSE || length <= WS_FRAME_CONTROL_MAXIMUM);
    out[0] = (unsigned char)(0x80U | (unsigned)opcode);
    if (size == 2) {
        out[1] = (unsigned char)length;
        return size;
    }
    out[1] = size == 4 ? 126 : 127;
    for (size_t i = size; i > 2; i--) {
        out[i - 1] = (unsigned char)length;
        length >>= 8;
    }
    return size;
}

enum status ws_frame_append(struct buf *buf, enum ws_opcode opcode, struct slice payload)
{
    struct append out = append_start(buf);
    unsigned char header[WS_FRAME_HEADER_MAXIMUM];

    append_slice(&out, slice_make(header, ws_frame_header(header, opcode, payload.length)));
    append_slice(&out, payload);
    return append_end(&out);
}

enum status ws_frame_close_append(struct buf *buf, uint16_t code, struct slice reason)
{
    unsigned char payload[WS_FRAME_CONTROL_MAXIMUM] = {(unsigned char)(code >> 8), (unsigned char)code};

    if (reason.length > WS_FRAME_CLOSE_REASON_MAXIMUM) {
        reason.length = WS_FRAME_CLOSE_REASON_MAXIMUM;
        while (reason.length > 0 && ((unsigned char)reason.data[reason.length] & 0xC0U) == 0x80U)
            reason.length--; /* never in the middle of a character */
    }
    if (reason.length > 0)
        memcpy(payload + 2, reason.data, reason.length);
    return ws_frame_append(buf, WS_CLOSE, slice_make(payload, reason.length + 2));
}

bool ws_frame_next(struct slice *frames, enum ws_opcode *ret_opcode, struct slice *ret_payload)
{
    const unsigned char *at = (const unsigned char *)frames->data;
    if (frames->length < 2)
        return false;
    uint64_t length = at[1];
    size_t header = length < 126 ? 2 : length == 126 ? 4 : 10;
    if (frames->length < header)
        return false;
    if (header > 2)
        length = 0;
    for (size_t i = 2; i < header; i++)
        length = length << 8 | at[i];
    if (length > frames->length - header)
        return false;
    *ret_opcode = (enum ws_opcode)(at[0] & 0x0FU);
    *ret_payload = slice_make(frames->data + header, (size_t)length);
    *frames = slice_make(frames->data + header + length, frames->length - header - (size_t)length);
    return true;
}
