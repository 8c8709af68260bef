/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * Handshakes: line 1 the header, line 2 the query, the rest the auth object. What is found is a bearer token.
 */
#include "fuzz.h"

#include "../../gateway/handshake.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct slice rest = slice_make(data, size);
    struct handshake_source source = {0};
    struct handshake_token token = {0};
    struct handshake_token again = {0};

    source.authorization = fuzz_line(&rest);
    source.query = fuzz_line(&rest);
    source.auth = rest;
    if (handshake_token_find(&source, &token) == STATUS_OK) {
        CHECK(token.length > 0 && token.length <= HANDSHAKE_TOKEN_MAXIMUM_BYTES);
        CHECK(strlen(token.text) == token.length);
        CHECK(strspn(token.text, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~+/=") ==
              token.length);
        CHECK(handshake_token_from_value(slice_make(token.text, token.length), &again) == STATUS_OK);
    } else {
        CHECK(!token.text);
    }
    handshake_token_wipe(&token);
    handshake_token_wipe(&again);
    return 0;
}
