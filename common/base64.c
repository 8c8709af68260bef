/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * Three bytes become four characters of six bits; one or two bytes left over become two or three characters,
 * whose spare bits must be zero so that each text has one meaning.
 */
#include "common/base64.h"

#include <stdint.h>

size_t base64_encode(char *out, const void *data, size_t length, enum base64_alphabet alphabet)
{
    static const char characters[][65] = {
        [BASE64_STANDARD] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/",
        [BASE64_URL] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_",
    };
    const unsigned char *bytes = data;
    size_t written = 0;
    uint32_t bits = 0;
    unsigned held = 0; /* bits in `bits` not yet written */
    for (size_t i = 0; i < length; i++) {
        bits = (bits << 8 | bytes[i]) & 0xffff;
        held += 8;
        while (held >= 6) {
            held -= 6;
            out[written++] = characters[alphabet][bits >> held & 63];
        }
    }
    if (held > 0)
        out[written++] = characters[alphabet][bits << (6 - held) & 63];
    return written;
}

/* The six bits a character stands for; -1 for a foreign one. */
static int value_of(char c, enum base64_alphabet alphabet)
{
    if (c >= 'A' && c <= 'Z')
        return c - 'A';
    if (c >= 'a' && c <= 'z')
        return c - 'a' + 26;
    if (c >= '0' && c <= '9')
        return c - '0' + 52;
    if (c == (alphabet == BASE64_URL ? '-' : '+'))
        return 62;
    return c == (alphabet == BASE64_URL ? '_' : '/') ? 63 : -1;
}

enum status base64_decode(void *out, size_t capacity, struct slice text, enum base64_alphabet alphabet,
                          size_t *ret_length)
{
    unsigned char *bytes = out;
    if (text.length % 4 == 1)
        return STATUS_MALFORMED;
    size_t written = 0;
    uint32_t bits = 0;
    unsigned held = 0;
    for (size_t i = 0; i < text.length; i++) {
        int value = value_of(text.data[i], alphabet);
        if (value < 0)
            return STATUS_MALFORMED;
        bits = (bits << 6 | (uint32_t)value) & 0xffff;
        held += 6;
        if (held < 8)
            continue;
        held -= 8;
        if (written == capacity)
            return STATUS_FULL;
        bytes[written++] = (unsigned char)(bits >> held);
    }
    if (bits & ((1u << held) - 1))
        return STATUS_MALFORMED;
    *ret_length = written;
    return STATUS_OK;
}
