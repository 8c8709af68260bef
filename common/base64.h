/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * Base64 without padding (RFC 4648), in either alphabet; strict: each text has one meaning. Pure; any thread.
 */
#ifndef POLLEN8_COMMON_BASE64_H
#define POLLEN8_COMMON_BASE64_H

#include "common/slice.h"
#include "common/status.h"

enum base64_alphabet {
    BASE64_STANDARD, /* + and /, section 4 */
    BASE64_URL       /* - and _, section 5 */
};

/* Characters that `bytes` bytes become, without a terminator. */
#define BASE64_LENGTH(bytes) ((4 * (bytes) + 2) / 3)

/* Writes BASE64_LENGTH(length) characters, no NUL; returns their number. */
size_t base64_encode(char *out, const void *data, size_t length, enum base64_alphabet alphabet);

/* Writes at most `capacity` bytes. STATUS_MALFORMED for a foreign character, an impossible length or bits
 * left over that are not zero; STATUS_FULL if the result is longer than capacity. */
enum status base64_decode(void *out, size_t capacity, struct slice text, enum base64_alphabet alphabet,
                          size_t *ret_length);

#endif
