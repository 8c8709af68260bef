/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * bytes -> wire walk (strings, structure) -> protobuf-c into the arena -> message.
 *
 * protobuf-c hands strings out as char * and so loses their length: an embedded NUL would silently cut a
 * value. Therefore the bytes are walked once before unpacking, along the descriptor: every field that the
 * schema calls a string is checked while its length is still known, messages inside are walked likewise, and
 * fields the schema does not know are stepped over. The walk recurses only along the schema, in which no
 * message contains itself, so its depth (and protobuf-c's) is bounded by the schema.
 *
 * Not checked here: values of enums (a newer sender may use one unknown to us) and lengths of strings.
 */
#include "common/wire.h"

#include <stdalign.h>
#include <stdint.h>
#include <stdlib.h>

#include "common/check.h"
#include "common/utf8.h"

#define ARENA_SLACK_BYTES  (64 * 1024)
#define ARENA_PER_BYTE     16
#define CHUNK_FIRST_BYTES  4096
#define CHUNK_LARGEST_KEPT (256 * 1024)
/* Messages hold pointers, 64-bit integers and doubles at most. */
#define ARENA_ALIGNMENT 8

struct wire_chunk {
    struct wire_chunk *next;
    size_t size; /* bytes of data */
    size_t used;
    alignas(ARENA_ALIGNMENT) unsigned char data[];
};

/* ---- arena: bump allocation, freed in one step ---- */

static struct wire_chunk *add_chunk(struct wire_arena *arena, size_t needed)
{
    size_t size = arena->chunks ? arena->chunks->size * 2 : CHUNK_FIRST_BYTES;
    if (size > CHUNK_LARGEST_KEPT)
        size = CHUNK_LARGEST_KEPT;
    if (size < needed)
        size = needed;
    struct wire_chunk *chunk = malloc(sizeof(*chunk) + size);
    if (!chunk)
        return NULL;
    *chunk = (struct wire_chunk){.next = arena->chunks, .size = size};
    arena->chunks = chunk;
    return chunk;
}

/* protobuf-c's allocation hook. A failure sets the limit to 0: nothing more is allocated for a message that
 * is already lost. protobuf-c does not tell a failed allocation from a malformed message. */
static void *arena_allocate(void *data, size_t size)
{
    struct wire_arena *arena = data;
    struct wire_chunk *chunk = arena->chunks;
    void *memory = NULL;
    if (size <= arena->limit) {
        size = (size + ARENA_ALIGNMENT - 1) / ARENA_ALIGNMENT * ARENA_ALIGNMENT;
        if (size <= arena->limit - arena->allocated) {
            if (!chunk || chunk->size - chunk->used < size)
                chunk = add_chunk(arena, size);
            if (chunk) {
                memory = chunk->data + chunk->used;
                chunk->used += size;
                arena->allocated += size;
                return memory;
            }
            arena->out_of_memory = true;
        }
    }
    arena->allocated = 0;
    arena->limit = 0;
    return NULL;
}

static void arena_free(void *data, void *memory)
{
    (void)data;
    (void)memory; /* freed with the whole arena */
}

static void free_chunks(struct wire_chunk *chunk)
{
    while (chunk) {
        struct wire_chunk *next = chunk->next;
        free(chunk);
        chunk = next;
    }
}

void wire_arena_reset(struct wire_arena *arena)
{
    struct wire_chunk *kept = arena->chunks;
    arena->allocated = 0;
    arena->limit = 0;
    arena->out_of_memory = false;
    if (!kept)
        return;
    free_chunks(kept->next); /* the newest is the largest, except for outsized ones */
    kept->next = NULL;
    kept->used = 0;
    if (kept->size > CHUNK_LARGEST_KEPT) {
        free(kept);
        arena->chunks = NULL;
    }
}

void wire_arena_done(struct wire_arena *arena)
{
    free_chunks(arena->chunks);
    *arena = (struct wire_arena){0};
}

/* ---- the wire walk ---- */

/* Takes a base-128 number of at most `maximum` bytes off the front of *rest. */
static bool take_varint(struct slice *rest, size_t maximum, uint64_t *ret_value)
{
    uint64_t value = 0;
    for (size_t i = 0; i < maximum && i < rest->length; i++) {
        unsigned char byte = (unsigned char)rest->data[i];
        value |= (uint64_t)(byte & 0x7f) << (7 * i);
        if (byte < 0x80) {
            *rest = slice_make(rest->data + i + 1, rest->length - i - 1);
            *ret_value = value;
            return true;
        }
    }
    return false;
}

static bool take_bytes(struct slice *rest, uint64_t length, struct slice *ret_bytes)
{
    if (length > rest->length)
        return false;
    *ret_bytes = slice_make(rest->data, (size_t)length);
    *rest = slice_make(rest->data + length, rest->length - (size_t)length);
    return true;
}

static bool text_acceptable(struct slice text)
{
    return utf8_valid(text) && (text.length == 0 || !memchr(text.data, '\0', text.length));
}

static bool message_acceptable(const ProtobufCMessageDescriptor *descriptor, struct slice bytes);

static bool value_acceptable(const ProtobufCMessageDescriptor *descriptor, unsigned number,
                             struct slice value)
{
    const ProtobufCFieldDescriptor *field = protobuf_c_message_descriptor_get_field(descriptor, number);
    if (field && field->type == PROTOBUF_C_TYPE_STRING)
        return text_acceptable(value);
    if (field && field->type == PROTOBUF_C_TYPE_MESSAGE)
        return message_acceptable(field->descriptor, value);
    return true; /* bytes, packed numbers, or a field of a newer schema */
}

static bool take_field(const ProtobufCMessageDescriptor *descriptor, struct slice *rest)
{
    uint64_t tag;
    if (!take_varint(rest, 5, &tag) || tag > UINT32_MAX || tag < 8)
        return false;
    uint64_t number;
    struct slice value;
    switch (tag & 7) {
    case PROTOBUF_C_WIRE_TYPE_VARINT: return take_varint(rest, 10, &number);
    case PROTOBUF_C_WIRE_TYPE_64BIT: return take_bytes(rest, 8, &value);
    case PROTOBUF_C_WIRE_TYPE_32BIT: return take_bytes(rest, 4, &value);
    case PROTOBUF_C_WIRE_TYPE_LENGTH_PREFIXED:
        return take_varint(rest, 5, &number) && take_bytes(rest, number, &value) &&
               value_acceptable(descriptor, (unsigned)(tag >> 3), value);
    default: return false; /* groups are not part of proto3 */
    }
}

static bool message_acceptable(const ProtobufCMessageDescriptor *descriptor, struct slice bytes)
{
    while (bytes.length > 0) {
        if (!take_field(descriptor, &bytes))
            return false;
    }
    return true;
}

/* ---- the two verbs ---- */

enum status wire_unpack(struct wire_arena *arena, const ProtobufCMessageDescriptor *descriptor,
                        struct slice bytes, const ProtobufCMessage **ret_message)
{
    ProtobufCAllocator allocator = {.alloc = arena_allocate, .free = arena_free, .allocator_data = arena};
    wire_arena_reset(arena);
    if (bytes.length > WIRE_MAXIMUM_BYTES)
        return STATUS_PAYLOAD_TOO_LARGE;
    if (!message_acceptable(descriptor, bytes))
        return STATUS_MALFORMED;
    arena->limit = bytes.length * ARENA_PER_BYTE + ARENA_SLACK_BYTES;
    const ProtobufCMessage *message = protobuf_c_message_unpack(
        descriptor, &allocator, bytes.length, (const uint8_t *)(bytes.length ? bytes.data : ""));
    if (arena->out_of_memory)
        return STATUS_NO_MEMORY;
    if (!message || arena->limit == 0)
        return STATUS_MALFORMED;
    *ret_message = message;
    return STATUS_OK;
}

enum status wire_pack(struct buf *buf, const ProtobufCMessage *message)
{
    size_t size = protobuf_c_message_get_packed_size(message);
    enum status status = buf_reserve(buf, size);
    if (status != STATUS_OK || size == 0)
        return status;
    CHECK(protobuf_c_message_pack(message, (uint8_t *)buf->data + buf->length) == size);
    buf->length += size;
    buf->data[buf->length] = '\0';
    return STATUS_OK;
}

/* ---- fields appended by hand ---- */

#define VARINT_MAXIMUM 10
#define TYPE_VARINT    0
#define TYPE_BYTES     2

static size_t write_varint(char *out, uint64_t value)
{
    size_t length = 0;
    for (; value >= 0x80; value >>= 7)
        out[length++] = (char)(value | 0x80);
    out[length++] = (char)value;
    return length;
}

enum status wire_append_integer(struct buf *buf, unsigned field, uint64_t value)
{
    char text[2 * VARINT_MAXIMUM];
    size_t length = write_varint(text, (uint64_t)field << 3 | TYPE_VARINT);
    length += write_varint(text + length, value);
    return buf_append(buf, text, length);
}

enum status wire_append_bytes(struct buf *buf, unsigned field, struct slice bytes)
{
    char text[2 * VARINT_MAXIMUM];
    size_t length = write_varint(text, (uint64_t)field << 3 | TYPE_BYTES);
    length += write_varint(text + length, bytes.length);
    enum status status = buf_reserve(buf, length + bytes.length);
    if (status == STATUS_OK)
        status = buf_append(buf, text, length);
    return status == STATUS_OK ? buf_append(buf, bytes.data, bytes.length) : status;
}
