/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * The binary parts of one event or answer. In the data, the object {"_placeholder":true,"num":n} marks the
 * place of part n, as on Socket.IO's wire; services and `/ws` use the same form. Pure; any thread.
 */
#ifndef POLLEN8_GATEWAY_CODEC_ATTACHMENTS_H
#define POLLEN8_GATEWAY_CODEC_ATTACHMENTS_H

#include "common/slice.h"
#include "common/status.h"
#include "common/wire.h"

#define ATTACHMENTS_MAXIMUM 10

struct attachments {
    size_t count;
    struct slice list[ATTACHMENTS_MAXIMUM]; /* borrowed, or into the same allocation */
};

/* One allocation, released with free(). STATUS_NO_MEMORY. */
enum status attachments_copy(const struct attachments *attachments, struct attachments **ret_copy);

/* NULL means none. */
static inline size_t attachments_count(const struct attachments *attachments)
{
    return attachments ? attachments->count : 0;
}

/* As a repeated field of a message that will be packed, in the caller's room for it; returns how many. */
size_t attachments_borrow(const struct attachments *attachments,
                          ProtobufCBinaryData out[ATTACHMENTS_MAXIMUM]);

#endif
