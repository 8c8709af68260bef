/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * Length and opcode -> header bytes, big-endian as the wire is.
 */
#include "codec/ws_frame.h"

#include "common/check.h"
#include "text/append.h"

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

/* ---- what a client sends ------------------------------------------------------------------------------ */

static bool opcode_known(unsigned opcode)
{
    return opcode <= WS_BINARY || (opcode >= WS_CLOSE && opcode <= WS_PONG);
}

enum status ws_client_frame_read(struct slice bytes, struct ws_client_frame *ret_frame)
{
    const unsigned char *at = (const unsigned char *)bytes.data;
    struct ws_client_frame frame = {0};
    if (bytes.length < 2)
        return STATUS_NOT_FOUND;
    unsigned opcode = at[0] & 0x0FU;
    frame.final = (at[0] & 0x80U) != 0;
    frame.length = at[1] & 0x7FU;
    if ((at[0] & 0x70U) != 0 || (at[1] & 0x80U) == 0 || !opcode_known(opcode) ||
        (opcode >= WS_CLOSE && (!frame.final || frame.length > WS_FRAME_CONTROL_MAXIMUM)))
        return STATUS_MALFORMED;
    size_t wide = frame.length < 126 ? 0 : frame.length == 126 ? 2 : 8;
    frame.opcode = (enum ws_opcode)opcode;
    frame.header = (uint32_t)(2 + wide + sizeof(frame.mask));
    if (bytes.length < frame.header)
        return STATUS_NOT_FOUND;
    if (wide)
        frame.length = 0;
    for (size_t i = 0; i < wide; i++)
        frame.length = frame.length << 8 | at[2 + i];
    if (frame.length > INT64_MAX)
        return STATUS_MALFORMED;
    memcpy(frame.mask, at + 2 + wide, sizeof(frame.mask));
    *ret_frame = frame;
    return STATUS_OK;
}

void ws_client_frame_unmask(const struct ws_client_frame *frame, char *payload)
{
    size_t length = (size_t)frame->length;
    size_t i = 0;
    uint64_t mask;
    memcpy(&mask, frame->mask, 4);
    memcpy((char *)&mask + 4, frame->mask, 4);
    for (; i + sizeof(mask) <= length; i += sizeof(mask)) {
        uint64_t word;
        memcpy(&word, payload + i, sizeof(word));
        word ^= mask;
        memcpy(payload + i, &word, sizeof(word));
    }
    for (; i < length; i++)
        payload[i] = (char)((unsigned char)payload[i] ^ frame->mask[i % 4]);
}

bool ws_close_code_valid(unsigned code)
{
    return (code >= 1000 && code <= 1003) || (code >= 1007 && code <= 1014) || (code >= 3000 && code <= 4999);
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
