/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * The keys that may have signed a token: one HS256 secret and a folder of public keys. Each key has exactly
 * one algorithm. That prevents key confusion: a token's `alg` chooses among keys, never what is done with
 * one. A set is immutable; a reload makes a new one. Any thread.
 */
#ifndef POLLEN8_AUTH_SVC_TOKEN_KEYS_H
#define POLLEN8_AUTH_SVC_TOKEN_KEYS_H

#include <stdbool.h>

#include "common/slice.h"
#include "common/status.h"

#define KEYS_SECRET_MINIMUM_BYTES 32
#define KEYS_MAXIMUM              64 /* public keys in one folder */
#define KEYS_FILE_MAXIMUM_BYTES   (16 * 1024)

enum key_algorithm { KEY_HS256, KEY_RS256, KEY_ES256 };

struct key {
    enum key_algorithm algorithm;
    char *id;             /* owned; file name without .pem; NULL for the secret */
    unsigned char *bytes; /* owned; the secret, or PEM text with a NUL past its end */
    size_t length;
};

struct keys; /* opaque */

/* `secret` and `folder` may be NULL or empty, not both. STATUS_MALFORMED with one line in `error` (which
 * file and why; never a byte of a key) for a short secret, an unreadable folder, or a file that is not a
 * public key of RSA >= 2048 bits or P-256; STATUS_NO_MEMORY. */
enum status keys_create(const char *secret, const char *folder, struct keys **ret_keys, char *error,
                        size_t error_size);

/* Wipes and frees. NULL is accepted. */
void keys_free(struct keys *keys);

size_t keys_count(const struct keys *keys);

/* Whether the secret is the only key: then a signature is checked in microseconds. */
bool keys_secret_alone(const struct keys *keys);

/* The key for a token: the secret for HS256 (`id` is ignored); else the key of that id and algorithm, or
 * without an id (NULL data) the only one of that algorithm. NULL if there is none. Borrowed. */
const struct key *keys_find(const struct keys *keys, enum key_algorithm algorithm, struct slice id);

#endif
