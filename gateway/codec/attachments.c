/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * Slices into a message that is about to be freed -> the list and the bytes behind it, in one allocation.
 */
#include "codec/attachments.h"

#include <stdlib.h>
#include <string.h>

static size_t total_bytes(const struct attachments *attachments)
{
    size_t bytes = 0;

    for (size_t i = 0; i < attachments_count(attachments); i++)
        bytes += attachments->list[i].length;
    return bytes;
}

enum status attachments_copy(const struct attachments *attachments, struct attachments **ret_copy)
{
    struct attachments *copy = malloc(sizeof(*copy) + total_bytes(attachments));
    char *at;

    if (!copy)
        return STATUS_NO_MEMORY;
    at = (char *)(copy + 1);
    *copy = (struct attachments){.count = attachments->count};
    for (size_t i = 0; i < attachments->count; i++) {
        struct slice part = attachments->list[i];

        if (part.length > 0)
            memcpy(at, part.data, part.length);
        copy->list[i] = slice_make(at, part.length);
        at += part.length;
    }
    *ret_copy = copy;
    return STATUS_OK;
}

size_t attachments_borrow(const struct attachments *attachments, ProtobufCBinaryData out[ATTACHMENTS_MAXIMUM])
{
    size_t count = attachments_count(attachments);
    for (size_t i = 0; i < count; i++)
        out[i] = wire_borrow(attachments->list[i]);
    return count;
}
