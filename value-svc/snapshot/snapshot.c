/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * Writing: pieces of users' keys, packed one behind the other -> a chunk when it is full. A SnapshotChunk is
 * the concatenation of its parts, as every protobuf message is. Reading: chunk -> pieces, as they come.
 */
#include "snapshot/snapshot.h"

#include <stdlib.h>
#include <string.h>

#include "common/base64url.h"
#include "common/bus/bus_stream.h"
#include "common/bus/subject.h"
#include "common/log.h"
#include "common/names.h"
#include "common/rng.h"
#include "common/wire.h"
#include "snapshot.pb-c.h"

#define ID_BYTES      12
#define CHUNK_LARGEST (512 * 1024)

struct snapshot_writer {
    struct bus *bus;
    struct snapshot_body body;
    char subject[SUBJECT_SIZE];
    size_t chunk_bytes; /* a chunk is sent when it has as many */
    struct buf chunk;
};

/* ---- writing ----------------------------------------------------------------------------------------- */

enum status snapshot_writer_create(struct bus *bus, struct snapshot_writer **ret_writer)
{
    struct snapshot_writer *writer = calloc(1, sizeof(*writer));
    int64_t payload = bus_maximum_payload(bus);
    if (!writer)
        return STATUS_NO_MEMORY;
    writer->bus = bus;
    rng_id(writer->body.id, ID_BYTES);
    subject_make(writer->subject, SUBJECT_CHUNK, slice_from_string(writer->body.id));
    writer->chunk_bytes = payload / 2 < CHUNK_LARGEST ? (size_t)payload / 2 : CHUNK_LARGEST;
    buf_init(&writer->chunk, 2 * writer->chunk_bytes);
    *ret_writer = writer;
    return STATUS_OK;
}

void snapshot_writer_free(struct snapshot_writer *writer)
{
    if (!writer)
        return;
    buf_done(&writer->chunk);
    free(writer);
}

static enum status send_chunk(struct snapshot_writer *writer)
{
    Pollen8__SnapshotChunk head = POLLEN8__SNAPSHOT_CHUNK__INIT;
    head.snapshot = writer->body.id;
    head.index = writer->body.chunks;
    enum status status = wire_pack(&writer->chunk, &head.base);
    uint64_t sequence = 0;
    char error[128] = "";
    if (status == STATUS_OK)
        status = bus_store(writer->bus, writer->subject, NULL, buf_slice(&writer->chunk), &sequence, error,
                           sizeof(error));
    if (error[0] != '\0')
        log_event_limited(LOG_WARN, "the broker does not store the snapshot", LOG_S("error", error));
    if (status != STATUS_OK)
        return status;
    if (writer->body.chunks++ == 0)
        writer->body.first_sequence = sequence;
    writer->body.bytes += writer->chunk.length;
    writer->body.checksum = hash64(writer->chunk.data, writer->chunk.length, writer->body.checksum);
    buf_clear(&writer->chunk);
    return STATUS_OK;
}

/* As many items from *at on as fit into the chunk, at least one field or entry. */
static enum status write_part(struct snapshot_writer *writer, const struct store_piece *piece, size_t *at)
{
    Pollen8__SnapshotKey key = POLLEN8__SNAPSHOT_KEY__INIT;
    Pollen8__SnapshotKey *keys[] = {&key};
    size_t room = writer->chunk_bytes - writer->chunk.length;
    ProtobufCBinaryData *items = calloc(piece->count - *at + 1, sizeof(*items));
    if (!items)
        return STATUS_NO_MEMORY;
    key.first = piece->first && *at == 0;
    size_t bytes = 0;
    while (*at < piece->count && bytes < room) {
        size_t unit = store_piece_unit(piece->type, piece->items + *at, piece->count - *at);
        for (size_t end = *at + (unit ? unit : piece->count - *at); *at < end; (*at)++) {
            struct slice item = piece->items[*at];
            items[key.n_items++] =
                (ProtobufCBinaryData){.len = item.length, .data = (uint8_t *)(uintptr_t)item.data};
            bytes += item.length + 5;
        }
    }
    key.user = (char *)(uintptr_t)piece->user;
    key.suffix = (char *)(uintptr_t)piece->suffix.data; /* texts of the program */
    key.type = (char *)(uintptr_t)piece->type.data;
    key.expires_at_ms = piece->expires_at_ms;
    key.items = items;
    key.last = piece->last && *at == piece->count;
    Pollen8__SnapshotChunk part = POLLEN8__SNAPSHOT_CHUNK__INIT;
    part.keys = keys;
    part.n_keys = 1;
    enum status status = wire_pack(&writer->chunk, &part.base);
    free(items);
    return status;
}

enum status snapshot_write(void *context, const struct store_piece *piece)
{
    struct snapshot_writer *writer = context;
    enum status status = STATUS_OK;
    size_t at = 0;
    do {
        status = write_part(writer, piece, &at);
        if (status == STATUS_OK && writer->chunk.length >= writer->chunk_bytes)
            status = send_chunk(writer);
    } while (status == STATUS_OK && at < piece->count);
    writer->body.users += piece->last;
    return status;
}

