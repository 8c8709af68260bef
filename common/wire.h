/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * Packs and unpacks the protobuf messages with bounds: input length is capped before unpacking, memory comes
 * from one arena per message, and every string must be valid UTF-8 without NUL (the decoder checks neither).
 * Any thread.
 *
 *   struct wire_arena arena = {0};
 *   const ProtobufCMessage *message;
 *   if (wire_unpack(&arena, &pollen8__verify_request__descriptor, bytes, &message) == STATUS_OK) {
 *       const Pollen8__VerifyRequest *request = (const Pollen8__VerifyRequest *)message;
 *       ...
 *   }
 *   wire_arena_done(&arena);      // frees the message with everything in it
 *
 * The reader checks enum values and the lengths of strings.
 */
#ifndef POLLEN8_COMMON_WIRE_H
#define POLLEN8_COMMON_WIRE_H

#include <stdbool.h>

#include <protobuf-c/protobuf-c.h>

#include "common/buf.h"
#include "common/slice.h"
#include "common/status.h"

#define WIRE_MAXIMUM_BYTES (2 * 1024 * 1024)

/* Memory of one unpacked message. Zero it to start; unpacking the next message ends the one before and uses
 * its memory again (at most 256 KB of it is kept). */
struct wire_arena {
    struct wire_chunk *chunks; /* owned */
    size_t allocated;          /* bytes given to the message, bounded by 16 x the input + 64 KB */
    size_t limit;
    bool out_of_memory; /* the environment's fault, not the message's */
};

/* Ends the message and keeps the memory; wire_unpack starts with it. */
void wire_arena_reset(struct wire_arena *arena);
void wire_arena_done(struct wire_arena *arena);

/* STATUS_MALFORMED for anything that is not such a message, or is more than the arena's bound when unpacked;
 * STATUS_PAYLOAD_TOO_LARGE past WIRE_MAXIMUM_BYTES; STATUS_NO_MEMORY only when out of memory: the only one of
 * these for which another try can help. The message lives in the arena. */
enum status wire_unpack(struct wire_arena *arena, const ProtobufCMessageDescriptor *descriptor,
                        struct slice bytes, const ProtobufCMessage **ret_message);

/* Bytes as a field of a message that will be packed: packing only reads them. */
static inline ProtobufCBinaryData wire_borrow(struct slice bytes)
{
    return (ProtobufCBinaryData){.len = bytes.length, .data = (uint8_t *)(uintptr_t)bytes.data};
}

/* Appends the packed message. */
enum status wire_pack(struct buf *buf, const ProtobufCMessage *message);

/* Append one field to a packed message, without unpacking it: if a field occurs twice the later one holds, of
 * a repeated field both. `bytes` may be a packed message itself. */
enum status wire_append_integer(struct buf *buf, unsigned field, uint64_t value);
enum status wire_append_bytes(struct buf *buf, unsigned field, struct slice bytes);

#endif
