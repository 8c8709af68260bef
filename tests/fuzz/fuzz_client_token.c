/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * Handshakes: line 1 the header, line 2 the query, the rest the auth object. What is found is a bearer token.
 */
#include "fuzz.h"

#include "text/client_token.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct slice rest = slice_make(data, size);
    struct client_token_source source = {0};
    struct client_token token = {0};
    struct client_token again = {0};

    source.authorization = fuzz_line(&rest);
    source.query = fuzz_line(&rest);
    source.auth = rest;
    if (client_token_find(&source, &token) == STATUS_OK) {
        CHECK(token.length > 0 && token.length <= CLIENT_TOKEN_MAXIMUM_BYTES);
        CHECK(strlen(token.text) == token.length);
        CHECK(strspn(token.text, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~+/=") ==
              token.length);
        CHECK(client_token_from_value(slice_make(token.text, token.length), &again) == STATUS_OK);
    } else {
        CHECK(!token.text);
    }
    client_token_wipe(&token);
    client_token_wipe(&again);
    return 0;
}
