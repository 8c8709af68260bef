/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * base64url without padding (RFC 4648 section 5), pure. Any thread.
 */
#ifndef POLLEN8_COMMON_BASE64URL_H
#define POLLEN8_COMMON_BASE64URL_H

#include "slice.h"
#include "status.h"

/* Characters that `bytes` bytes become, without a terminator. */
#define BASE64URL_LENGTH(bytes) (((bytes)*4 + 2) / 3)

/* Writes BASE64URL_LENGTH(length) characters and a NUL; returns the number of characters. */
size_t base64url_encode(char *out, const void *data, size_t length);

/* Writes at most `capacity` bytes. STATUS_MALFORMED for a foreign character, an impossible length or bits
 * left over that are not zero; STATUS_FULL where the result is longer than capacity. */
enum status base64url_decode(void *out, size_t capacity, struct slice text, size_t *ret_length);

#endif
