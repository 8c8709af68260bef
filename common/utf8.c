/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * Walks UTF-8 one character at a time. The second byte's range depends on the first (RFC 3629 section 4):
 * that alone excludes overlong forms, surrogates and code points past U+10FFFF.
 */
#include "common/utf8.h"

/* The bytes of the character at text[0..length), which is not ASCII; 0 if it is not valid. */
static size_t character_length(const unsigned char *text, size_t length)
{
    unsigned char first = text[0];
    size_t size = first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4;
    if (first < 0xc2 || first > 0xf4 || length < size)
        return 0;
    unsigned char low = 0x80;
    unsigned char high = 0xbf;
    if (first == 0xe0)
        low = 0xa0;
    else if (first == 0xed)
        high = 0x9f;
    else if (first == 0xf0)
        low = 0x90;
    else if (first == 0xf4)
        high = 0x8f;
    if (text[1] < low || text[1] > high)
        return 0;
    for (size_t i = 2; i < size; i++) {
        if ((text[i] & 0xc0) != 0x80)
            return 0;
    }
    return size;
}

static bool walk(struct slice text, bool refuse_controls)
{
    const unsigned char *bytes = (const unsigned char *)text.data;
    size_t at = 0;
    while (at < text.length) {
        size_t size = 1;
        if (bytes[at] >= 0x80) {
            size = character_length(bytes + at, text.length - at);
            if (size == 0 || (refuse_controls && bytes[at] == 0xc2 && bytes[at + 1] < 0xa0))
                return false;
        } else if (refuse_controls && (bytes[at] < 0x20 || bytes[at] == 0x7f)) {
            return false;
        }
        at += size;
    }
    return true;
}

bool utf8_valid(struct slice text)
{
    return walk(text, false);
}

bool utf8_clean(struct slice text)
{
    return walk(text, true);
}
