/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * Handshakes: line 1 the header, line 2 the argument of the query, the rest the auth object. What is found is a
 * bearer token.
 */
#include "fuzz.h"

#include "text/client_token.h"

static enum status find(struct slice header, struct slice argument, struct slice auth,
                        struct client_token *ret_token)
{
    enum status status = client_token_from_auth(auth, ret_token);
    if (status == STATUS_NOT_FOUND)
        status = client_token_from_authorization(header, ret_token);
    return status == STATUS_NOT_FOUND ? client_token_from_value(argument, ret_token) : status;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct slice rest = slice_make(data, size);
    struct client_token token = {0};
    struct client_token again = {0};

    struct slice header = fuzz_line(&rest);
    struct slice argument = fuzz_line(&rest);
    if (find(header, argument, rest, &token) == STATUS_OK) {
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
