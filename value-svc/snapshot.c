/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * Writing: users -> pieces of keys, packed one behind the other -> a chunk when it is full. A SnapshotChunk
 * is the concatenation of its parts, as every protobuf message is.
 */
#include "snapshot.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base64url.h"
#include "common/bus_stream.h"
#include "common/names.h"
#include "common/rng.h"
#include "common/subject.h"
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

/* ---- Writing ----------------------------------------------------------------------------------------- */

enum status snapshot_writer_create(struct bus *bus, struct snapshot_writer **ret_writer)
{
    struct snapshot_writer *writer = calloc(1, sizeof *writer);
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
    uint64_t sequence = 0;
    enum status status;

    head.snapshot = writer->body.id;
    head.index = writer->body.chunks;
    status = wire_pack(&writer->chunk, &head.base);
    if (status == STATUS_OK)
        status = bus_store(writer->bus, writer->subject, NULL, buf_slice(&writer->chunk), &sequence, NULL, 0);
    if (status != STATUS_OK)
        return status;
    if (writer->body.chunks++ == 0)
        writer->body.first_sequence = sequence;
    writer->body.bytes += writer->chunk.length;
    writer->body.checksum = hash64(writer->chunk.data, writer->chunk.length, writer->body.checksum);
    buf_clear(&writer->chunk);
    return STATUS_OK;
}

/* One piece: as many items from *at on as the chunk has room for, one at least. */
static enum status write_piece(struct snapshot_writer *writer, const char *user, const struct store_key *key,
                               size_t *at, bool first, bool last)
{
    Pollen8__SnapshotKey piece = POLLEN8__SNAPSHOT_KEY__INIT;
    Pollen8__SnapshotKey *pieces[] = {&piece};
    Pollen8__SnapshotChunk part = POLLEN8__SNAPSHOT_CHUNK__INIT;
    size_t room = writer->chunk_bytes - writer->chunk.length;
    size_t count = 0;
    size_t bytes = 0;
    ProtobufCBinaryData *items = calloc(key->count - *at + 1, sizeof *items);
    enum status status;

    if (!items)
        return STATUS_NO_MEMORY;
    while (*at + count < key->count && (count == 0 || bytes < room)) {
        struct slice item = key->items[*at + count];

        items[count++] = (ProtobufCBinaryData){.len = item.length, .data = (uint8_t *)(uintptr_t)item.data};
        bytes += item.length + 5;
    }
    piece.first = first && *at == 0;
    *at += count;
    piece.user = (char *)(uintptr_t)user;
    piece.suffix = (char *)(uintptr_t)key->suffix.data; /* texts of the program */
    piece.type = (char *)(uintptr_t)key->type.data;
    piece.expires_at_ms = key->expires_at_ms;
    piece.items = items;
    piece.n_items = count;
    piece.last = last && *at == key->count;
    part.keys = pieces;
    part.n_keys = 1;
    status = wire_pack(&writer->chunk, &part.base);
    free(items);
    return status;
}

enum status snapshot_write_user(void *context, const char *user, const struct store_key *keys, size_t count)
{
    struct snapshot_writer *writer = context;
    enum status status = STATUS_OK;

    for (size_t i = 0; i < count && status == STATUS_OK; i++) {
        size_t at = 0;

        do {
            status = write_piece(writer, user, &keys[i], &at, i == 0, i + 1 == count);
            if (status == STATUS_OK && writer->chunk.length >= writer->chunk_bytes)
                status = send_chunk(writer);
        } while (status == STATUS_OK && at < keys[i].count);
    }
    writer->body.users++;
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

/* ---- Reading ----------------------------------------------------------------------------------------- */

#define FETCH_MAXIMUM 4
#define FETCH_WAIT_MS 2000
#define ACK_WAIT_MS   60000

/* The user whose pieces are being collected. */
struct part {
    char user[STORE_USER_SIZE];
    uint32_t chunk; /* in which it began */
    size_t key_count;
    struct store_key keys[STORE_USER_KEYS];
    struct buf texts[STORE_USER_KEYS];    /* suffix, type and items of each, with offsets for pointers */
    struct slice *items[STORE_USER_KEYS]; /* made when it is whole */
    size_t *lengths[STORE_USER_KEYS];
    size_t room[STORE_USER_KEYS];
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
    struct snapshot_reader *reader = calloc(1, sizeof *reader);
    char subject[SUBJECT_SIZE];
    struct bus_consumer_options options = {.stream = STREAM_SNAPSHOT,
                                           .filter = subject,
                                           .ack_wait_ms = ACK_WAIT_MS,
                                           .maximum_ack_pending = 64,
                                           .start_sequence = body->first_sequence + chunk};
    enum status status = STATUS_OK;

    if (!reader)
        return STATUS_NO_MEMORY;
    reader->body = body;
    reader->first = chunk;
    reader->next = chunk;
    for (size_t i = 0; i < STORE_USER_KEYS; i++)
        buf_init(&reader->part.texts[i], SIZE_MAX / 2);
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
    for (size_t i = 0; i < STORE_USER_KEYS; i++) {
        buf_done(&reader->part.texts[i]);
        free(reader->part.items[i]);
        free(reader->part.lengths[i]);
    }
    free(reader);
}

/* Starts a key, or goes on with the last one where the piece is of the same. */
static enum status take_head(struct part *part, const Pollen8__SnapshotKey *piece)
{
    size_t i = part->key_count;
    enum status status;

