/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * place, random bits -> base64url -> "." and the gateway's name; and back.
 */
#include "text/sid.h"

#include <stdio.h>
#include <string.h>

#include "common/base64url.h"
#include "common/rng.h"

#define KEY_BYTES 15
_Static_assert(BASE64URL_LENGTH(KEY_BYTES) + 1 == SID_KEY_SIZE, "a key has 20 characters");

void sid_make_key(uint32_t place, char out[SID_KEY_SIZE])
{
    unsigned char bytes[KEY_BYTES];
    rng_bytes(bytes, sizeof(bytes));
    memcpy(bytes, &place, sizeof(place));
    out[base64url_encode(out, bytes, sizeof(bytes))] = '\0';
}

void sid_write(char out[SID_SIZE], const char *key, const char *gateway)
{
    snprintf(out, SID_SIZE, "%s.%s", key, gateway);
}

static bool name_valid(struct slice name)
{
    for (size_t i = 0; i < name.length; i++) {
        char c = name.data[i];
        bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
        if (!letter && !(c >= '0' && c <= '9') && c != '_' && c != '-')
            return false;
    }
    return name.length > 0 && name.length <= SID_GATEWAY_MAXIMUM;
}

enum status sid_read(struct slice text, struct sid *ret_sid)
{
    unsigned char bytes[KEY_BYTES];
    size_t length = 0;
    if (text.length <= SID_KEY_SIZE || text.data[SID_KEY_SIZE - 1] != '.')
        return STATUS_MALFORMED;
    struct sid sid = {.text = text, .key = slice_make(text.data, SID_KEY_SIZE - 1)};
    sid.gateway = slice_make(text.data + SID_KEY_SIZE, text.length - SID_KEY_SIZE);
    if (!name_valid(sid.gateway) || base64url_decode(bytes, sizeof(bytes), sid.key, &length) != STATUS_OK ||
        length != sizeof(bytes))
        return STATUS_MALFORMED;
    memcpy(&sid.place, bytes, sizeof(sid.place));
    *ret_sid = sid;
    return STATUS_OK;
}

bool sid_key_equal(const char *key, struct slice other)
{
    unsigned char difference = 0;
    if (strlen(key) != other.length)
        return false;
    for (size_t i = 0; i < other.length; i++)
        difference |= (unsigned char)(key[i] ^ other.data[i]);
    return difference == 0;
}