enum status snapshot_writer_finish(struct snapshot_writer *writer, struct snapshot_body *ret_body)
{
    enum status status = writer->chunk.length > 0 ? send_chunk(writer) : STATUS_OK;
    if (status == STATUS_OK)
        *ret_body = writer->body;
    return status;
}

void snapshot_writer_discard(struct snapshot_writer *writer)
{
    bus_stream_purge(writer->bus, STREAM_SNAPSHOT, writer->subject, 0);
}

/* ---- reading ----------------------------------------------------------------------------------------- */

#define FETCH_MAXIMUM 4
#define FETCH_WAIT_MS 2000
#define ACK_WAIT_MS   60000

#define CARRY_ITEMS   128
#define CARRY_BYTES   (2 * CHUNK_LARGEST)
#define SUFFIX_SIZE   32

/* The user that is being read. Older versions cut keys anywhere: if a field or entry continues in the next
 * piece, its beginning is carried over. */
struct part {
    bool open;  /* its last piece has not arrived */
    bool fresh; /* nothing of it was given */
    char user[STORE_USER_SIZE];
    char suffix[SUFFIX_SIZE]; /* of the last piece */
    uint32_t chunk;           /* in which it began */
    size_t carried;
    size_t lengths[CARRY_ITEMS];
    struct buf bytes;
    struct slice *items; /* of one piece, with what was carried */
    size_t room;
};

struct snapshot_reader {
    const struct snapshot_body *body;
    struct bus_consumer *consumer;
    struct bus_batch *batch; /* NULL: to be fetched */
    size_t at;               /* in the batch */
    uint32_t first;
    uint32_t next; /* the chunk expected */
    uint64_t checksum;
    struct wire_arena arena;
    struct part part;
};

enum status snapshot_reader_create(struct bus *bus, const struct snapshot_body *body, uint32_t chunk,
                                   struct snapshot_reader **ret_reader)
{
    struct snapshot_reader *reader = calloc(1, sizeof(*reader));
    char subject[SUBJECT_SIZE];
    struct bus_consumer_options options = {.stream = STREAM_SNAPSHOT,
                                           .filter = subject,
                                           .ack_wait_ms = ACK_WAIT_MS,
                                           .maximum_ack_pending = 64,
                                           .start_sequence = body->first_sequence + chunk};
    if (!reader)
        return STATUS_NO_MEMORY;
    reader->body = body;
    reader->first = chunk;
    reader->next = chunk;
    buf_init(&reader->part.bytes, CARRY_BYTES);
    enum status status = STATUS_OK;
    if (subject_make(subject, SUBJECT_CHUNK, slice_from_string(body->id)) != STATUS_OK)
        status = STATUS_MALFORMED;
    else if (chunk < body->chunks)
        status = bus_consumer_create(bus, &options, &reader->consumer, NULL, 0);
    if (status != STATUS_OK) {
        snapshot_reader_free(reader);
        return status;
    }
    *ret_reader = reader;
    return STATUS_OK;
}

void snapshot_reader_free(struct snapshot_reader *reader)
{
    if (!reader)
        return;
    bus_batch_free(reader->batch);
    bus_consumer_free(reader->consumer);
    wire_arena_done(&reader->arena);
    buf_done(&reader->part.bytes);
    free(reader->part.items);
    free(reader);
}

/* A user's first piece, or one that continues it. */
static enum status take_head(struct part *part, const Pollen8__SnapshotKey *piece, uint32_t chunk)
{
    if (piece->first == part->open || strlen(piece->suffix) >= sizeof(part->suffix) ||
        strlen(piece->user) >= sizeof(part->user))
        return STATUS_MALFORMED;
    if (piece->first) {
        part->open = part->fresh = true;
        part->chunk = chunk;
        memcpy(part->user, piece->user, strlen(piece->user) + 1);
    } else if (strcmp(part->user, piece->user) != 0) {
        return STATUS_MALFORMED;
    }
    if (part->carried > 0 && strcmp(part->suffix, piece->suffix) != 0)
        return STATUS_MALFORMED;
    memcpy(part->suffix, piece->suffix, strlen(piece->suffix) + 1);
    return STATUS_OK;
}

/* part->items: what was carried, then the piece's own. */
static enum status join(struct part *part, const Pollen8__SnapshotKey *piece, size_t *ret_count)
{
    const char *at = part->bytes.data;
    size_t count = part->carried + piece->n_items;
    if (count > part->room) {
        struct slice *items = realloc(part->items, count * sizeof(*items));
        if (!items)
            return STATUS_NO_MEMORY;
        part->items = items;
        part->room = count;
    }
    for (size_t i = 0; i < part->carried; i++) {
        part->items[i] = slice_make(at, part->lengths[i]);
        at += part->lengths[i];
    }
    for (size_t i = 0; i < piece->n_items; i++)
        part->items[part->carried + i] = slice_make(piece->items[i].data, piece->items[i].len);
    *ret_count = count;
    return STATUS_OK;
}

