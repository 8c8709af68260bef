/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * Engine.IO session ids:
 *
 *   <20 characters>.<gateway name>
 *
 * The characters are base64url of the session's place in its gateway's table and 88 random bits. So nobody
 * can guess an id, and the gateway finds the session without an extra table. The name tells every other
 * gateway which gateway owns the session. Pure, except for the random bits; any thread.
 */
#ifndef POLLEN8_GATEWAY_TEXT_SID_H
#define POLLEN8_GATEWAY_TEXT_SID_H

#include <stdbool.h>
#include <stdint.h>

#include "common/slice.h"
#include "common/status.h"

#define SID_KEY_SIZE        21 /* the characters in front of the name, and a NUL */
#define SID_GATEWAY_MAXIMUM 32
#define SID_SIZE            (SID_KEY_SIZE + 1 + SID_GATEWAY_MAXIMUM)

struct sid {
    struct slice text;    /* borrowed; all of it */
    struct slice key;     /* in front of the name */
    struct slice gateway; /* one token of a subject */
    uint32_t place;
};

/* A new key, NUL-terminated. */
void sid_make_key(uint32_t place, char out[SID_KEY_SIZE]);

/* The whole id of a key, NUL-terminated. `gateway` has at most SID_GATEWAY_MAXIMUM characters. */
void sid_write(char out[SID_SIZE], const char *key, const char *gateway);

/* STATUS_MALFORMED: no gateway made this id. */
enum status sid_read(struct slice text, struct sid *ret_sid);

/* Whether both are the same key. The time taken depends only on the length. */
bool sid_key_equal(const char *key, struct slice other);

#endif
