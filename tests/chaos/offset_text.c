/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * base64url of: version | epoch | time | complete | (lane, 4 bytes | sequence) ...
 */
#include "offset_text.h"

#include "common/base64url.h"

#define VERSION        1
#define VARINT_MAXIMUM 10
#define BYTES_MAXIMUM  (1 + 3 * VARINT_MAXIMUM + OFFSET_LANES_MAXIMUM * (4 + VARINT_MAXIMUM))
_Static_assert(BASE64URL_LENGTH(BYTES_MAXIMUM) < OFFSET_TEXT_SIZE, "every offset has room");

static bool take_varint(const unsigned char **at, const unsigned char *end, uint64_t *ret_value)
{
    uint64_t value = 0;

    for (unsigned shift = 0; shift < 64 && *at < end; shift += 7) {
        unsigned char byte = *(*at)++;
        value |= (uint64_t)(byte & 0x7f) << shift;
        if (byte < 0x80) {
            *ret_value = value;
            return true;
        }
    }
    return false;
}

static bool take_lane(const unsigned char **at, const unsigned char *end, struct offset_lane *ret_lane)
{
    if (end - *at < 5)
        return false;
    ret_lane->lane = 0;
    for (int i = 0; i < 4; i++)
        ret_lane->lane = ret_lane->lane << 8 | *(*at)++;
    return take_varint(at, end, &ret_lane->sequence);
}

bool offset_read(struct slice text, struct offset *ret_offset)
{
    unsigned char bytes[BYTES_MAXIMUM];
    const unsigned char *at = bytes + 1;
    const unsigned char *end;
    size_t length = 0;

    *ret_offset = (struct offset){0};
    if (base64url_decode(bytes, sizeof(bytes), text, &length) != STATUS_OK || length == 0 ||
        bytes[0] != VERSION)
        return false;
    end = bytes + length;
    if (!take_varint(&at, end, &ret_offset->epoch) || !take_varint(&at, end, &ret_offset->time_ms) ||
        !take_varint(&at, end, &ret_offset->complete_ms))
        return false;
    while (at < end)
        if (ret_offset->count == OFFSET_LANES_MAXIMUM ||
            !take_lane(&at, end, &ret_offset->lanes[ret_offset->count++]))
            return false;
    return true;
}

static size_t put_varint(unsigned char *out, uint64_t value)
{
    size_t length = 0;

    for (; value >= 0x80; value >>= 7)
        out[length++] = (unsigned char)(value | 0x80);
    out[length++] = (unsigned char)value;
    return length;
}

size_t offset_write(const struct offset *offset, char out[OFFSET_TEXT_SIZE])
{
    unsigned char bytes[BYTES_MAXIMUM];
    size_t length = 0;

    bytes[length++] = VERSION;
    length += put_varint(bytes + length, offset->epoch);
    length += put_varint(bytes + length, offset->time_ms);
    length += put_varint(bytes + length, offset->complete_ms);
    for (uint32_t i = 0; i < offset->count; i++) {
        for (int shift = 24; shift >= 0; shift -= 8)
            bytes[length++] = (unsigned char)(offset->lanes[i].lane >> shift);
        length += put_varint(bytes + length, offset->lanes[i].sequence);
    }
    return base64url_encode(out, bytes, length);
}
