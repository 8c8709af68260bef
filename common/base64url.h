/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * base64url without padding (RFC 4648 section 5), as text that ends: what ids, subjects and offsets are
 * written in. Pure; any thread.
 */
#ifndef POLLEN8_COMMON_BASE64URL_H
#define POLLEN8_COMMON_BASE64URL_H

#include "common/base64.h"

#define BASE64URL_LENGTH(bytes) BASE64_LENGTH(bytes)

/* Writes BASE64URL_LENGTH(length) characters and a NUL; returns the number of characters. */
static inline size_t base64url_encode(char *out, const void *data, size_t length)
{
    size_t written = base64_encode(out, data, length, BASE64_URL);

    out[written] = '\0';
    return written;
}

/* As base64_decode. */
static inline enum status base64url_decode(void *out, size_t capacity, struct slice text, size_t *ret_length)
{
    return base64_decode(out, capacity, text, BASE64_URL, ret_length);
}

#endif
