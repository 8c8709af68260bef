/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * Header and claims → base64url → HMAC.
 */
#include "tokens.h"

#include <inttypes.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <stdio.h>
#include <string.h>

#include "common/base64url.h"
#include "ring.h"

void token_write(char out[TOKEN_SIZE], const char *user, const char *role, int64_t expires_s)
{
    static const char header[] = "{\"alg\":\"HS256\",\"typ\":\"JWT\"}";
    unsigned char mac[EVP_MAX_MD_SIZE];
    unsigned mac_length = 0;
    char claims[128];
    size_t length;

    snprintf(claims, sizeof(claims), "{\"sub\":\"%s\"%s%s%s,\"exp\":%" PRId64 "}", user,
             role ? ",\"role\":\"" : "", role ? role : "", role ? "\"" : "", expires_s);
    length = base64url_encode(out, header, sizeof(header) - 1);
    out[length++] = '.';
    length += base64url_encode(out + length, claims, strlen(claims));
    HMAC(EVP_sha256(), RING_SECRET, sizeof(RING_SECRET) - 1, (const unsigned char *)out, length, mac,
         &mac_length);
    out[length++] = '.';
    base64url_encode(out + length, mac, mac_length);
}
