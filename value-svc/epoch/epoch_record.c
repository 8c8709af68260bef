/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * One subject of one stream, with the stream's own compare-and-set.
 */
#include "epoch/epoch_record.h"

#include <inttypes.h>
#include <stdio.h>

#include "common/bus/bus_stream.h"
#include "common/bus/subject.h"
#include "common/wire.h"
#include "epoch.pb-c.h"

#define RECORD_MAXIMUM 4096

static enum status take(const struct bus_stored *stored, struct epoch_record *record)
{
    struct bus_message view;
    bus_stored_message(stored, &view);
    struct wire_arena arena = {0};
    const ProtobufCMessage *unpacked = NULL;
    enum status status = wire_unpack(&arena, &pollen8__epoch_record__descriptor, view.data, &unpacked);
    const Pollen8__EpochRecord *message = (const Pollen8__EpochRecord *)unpacked;
    if (status == STATUS_OK && (message->epoch == 0 || strlen(message->redis) >= sizeof(record->redis) ||
                                strlen(message->server) >= sizeof(record->server)))
        status = STATUS_MALFORMED;
    if (status == STATUS_OK) {
        *record = (struct epoch_record){.place = bus_stored_sequence(stored),
                                        .epoch = message->epoch,
                                        .cut_epoch = message->cut_epoch,
                                        .cut_sequence = message->cut_sequence,
                                        .boundary = message->boundary};
        for (size_t i = 0; i < message->n_drains && i < SERVICE_DRAINS_MAXIMUM; i++)
            record->drains[record->drain_count++] = (struct service_drain){.epoch = message->drains[i]->epoch,
                                                                           .above = message->drains[i]->above,
                                                                           .to = message->drains[i]->to};
        snprintf(record->redis, sizeof(record->redis), "%s", message->redis);
        snprintf(record->server, sizeof(record->server), "%s", message->server);
    }
    wire_arena_done(&arena);
    return status;
}

enum status epoch_record_get(struct bus *bus, struct epoch_record *ret_record)
{
    struct bus_stored *stored = NULL;
    enum status status = bus_stored_last(bus, STREAM_EPOCH, SUBJECT_EPOCH_NEWEST, &stored);
    if (status == STATUS_NOT_FOUND) {
        *ret_record = (struct epoch_record){0};
        return STATUS_OK;
    }
    if (status == STATUS_OK)
        status = take(stored, ret_record);
    bus_stored_free(stored);
    return status;
}

enum status epoch_record_put(struct bus *bus, const struct epoch_record *next, uint64_t place, char *error,
                             size_t error_size)
{
    char expected[24];
    const char *const headers[] = {"Nats-Expected-Last-Subject-Sequence", expected, NULL};
    snprintf(expected, sizeof(expected), "%" PRIu64, place);
    Pollen8__EpochRecord message = POLLEN8__EPOCH_RECORD__INIT;
    message.epoch = next->epoch;
    message.redis = (char *)(uintptr_t)next->redis;
    message.server = (char *)(uintptr_t)next->server;
    message.cut_epoch = next->cut_epoch;
    message.cut_sequence = next->cut_sequence;
    message.boundary = next->boundary;
    Pollen8__EpochDrain drains[SERVICE_DRAINS_MAXIMUM];
    Pollen8__EpochDrain *pointers[SERVICE_DRAINS_MAXIMUM];
    for (size_t i = 0; i < next->drain_count; i++) {
        drains[i] = (Pollen8__EpochDrain)POLLEN8__EPOCH_DRAIN__INIT;
        drains[i].epoch = next->drains[i].epoch;
        drains[i].above = next->drains[i].above;
        drains[i].to = next->drains[i].to;
        pointers[i] = &drains[i];
    }
    message.drains = pointers;
    message.n_drains = next->drain_count;
    struct buf buf;
    buf_init(&buf, RECORD_MAXIMUM);
    enum status status = wire_pack(&buf, &message.base);
    uint64_t sequence = 0;
    if (status == STATUS_OK)
        status = bus_store(bus, SUBJECT_EPOCH_NEWEST, headers, buf_slice(&buf), &sequence, error, error_size);
    buf_done(&buf);
    if (status == STATUS_OK) /* earlier ones are done with; one that stays does no harm */
        bus_stream_purge(bus, STREAM_EPOCH, NULL, sequence);
    return status;
}

bool epoch_record_covers(const struct epoch_record *record, uint64_t epoch, uint64_t sequence)
{
    return record->cut_epoch == 0 || epoch >= record->cut_epoch || sequence <= record->cut_sequence;
}
