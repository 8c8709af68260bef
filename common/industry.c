/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * Checks, trims, folds case and composes an industry's name: bytes as written -> the name all spellings
 * share. The Unicode tables are utf8proc's; this is the only file that names it.
 */
#include "common/industry.h"

#include <utf8proc.h>

#include "common/utf8.h"

/* One byte as written makes at most one character, and one character at most four by decomposition and
 * folding together. */
#define CHARACTERS_MAXIMUM (INDUSTRY_MAXIMUM_BYTES * 4)

/* Bytes of the white space character that `text` starts with; 0 if it starts with none. The controls that are
 * white space too (tab, newline) were refused before. */
static size_t space_length(const unsigned char *text, size_t length)
{
    if (text[0] == ' ')
        return 1;
    if (length >= 2 && text[0] == 0xc2 && text[1] == 0xa0) /* U+00A0 */
        return 2;
    if (length < 3)
        return 0;
    unsigned second = (unsigned)text[1] << 8 | text[2];
    if (text[0] == 0xe1)
        return second == 0x9a80 ? 3 : 0; /* U+1680 */
    if (text[0] == 0xe2)                 /* U+2000..200A, 2028, 2029, 202F, 205F */
        return (second >= 0x8080 && second <= 0x808a) || second == 0x80a8 || second == 0x80a9 ||
                       second == 0x80af || second == 0x819f
                   ? 3
                   : 0;
    return text[0] == 0xe3 && second == 0x8080 ? 3 : 0; /* U+3000 */
}

static struct slice trimmed(struct slice text)
{
    const unsigned char *bytes = (const unsigned char *)text.data;
    size_t start = 0;
    size_t end = 0; /* one past the last character that is not white space */
    for (size_t at = 0; at < text.length;) {
        size_t space = space_length(bytes + at, text.length - at);
        if (space == 0) {
            at++;
            end = at;
        } else {
            if (start == at)
                start += space;
            at += space;
        }
    }
    return end > start ? slice_make(text.data + start, end - start) : slice_make(text.data, 0);
}

enum status industry_normalise(struct slice name, char out[INDUSTRY_NORMALISED_SIZE], size_t *ret_length)
{
    const utf8proc_option_t options =
        (utf8proc_option_t)(UTF8PROC_STABLE | UTF8PROC_COMPOSE | UTF8PROC_CASEFOLD);
    if (name.length == 0 || name.length > INDUSTRY_MAXIMUM_BYTES || !utf8_clean(name))
        return STATUS_INVALID_PAYLOAD;
    name = trimmed(name);
    if (name.length == 0)
        return STATUS_INVALID_PAYLOAD;
    utf8proc_int32_t characters[CHARACTERS_MAXIMUM + 1]; /* utf8proc writes the text and a NUL in place */
    utf8proc_ssize_t count =
        utf8proc_decompose((const utf8proc_uint8_t *)name.data, (utf8proc_ssize_t)name.length, characters,
                           CHARACTERS_MAXIMUM, options);
    if (count <= 0 || count > CHARACTERS_MAXIMUM)
        return STATUS_INVALID_PAYLOAD;
    count = utf8proc_reencode(characters, count, options);
    if (count <= 0 || count >= INDUSTRY_NORMALISED_SIZE)
        return STATUS_INVALID_PAYLOAD;
    memcpy(out, characters, (size_t)count);
    out[count] = '\0';
    *ret_length = (size_t)count;
    return STATUS_OK;
}