/* items[from..count) are carried: they may lie in what was carried so far. */
static enum status carry(struct part *part, size_t from, size_t count)
{
    if (count - from > CARRY_ITEMS)
        return STATUS_MALFORMED;
    struct buf bytes;
    buf_init(&bytes, CARRY_BYTES);
    enum status status = STATUS_OK;
    for (size_t i = from; i < count && status == STATUS_OK; i++) {
        part->lengths[i - from] = part->items[i].length;
        status = buf_append(&bytes, part->items[i].data, part->items[i].length);
    }
    buf_done(&part->bytes);
    part->bytes = bytes;
    part->carried = count - from;
    return status == STATUS_FULL ? STATUS_MALFORMED : status;
}

static enum status take_piece(struct part *part, const Pollen8__SnapshotKey *piece, uint32_t chunk,
                              store_piece_fn *each, void *context)
{
    struct store_piece whole = {.user = part->user,
                                .suffix = slice_from_string(part->suffix),
                                .type = slice_from_string(piece->type),
                                .expires_at_ms = piece->expires_at_ms,
                                .last = piece->last};
    enum status status = take_head(part, piece, chunk);
    size_t count = 0;
    if (status == STATUS_OK)
        status = join(part, piece, &count);
    if (status != STATUS_OK)
        return status;
    size_t unit;
    while ((unit = store_piece_unit(whole.type, part->items + whole.count, count - whole.count)) > 0)
        whole.count += unit;
    if (piece->last && whole.count < count)
        return STATUS_MALFORMED;
    whole.suffix = slice_from_string(part->suffix);
    whole.items = part->items;
    whole.first = part->fresh;
    if (each)
        status = each(context, &whole);
    part->fresh = false;
    part->open = !piece->last;
    return status == STATUS_OK ? carry(part, whole.count, count) : status;
}

static enum status take_chunk(struct snapshot_reader *reader, const Pollen8__SnapshotChunk *chunk,
                              store_piece_fn *each, void *context)
{
    struct part *part = &reader->part;
    enum status status = STATUS_OK;
    for (size_t i = 0; i < chunk->n_keys && status == STATUS_OK; i++) {
        const Pollen8__SnapshotKey *piece = chunk->keys[i];
        /* The rest of a user that began before the first chunk that is read. */
        if (!piece->first && !part->open && reader->next == reader->first && reader->first > 0)
            continue;
        status = take_piece(part, piece, chunk->index, each, context);
    }
    return status;
}

/* Waits for messages. The library may end a wait early, and a missing message never arrives. */
static enum status fetch_batch(struct snapshot_reader *reader)
{
    struct bus_consumer_state state;
    enum status status;
    do {
        status = bus_fetch(reader->consumer, FETCH_MAXIMUM, FETCH_WAIT_MS, &reader->batch);
        if (status != STATUS_TIMEOUT)
            break;
        status = bus_consumer_state(reader->consumer, &state);
        if (status == STATUS_OK && state.pending == 0 && state.ack_pending == 0)
            return STATUS_MALFORMED;
    } while (status == STATUS_OK);
    reader->at = 0;
    return status;
}

static enum status fetch(struct snapshot_reader *reader, struct bus_message *ret_message)
{
    if (reader->batch && reader->at == bus_batch_count(reader->batch)) {
        bus_batch_free(reader->batch);
        reader->batch = NULL;
    }
    enum status status = STATUS_OK;
    if (!reader->batch)
        status = fetch_batch(reader);
    if (status == STATUS_OK) {
        bus_batch_message(reader->batch, reader->at, ret_message);
        bus_batch_ack(reader->batch, reader->at++);
    }
    return status;
}

enum status snapshot_read(struct snapshot_reader *reader, store_piece_fn *each, void *context,
                          uint32_t *ret_next)
{
    if (reader->next >= reader->body->chunks) {
        bool whole = reader->first > 0 || reader->checksum == reader->body->checksum;
        return whole && !reader->part.open ? STATUS_NOT_FOUND : STATUS_MALFORMED;
    }
    struct bus_message message;
    enum status status = fetch(reader, &message);
    const ProtobufCMessage *unpacked = NULL;
    if (status == STATUS_OK)
        status = wire_unpack(&reader->arena, &pollen8__snapshot_chunk__descriptor, message.data, &unpacked);
    if (status != STATUS_OK)
        return status == STATUS_PAYLOAD_TOO_LARGE ? STATUS_MALFORMED : status;
    const Pollen8__SnapshotChunk *chunk = (const Pollen8__SnapshotChunk *)unpacked;
    if (strcmp(chunk->snapshot, reader->body->id) != 0 || chunk->index != reader->next)
        return STATUS_MALFORMED;
    reader->checksum = hash64(message.data.data, message.data.length, reader->checksum);
    status = take_chunk(reader, chunk, each, context);
    reader->next++;
    *ret_next = reader->part.open ? reader->part.chunk : reader->next;
    return status;
}
