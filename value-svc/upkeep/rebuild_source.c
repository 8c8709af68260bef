/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * newest manifest -> its chunks read once -> else the one before it -> does the stream begin early enough?
 */
#include "upkeep/rebuild_source.h"

#include <inttypes.h>
#include <stdio.h>

#include "common/bus/bus_stream.h"
#include "common/bus/subject.h"
#include "epoch/epoch_record.h"

static enum status read_all(struct bus *bus, const struct snapshot_body *body)
{
    struct snapshot_reader *reader = NULL;
    enum status status = snapshot_reader_create(bus, body, 0, &reader);
    uint32_t next;
    while (status == STATUS_OK)
        status = snapshot_read(reader, NULL, NULL, &next);
    snapshot_reader_free(reader);
    return status == STATUS_NOT_FOUND ? STATUS_OK : status;
}

/* STATUS_NOT_FOUND: there is none that can be read and that covers the events in the stream. */
static enum status find_snapshot(struct bus *bus, struct snapshot_manifest *manifest)
{
    struct epoch_record newest;
    enum status status = epoch_record_get(bus, &newest);
    uint64_t place = 0;
    if (status == STATUS_OK)
        status = snapshot_newest(bus, manifest, &place);
    while (status == STATUS_OK) {
        bool covered = epoch_record_covers(&newest, manifest->epoch, manifest->sequence);
        status = covered ? read_all(bus, &manifest->body) : STATUS_MALFORMED;
        if (status != STATUS_MALFORMED)
            return status;
        fprintf(stderr, "value-svc: snapshot %s is %s; the one before it is tried\n", manifest->body.id,
                covered ? "damaged" : "newer than the stream");
        status = manifest->previous > 0 ? snapshot_at(bus, manifest->previous, manifest) : STATUS_NOT_FOUND;
    }
    return status == STATUS_MALFORMED ? STATUS_NOT_FOUND : status;
}

/* The position's time is that of its event; 0 if that is gone. */
static enum status set_position(struct bus *bus, struct rebuild_source *source)
{
    source->position = (struct store_position){.sequence = source->manifest.sequence};
    struct bus_stored *stored = NULL;
    enum status status = STATUS_NOT_FOUND;
    if (source->position.sequence > 0)
        status = bus_stored_get(bus, STREAM_EVENTS, source->position.sequence, &stored);
    if (status == STATUS_OK)
        source->position.time_ms = bus_stored_time_ms(stored);
    bus_stored_free(stored);
    return status == STATUS_NOT_FOUND ? STATUS_OK : status;
}

enum status rebuild_find_source(struct bus *bus, struct rebuild_source *source)
{
    struct bus_stream_state stream;
    enum status status = bus_stream_state(bus, STREAM_EVENTS, &stream);
    *source = (struct rebuild_source){0};
    if (status != STATUS_OK)
        return status;
    status = find_snapshot(bus, &source->manifest);
    if (status != STATUS_OK && status != STATUS_NOT_FOUND)
        return status;
    source->snapshot = status == STATUS_OK;
    status = STATUS_OK;
    source->last_sequence = stream.last_sequence;
    if (source->snapshot && source->manifest.stream_created_ms == stream.created_ms)
        status = set_position(bus, source);
    else if (source->snapshot)
        snprintf(source->missing, sizeof(source->missing),
                 "the stream " STREAM_EVENTS
                 " was recreated after the snapshot: its earlier events are gone");
    uint64_t needed = source->position.sequence + 1;
    if (source->missing[0] == '\0' && stream.first_sequence > needed)
        snprintf(source->missing, sizeof(source->missing),
                 "events %" PRIu64 " to %" PRIu64 " are no longer in the stream and in no verified snapshot",
                 needed, stream.first_sequence - 1);
    return status;
}
