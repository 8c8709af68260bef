/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * Each source is cut in place. Only what has been recognised as the token is copied, once, into memory that
 * the wipe overwrites. JSON is walked, not parsed, so that no parser's heap keeps a second copy.
 */
#include "text/client_token.h"

#include <stdlib.h>
#include <strings.h>

#include "text/json_scan.h"

#define AUTH_VALUES 1024 /* JSON values in the auth object */

/* RFC 6750: b64token = 1*( ALPHA / DIGIT / "-" / "." / "_" / "~" / "+" / "/" ) *"=" */
static bool token_valid(struct slice token)
{
    static const char marks[] = "-._~+/";
    size_t length = token.length;

    while (length > 0 && token.data[length - 1] == '=')
        length--;
    for (size_t i = 0; i < length; i++) {
        char c = token.data[i];

        if (!((c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') ||
              (c != '\0' && strchr(marks, c))))
            return false;
    }
    return length > 0 && token.length <= CLIENT_TOKEN_MAXIMUM_BYTES;
}

void client_token_wipe(struct client_token *token)
{
    if (!token)
        return;
    if (token->text)
        explicit_bzero(token->text, token->length);
    free(token->text);
    *token = (struct client_token){0};
}

/* How a source writes a token. */
enum encoding { ENCODING_NONE, ENCODING_JSON };

static enum status decode(struct slice raw, enum encoding encoding, char *out, size_t *ret_length)
{
    if (encoding == ENCODING_JSON)
        return json_scan_string(raw, out, raw.length, ret_length);
    if (raw.length > 0)
        memcpy(out, raw.data, raw.length);
    *ret_length = raw.length;
    return STATUS_OK;
}

/* The one place that copies a token. An encoded token may be a little longer than the decoded one. */
static enum status copy_token(struct slice raw, enum encoding encoding, struct client_token *ret_token)
{
    struct client_token token = {.length = raw.length + 1};
    size_t length = 0;

    if (raw.length == 0 || raw.length > CLIENT_TOKEN_MAXIMUM_BYTES * (encoding == ENCODING_NONE ? 1 : 2))
        return STATUS_AUTH_INVALID;
    token.text = malloc(raw.length + 1);
    if (!token.text)
        return STATUS_NO_MEMORY;
    if (decode(raw, encoding, token.text, &length) != STATUS_OK ||
        !token_valid(slice_make(token.text, length))) {
        client_token_wipe(&token);
        return STATUS_AUTH_INVALID;
    }
    explicit_bzero(token.text + length, raw.length + 1 - length);
    token.length = length;
    *ret_token = token;
    return STATUS_OK;
}

/* Finds both names in one walk. If a name appears twice, the whole object is rejected. */
static enum status find_members(struct slice auth, struct slice *ret_token, struct slice *ret_header)
{
    struct json_scan_walk walk;
    struct slice key;
    struct slice value;

    if (json_scan_walk_start(&walk, auth) != STATUS_OK || !walk.object)
        return STATUS_AUTH_INVALID;
    while (json_scan_walk_next(&walk, &key, &value) == STATUS_OK) {
        struct slice *found = NULL;

        if (json_scan_string_equal(key, "token"))
            found = ret_token;
        else if (json_scan_string_equal(key, "x-auth-token"))
            found = ret_header;
        if (!found)
            continue;
        if (found->length > 0)
            return STATUS_AUTH_INVALID;
        *found = value;
    }
    return STATUS_OK;
}

enum status client_token_from_auth(struct slice auth, struct client_token *ret_token)
{
    struct slice token = {0};
    struct slice header = {0};
    enum status status;

    if (auth.length == 0)
        return STATUS_NOT_FOUND;
    if (auth.length > CLIENT_TOKEN_AUTH_MAXIMUM_BYTES || json_scan_check(auth, AUTH_VALUES) != STATUS_OK)
        return STATUS_AUTH_INVALID;
    status = find_members(auth, &token, &header);
    if (status != STATUS_OK)
        return status;
    if (token.length == 0)
        token = header;
    if (token.length == 0)
        return STATUS_NOT_FOUND;
    if (json_scan_kind(token) != JSON_SCAN_STRING)
        return STATUS_AUTH_INVALID;
    return copy_token(token, ENCODING_JSON, ret_token);
}

enum status client_token_from_authorization(struct slice value, struct client_token *ret_token)
{
    static const char scheme[] = "Bearer";
    const size_t length = sizeof(scheme) - 1;

    value = json_scan_trim(value);
    if (value.length < length || strncasecmp(value.data, scheme, length) != 0 ||
        (value.length > length && value.data[length] != ' '))
        return STATUS_NOT_FOUND;
    value = json_scan_trim(slice_make(value.data + length, value.length - length));
    return copy_token(value, ENCODING_NONE, ret_token);
}

enum status client_token_from_value(struct slice value, struct client_token *ret_token)
{
    return copy_token(value, ENCODING_NONE, ret_token);
}
