/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * Two bytes, an extended length where needed, four zero bytes of mask on our side.
 */
#include "load_frame.h"

#include <stdint.h>

bool load_frame_read(struct slice bytes, struct load_frame *ret_frame)
{
    const unsigned char *at = (const unsigned char *)bytes.data;
    size_t header = 2;
    uint64_t length;

    if (bytes.length < 2)
        return false;
    length = at[1] & 127;
    if (length >= 126) {
        size_t more = length == 126 ? 2 : 8;
        header += more;
        if (bytes.length < header)
            return false;
        length = 0;
        for (size_t i = 0; i < more; i++)
            length = length << 8 | at[2 + i];
    }
    if (bytes.length - header < length)
        return false;
    ret_frame->opcode = (enum frame_opcode)(at[0] & 15);
    ret_frame->payload = slice_make(bytes.data + header, (size_t)length);
    ret_frame->length = header + (size_t)length;
    return true;
}

size_t load_frame_header(char out[FRAME_HEADER_MAXIMUM], enum frame_opcode opcode, size_t payload_length)
{
    size_t length = 2;

    out[0] = (char)(0x80 | opcode);
    if (payload_length < 126) {
        out[1] = (char)(0x80 | payload_length);
    } else {
        out[1] = (char)(0x80 | 126);
        out[2] = (char)(payload_length >> 8);
        out[3] = (char)payload_length;
        length = 4;
    }
    memset(out + length, 0, 4);
    return length + 4;
}
