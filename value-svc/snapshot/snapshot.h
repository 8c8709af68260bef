/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * A snapshot as stored in POLLEN8_SNAPSHOT: chunks, written and read back in order. The manifest that
 * completes them is in snapshot_manifest.h. Chunks without a manifest are an attempt that was given up.
 * Statuses are bus_stream.h's, STATUS_MALFORMED for chunks that are not what was written. Blocks; one thread.
 */
#ifndef POLLEN8_VALUE_SVC_SNAPSHOT_SNAPSHOT_H
#define POLLEN8_VALUE_SVC_SNAPSHOT_SNAPSHOT_H

#include "common/bus/bus.h"
#include "records/store_snapshot.h"

#define SNAPSHOT_ID_SIZE 24

/* The figures of a snapshot's chunks together. */
struct snapshot_body {
    char id[SNAPSHOT_ID_SIZE];
    uint32_t chunks;
    uint64_t users;
    uint64_t bytes;
    uint64_t checksum;       /* over all chunks in order */
    uint64_t first_sequence; /* of the first chunk, in POLLEN8_SNAPSHOT; 0: there is none */
};

/* ---- writing ---------------------------------------------------------------------------------------- */

struct snapshot_writer; /* opaque */

/* A new one, under a random id. */
enum status snapshot_writer_create(struct bus *bus, struct snapshot_writer **ret_writer);
void snapshot_writer_free(struct snapshot_writer *writer); /* NULL is accepted */

/* A store_piece_fn whose context is the writer. */
enum status snapshot_write(void *context, const struct store_piece *piece);

/* Writes the rest, and returns the whole snapshot's figures. */
enum status snapshot_writer_finish(struct snapshot_writer *writer, struct snapshot_body *ret_body);

/* Deletes the chunks of an attempt that is given up. */
void snapshot_writer_discard(struct snapshot_writer *writer);

/* ---- reading ---------------------------------------------------------------------------------------- */

struct snapshot_reader; /* opaque */

/* From a chunk on. The body is borrowed. */
enum status snapshot_reader_create(struct bus *bus, const struct snapshot_body *body, uint32_t chunk,
                                   struct snapshot_reader **ret_reader);
void snapshot_reader_free(struct snapshot_reader *reader); /* NULL is accepted */

/* Reads one chunk and gives its pieces to `each` (may be NULL). *ret_next: where to resume after this chunk,
 * so that every user is given from its first piece on. STATUS_NOT_FOUND: there are no more chunks. If the
 * reading started with the first chunk, STATUS_MALFORMED instead if the checksum does not match. */
enum status snapshot_read(struct snapshot_reader *reader, store_piece_fn *each, void *context,
                          uint32_t *ret_next);

#endif
