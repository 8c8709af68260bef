/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * Who a session is, as stated by auth-svc: checked, immutable and in one allocation, so that sessions of one
 * user share it. `message` points into the same allocation and can be packed as it is.
 *
 * Made on the bus's delivery thread or on the loop; references are counted on the loop thread only.
 *
 * Memory: 96 bytes, a pointer for each industry and permission, and the texts.
 */
#ifndef POLLEN8_GATEWAY_SESSION_IDENTITY_H
#define POLLEN8_GATEWAY_SESSION_IDENTITY_H

#include <stdbool.h>
#include <stdint.h>

#include "identity.pb-c.h"

#include "common/slice.h"
#include "common/status.h"

#define IDENTITY_PERMISSIONS_MAXIMUM 256

struct identity {
    uint32_t references;
    uint32_t text_length;
    bool unlimited; /* `rate:none`: no event rate */
    Pollen8__Identity message;
    char *strings[]; /* industries, permissions, then their text */
};
_Static_assert(sizeof(struct identity) <= 96, "stated above");

/* A checked copy; STATUS_MALFORMED if user id, role or lists break their bounds. */
enum status identity_create(const Pollen8__Identity *message, struct identity **ret_identity);
struct identity *identity_ref(struct identity *identity);
void identity_unref(struct identity *identity); /* NULL is accepted */

/* Whether both are the same in every field. */
bool identity_equal(const struct identity *a, const struct identity *b);

/* When it expires, on the monotonic clock of `now_ms`; 0: never. STATUS_AUTH_EXPIRED if it has expired. */
enum status identity_deadline(const struct identity *identity, uint64_t now_ms, uint64_t *ret_deadline_ms);

/* Whether the normalised industry is one of the user's own. */
bool identity_has_industry(const struct identity *identity, struct slice industry);

static inline struct slice identity_user(const struct identity *identity)
{
    return slice_from_string(identity->message.user_id);
}

#endif
