/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * Reads the token of a connecting client from the places where it may stand: Socket.IO CONNECT auth `token`,
 * then `x-auth-token`; `Authorization: Bearer`; query `token`. A token holds only the characters of a bearer
 * token (RFC 6750 section 2.1). Pure; any thread.
 *
 * Memory and secrecy: the token is an owned copy of at most CLIENT_TOKEN_MAXIMUM_BYTES, made without further
 * copies on the heap. client_token_wipe overwrites and frees it. Nothing here keeps, logs or repeats a token.
 */
#ifndef POLLEN8_GATEWAY_TEXT_CLIENT_TOKEN_H
#define POLLEN8_GATEWAY_TEXT_CLIENT_TOKEN_H

#include "common/slice.h"
#include "common/status.h"

#define CLIENT_TOKEN_MAXIMUM_BYTES      8192
#define CLIENT_TOKEN_AUTH_MAXIMUM_BYTES 16384 /* the auth object as a whole */

/* Zero it to start. */
struct client_token {
    char *text;    /* owned, NUL-terminated; NULL: none */
    size_t length; /* bytes */
};

/* From the JSON text of the CONNECT packet, or of the first message's data on /ws; or from the header's
 * value. STATUS_NOT_FOUND if there is no token. STATUS_AUTH_INVALID if it is not a string, is empty, too
 * long, given twice or has characters that no token has, or if `auth` is not a JSON object.
 * STATUS_NO_MEMORY. */
enum status client_token_from_auth(struct slice auth, struct client_token *ret_token);
enum status client_token_from_authorization(struct slice value, struct client_token *ret_token);

/* From a value that the caller has already cut out and decoded: the query's. Never STATUS_NOT_FOUND. */
enum status client_token_from_value(struct slice value, struct client_token *ret_token);

/* Overwrites and frees; the token is empty afterwards. NULL is accepted. */
void client_token_wipe(struct client_token *token);

#endif
