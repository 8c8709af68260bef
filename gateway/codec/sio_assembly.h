/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * A binary packet that is still arriving: its text, and then as many binary messages as the text announced.
 * Pure; any thread.
 *
 * Memory: one copy of the text and of the attachments, whose bytes together stay within `maximum`.
 */
#ifndef POLLEN8_GATEWAY_CODEC_SIO_ASSEMBLY_H
#define POLLEN8_GATEWAY_CODEC_SIO_ASSEMBLY_H

#include <stdbool.h>

#include "codec/attachments.h"

struct sio_assembly; /* opaque */

/* `text` is the packet's; sio_packet_decode reported that `count` messages (1 to ATTACHMENTS_MAXIMUM) follow.
 * STATUS_NO_MEMORY. */
enum status sio_assembly_create(struct slice text, size_t count, size_t maximum,
                                struct sio_assembly **ret_assembly);
void sio_assembly_free(struct sio_assembly *assembly); /* NULL is accepted */

/* Adds the next one; not to be called after the last. STATUS_FULL past the maximum, STATUS_NO_MEMORY. */
enum status sio_assembly_add(struct sio_assembly *assembly, struct slice bytes);

/* How many were announced. */
size_t sio_assembly_wanted(const struct sio_assembly *assembly);

bool sio_assembly_complete(const struct sio_assembly *assembly);

/* Both borrowed from the assembly. */
struct slice sio_assembly_text(const struct sio_assembly *assembly);
struct attachments sio_assembly_attachments(const struct sio_assembly *assembly);

#endif
