/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * Three bytes <-> four characters.
 */
#include "base64.h"

#include <stdint.h>

#include "append.h"

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

enum status base64_append(struct buf *buf, struct slice bytes)
{
    struct append out = append_start(buf);

    append_status(&out, buf_reserve(buf, (bytes.length + 2) / 3 * 4));
    for (size_t i = 0; i < bytes.length && out.status == STATUS_OK; i += 3) {
        size_t take = bytes.length - i < 3 ? bytes.length - i : 3;
        uint32_t bits = 0;
        char group[4] = "====";

        for (size_t j = 0; j < 3; j++)
            bits = bits << 8 | (j < take ? (unsigned char)bytes.data[i + j] : 0U);
        for (size_t j = 0; j <= take; j++)
            group[j] = alphabet[(bits >> (18 - 6 * j)) & 63];
        append_slice(&out, slice_make(group, 4));
    }
    return append_end(&out);
}

static int value_of(char c)
{
    if (c >= 'A' && c <= 'Z')
        return c - 'A';
    if (c >= 'a' && c <= 'z')
        return c - 'a' + 26;
    if (c >= '0' && c <= '9')
        return c - '0' + 52;
    if (c == '+')
        return 62;
    return c == '/' ? 63 : -1;
}

/* Four characters, of which the last `padding` (0 to 2) are '='; bits left over must be zero. */
static enum status decode_group(const char *in, size_t padding, struct buf *out)
{
    uint32_t bits = 0;
    char bytes[3];

    for (size_t i = 0; i < 4; i++) {
        int value = i < 4 - padding ? value_of(in[i]) : 0;

        if (value < 0)
            return STATUS_MALFORMED;
        bits = bits << 6 | (uint32_t)value;
    }
    if ((padding == 1 && (bits & 0xFF)) || (padding == 2 && (bits & 0xFFFF)))
        return STATUS_MALFORMED;
    bytes[0] = (char)(bits >> 16);
    bytes[1] = (char)(bits >> 8);
    bytes[2] = (char)bits;
    return buf_append(out, bytes, 3 - padding);
}

enum status base64_decode(struct slice text, struct buf *out)
{
    struct append whole = append_start(out);

    if (text.length % 4 != 0)
        return STATUS_MALFORMED;
    append_status(&whole, buf_reserve(out, text.length > 0 ? text.length / 4 * 3 - 2 : 0));
    for (size_t i = 0; i < text.length && whole.status == STATUS_OK; i += 4) {
        size_t padding = 0;

        if (i + 4 == text.length && text.data[i + 3] == '=')
            padding = text.data[i + 2] == '=' ? 2 : 1;
        append_status(&whole, decode_group(text.data + i, padding, out));
    }
    return append_end(&whole);
}
