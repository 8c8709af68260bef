/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * Finds the token of a connecting client. First found wins: Socket.IO CONNECT auth `token`, then
 * `x-auth-token`; `Authorization: Bearer`; query `token`. Only the characters of a bearer token (RFC 6750
 * section 2.1) can be one. Pure; any thread.
 *
 * Memory and secrecy: the token is an owned copy of at most HANDSHAKE_TOKEN_MAXIMUM_BYTES, made without
 * copies elsewhere on the heap; handshake_token_wipe overwrites and frees it. Nothing here keeps, logs or
 * repeats one.
 */
#ifndef POLLEN8_GATEWAY_HANDSHAKE_H
#define POLLEN8_GATEWAY_HANDSHAKE_H

#include "../common/slice.h"
#include "../common/status.h"

#define HANDSHAKE_TOKEN_MAXIMUM_BYTES 8192
#define HANDSHAKE_AUTH_MAXIMUM_BYTES  16384 /* the auth object as a whole */

/* Zero it to start. */
struct handshake_token {
    char *text;    /* owned, NUL-terminated; NULL: none */
    size_t length; /* bytes */
};

/* Where a token may stand; an empty slice: there is nothing. */
struct handshake_source {
    struct slice auth; /* the JSON text of the CONNECT packet, or of the first message's data on /ws */
    struct slice authorization; /* the header's value */
    struct slice query;         /* the raw query string, without '?', still percent-encoded */
};

/* STATUS_AUTH_REQUIRED where no source has one; STATUS_AUTH_INVALID where the first found is no string, is
 * empty, too long, given twice or has characters that no token has, or `auth` is no JSON object;
 * STATUS_NO_MEMORY. */
enum status handshake_token_find(const struct handshake_source *source, struct handshake_token *ret_token);

/* The single sources, with STATUS_NOT_FOUND where there is none. */
enum status handshake_token_from_auth(struct slice auth, struct handshake_token *ret_token);
enum status handshake_token_from_authorization(struct slice value, struct handshake_token *ret_token);
enum status handshake_token_from_query(struct slice query, struct handshake_token *ret_token);

/* A value that somebody else has cut out and decoded already. */
enum status handshake_token_from_value(struct slice value, struct handshake_token *ret_token);

/* Overwrites and frees; the token is empty afterwards. NULL is accepted. */
void handshake_token_wipe(struct handshake_token *token);

#endif
