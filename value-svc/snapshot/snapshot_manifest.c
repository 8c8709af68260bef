/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * A manifest as a message and back.
 */
#include "snapshot/snapshot_manifest.h"

#include <stdio.h>

#include "common/bus/bus_stream.h"
#include "common/bus/subject.h"
#include "common/wire.h"
#include "snapshot.pb-c.h"

#define MANIFEST_MAXIMUM 65536

static void take(const Pollen8__SnapshotManifest *message, struct snapshot_manifest *manifest)
{
    *manifest = (struct snapshot_manifest){
        .body = {.chunks = message->chunks,
                 .users = message->users,
                 .bytes = message->bytes,
                 .checksum = message->checksum,
                 .first_sequence = message->first_sequence},
        .sequence = message->sequence,
        .taken_at_ms = message->taken_at_ms,
        .stream_created_ms = message->stream_created_ms,
        .previous = message->previous,
        .epoch = message->epoch,
    };
    snprintf(manifest->body.id, sizeof(manifest->body.id), "%s", message->snapshot);
    for (size_t i = 0; i < message->n_marks && i < SNAPSHOT_MARKS_MAXIMUM; i++)
        manifest->marks[manifest->mark_count++] = (struct snapshot_mark){
            .sequence = message->marks[i]->sequence, .taken_at_ms = message->marks[i]->taken_at_ms};
}

static enum status read_stored(const struct bus_stored *stored, struct snapshot_manifest *manifest)
{
    struct bus_message view;
    bus_stored_message(stored, &view);
    struct wire_arena arena = {0};
    const ProtobufCMessage *message = NULL;
    enum status status =
        slice_equal_string(view.subject, SUBJECT_MANIFEST)
            ? wire_unpack(&arena, &pollen8__snapshot_manifest__descriptor, view.data, &message)
            : STATUS_MALFORMED;
    if (status == STATUS_OK)
        take((const Pollen8__SnapshotManifest *)message, manifest);
    wire_arena_done(&arena);
    return status;
}

enum status snapshot_newest(struct bus *bus, struct snapshot_manifest *manifest, uint64_t *ret_place)
{
    struct bus_stored *stored = NULL;
    enum status status = bus_stored_last(bus, STREAM_SNAPSHOT, SUBJECT_MANIFEST, &stored);
    if (status != STATUS_OK)
        return status;
    status = read_stored(stored, manifest);
    if (status == STATUS_OK)
        *ret_place = bus_stored_sequence(stored);
    bus_stored_free(stored);
    return status;
}

enum status snapshot_at(struct bus *bus, uint64_t place, struct snapshot_manifest *manifest)
{
    struct bus_stored *stored = NULL;
    enum status status = bus_stored_get(bus, STREAM_SNAPSHOT, place, &stored);
    if (status != STATUS_OK)
        return status;
    status = read_stored(stored, manifest);
    bus_stored_free(stored);
    return status;
}

enum status snapshot_publish(struct bus *bus, const struct snapshot_manifest *manifest)
{
    Pollen8__SnapshotMark marks[SNAPSHOT_MARKS_MAXIMUM];
    Pollen8__SnapshotMark *pointers[SNAPSHOT_MARKS_MAXIMUM];
    for (size_t i = 0; i < manifest->mark_count; i++) {
        marks[i] = (Pollen8__SnapshotMark)POLLEN8__SNAPSHOT_MARK__INIT;
        marks[i].sequence = manifest->marks[i].sequence;
        marks[i].taken_at_ms = manifest->marks[i].taken_at_ms;
        pointers[i] = &marks[i];
    }
    Pollen8__SnapshotManifest message = POLLEN8__SNAPSHOT_MANIFEST__INIT;
    message.snapshot = (char *)(uintptr_t)manifest->body.id;
    message.sequence = manifest->sequence;
    message.taken_at_ms = manifest->taken_at_ms;
    message.stream_created_ms = manifest->stream_created_ms;
    message.chunks = manifest->body.chunks;
    message.users = manifest->body.users;
    message.bytes = manifest->body.bytes;
    message.checksum = manifest->body.checksum;
    message.first_sequence = manifest->body.first_sequence;
    message.previous = manifest->previous;
    message.epoch = manifest->epoch;
    message.marks = pointers;
    message.n_marks = manifest->mark_count;
    struct buf buf;
    buf_init(&buf, MANIFEST_MAXIMUM);
    enum status status = wire_pack(&buf, &message.base);
    if (status == STATUS_OK)
        status = bus_store(bus, SUBJECT_MANIFEST, NULL, buf_slice(&buf), NULL, NULL, 0);
    buf_done(&buf);
    return status;
}
