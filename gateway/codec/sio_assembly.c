/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * Text, attachment, attachment ... -> one buffer, and where each ends.
 */
#include "codec/sio_assembly.h"

#include <stdlib.h>

#include "common/buf.h"
#include "common/check.h"

struct sio_assembly {
    struct buf bytes;
    size_t text_length;
    size_t wanted;
    size_t count;
    size_t ends[ATTACHMENTS_MAXIMUM];
};

enum status sio_assembly_create(struct slice text, size_t count, size_t maximum,
                                struct sio_assembly **ret_assembly)
{
    struct sio_assembly *assembly = calloc(1, sizeof(*assembly));

    CHECK(count > 0 && count <= ATTACHMENTS_MAXIMUM);
    if (!assembly)
        return STATUS_NO_MEMORY;
    buf_init(&assembly->bytes, text.length + maximum);
    assembly->text_length = text.length;
    assembly->wanted = count;
    if (buf_append(&assembly->bytes, text.data, text.length) != STATUS_OK) {
        free(assembly);
        return STATUS_NO_MEMORY;
    }
    *ret_assembly = assembly;
    return STATUS_OK;
}

void sio_assembly_free(struct sio_assembly *assembly)
{
    if (!assembly)
        return;
    buf_done(&assembly->bytes);
    free(assembly);
}

size_t sio_assembly_wanted(const struct sio_assembly *assembly)
{
    return assembly->wanted;
}

bool sio_assembly_complete(const struct sio_assembly *assembly)
{
    return assembly->count == assembly->wanted;
}

enum status sio_assembly_add(struct sio_assembly *assembly, struct slice bytes)
{
    enum status status;

    CHECK(!sio_assembly_complete(assembly));
    status = bytes.length > 0 ? buf_append(&assembly->bytes, bytes.data, bytes.length) : STATUS_OK;
    if (status == STATUS_OK)
        assembly->ends[assembly->count++] = assembly->bytes.length;
    return status;
}

struct slice sio_assembly_text(const struct sio_assembly *assembly)
{
    return slice_make(assembly->bytes.data, assembly->text_length);
}

struct attachments sio_assembly_attachments(const struct sio_assembly *assembly)
{
    struct attachments attachments = {.count = assembly->count};
    size_t start = assembly->text_length;

    for (size_t i = 0; i < assembly->count; i++) {
        attachments.list[i] = slice_make(assembly->bytes.data + start, assembly->ends[i] - start);
        start = assembly->ends[i];
    }
    return attachments;
}