    if (i > 0 && strcmp(part->texts[i - 1].data, piece->suffix) == 0)
        return STATUS_OK;
    if (i == STORE_USER_KEYS)
        return STATUS_MALFORMED;
    buf_clear(&part->texts[i]);
    part->keys[i] = (struct store_key){.expires_at_ms = piece->expires_at_ms};
    part->key_count++;
    status = buf_append(&part->texts[i], piece->suffix, strlen(piece->suffix) + 1);
    return status == STATUS_OK ? buf_append(&part->texts[i], piece->type, strlen(piece->type) + 1) : status;
}

static enum status make_room(struct part *part, size_t index, size_t count)
{
    size_t room = part->room[index] ? part->room[index] : 64;
    size_t *lengths;
    struct slice *items;

    while (room < count)
        room *= 2;
    if (room == part->room[index])
        return STATUS_OK;
    lengths = realloc(part->lengths[index], room * sizeof *lengths);
    if (!lengths)
        return STATUS_NO_MEMORY;
    part->lengths[index] = lengths;
    items = realloc(part->items[index], room * sizeof *items);
    if (!items)
        return STATUS_NO_MEMORY;
    part->items[index] = items;
    part->room[index] = room;
    return STATUS_OK;
}

static enum status take_piece(struct part *part, const Pollen8__SnapshotKey *piece, uint32_t chunk)
{
    struct store_key *key;
    size_t index;
    enum status status;

    if (piece->first != (part->key_count == 0))
        return STATUS_MALFORMED;
    if (piece->first) {
        part->chunk = chunk;
        snprintf(part->user, sizeof part->user, "%s", piece->user);
    }
    if (strcmp(part->user, piece->user) != 0)
        return STATUS_MALFORMED;
    status = take_head(part, piece);
    if (status != STATUS_OK)
        return status;
    index = part->key_count - 1;
    key = &part->keys[index];
    status = make_room(part, index, key->count + piece->n_items);
    for (size_t i = 0; i < piece->n_items && status == STATUS_OK; i++) {
        part->lengths[index][key->count++] = piece->items[i].len;
        status = buf_append(&part->texts[index], piece->items[i].data, piece->items[i].len);
    }
    return status;
}

/* The user is whole: texts stay where they are now. */
static enum status give(struct part *part, store_user_fn *each, void *context)
{
    size_t count = part->key_count;

    part->key_count = 0;
    if (!each)
        return STATUS_OK;
    for (size_t i = 0; i < count; i++) {
        const char *at = part->texts[i].data;

        part->keys[i].suffix = slice_from_string(at);
        at += part->keys[i].suffix.length + 1;
        part->keys[i].type = slice_from_string(at);
        at += part->keys[i].type.length + 1;
        for (size_t j = 0; j < part->keys[i].count; j++) {
            part->items[i][j] = slice_make(at, part->lengths[i][j]);
            at += part->lengths[i][j];
        }
        part->keys[i].items = part->items[i];
    }
    return each(context, part->user, part->keys, count);
}

static enum status take_chunk(struct snapshot_reader *reader, const Pollen8__SnapshotChunk *chunk,
                              store_user_fn *each, void *context)
{
    struct part *part = &reader->part;
    enum status status = STATUS_OK;

    for (size_t i = 0; i < chunk->n_keys && status == STATUS_OK; i++) {
        const Pollen8__SnapshotKey *piece = chunk->keys[i];

        /* The rest of a user that began before the chunk which reading begins with. */
        if (!piece->first && part->key_count == 0 && reader->next == reader->first && reader->first > 0)
            continue;
        status = take_piece(part, piece, chunk->index);
        if (status == STATUS_OK && piece->last)
            status = give(part, each, context);
    }
    return status;
}

/* Waits for messages; the library may end a wait early, and what is missing never comes. */
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
    enum status status = STATUS_OK;

    if (reader->batch && reader->at == bus_batch_count(reader->batch)) {
        bus_batch_free(reader->batch);
        reader->batch = NULL;
    }
    if (!reader->batch)
        status = fetch_batch(reader);
    if (status == STATUS_OK) {
        bus_batch_message(reader->batch, reader->at, ret_message);
        bus_batch_ack(reader->batch, reader->at++);
    }
    return status;
}

enum status snapshot_read(struct snapshot_reader *reader, store_user_fn *each, void *context,
                          uint32_t *ret_next)
{
    const ProtobufCMessage *unpacked = NULL;
    const Pollen8__SnapshotChunk *chunk;
    struct bus_message message;
    enum status status;

    if (reader->next >= reader->body->chunks) {
        bool whole = reader->first > 0 || reader->checksum == reader->body->checksum;

        return whole && reader->part.key_count == 0 ? STATUS_NOT_FOUND : STATUS_MALFORMED;
    }
    status = fetch(reader, &message);
    if (status == STATUS_OK)
        status = wire_unpack(&reader->arena, &pollen8__snapshot_chunk__descriptor, message.data, &unpacked);
    if (status != STATUS_OK)
        return status == STATUS_PAYLOAD_TOO_LARGE ? STATUS_MALFORMED : status;
    chunk = (const Pollen8__SnapshotChunk *)unpacked;
    if (strcmp(chunk->snapshot, reader->body->id) != 0 || chunk->index != reader->next)
        return STATUS_MALFORMED;
    reader->checksum = hash64(message.data.data, message.data.length, reader->checksum);
    status = take_chunk(reader, chunk, each, context);
    reader->next++;
    *ret_next = reader->part.key_count > 0 ? reader->part.chunk : reader->next;
    return status;
}
