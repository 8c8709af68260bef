/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * The order of epochs, kept by the broker in the stream POLLEN8_EPOCH: the newest record says in which Redis
 * the events are counted. A record is stored only if the one known to its writer is still the newest, so that
 * two Redis servers cut off from each other never share an epoch. Blocks; worker threads only.
 */
#ifndef POLLEN8_VALUE_SVC_EPOCH_EPOCH_RECORD_H
#define POLLEN8_VALUE_SVC_EPOCH_EPOCH_RECORD_H

#include "service/service.h"

struct epoch_record {
    uint64_t place; /* its sequence in POLLEN8_EPOCH; 0: there is none */
    uint64_t epoch;
    char redis[STORE_IDENTITY_SIZE];
    char server[STORE_SERVER_SIZE];
    uint64_t cut_epoch; /* in which POLLEN8_EVENTS was found to have lost its tail; 0: never */
    uint64_t cut_sequence;
    uint64_t boundary; /* events up to it are delivered from the durables of earlier epochs: these */
    struct service_drain drains[SERVICE_DRAINS_MAXIMUM];
    size_t drain_count;
};

/* The newest one. STATUS_OK with place 0: there is none. STATUS_MALFORMED: it cannot be read, so nothing may
 * be assumed. Others as in bus_stream.h. */
enum status epoch_record_get(struct bus *bus, struct epoch_record *ret_record);

/* Stores `next` if the newest record is still the one at `place`. STATUS_UNAVAILABLE: it is not, or the
 * broker has no room; `error` says which. After any other failure it may have been stored. */
enum status epoch_record_put(struct bus *bus, const struct epoch_record *next, uint64_t place, char *error,
                             size_t error_size);

/* Whether knowledge of sequences up to `sequence`, from `epoch`, still applies to the events that the stream
 * has under these numbers. It does not if the stream has lost its tail since and reused the numbers. */
bool epoch_record_covers(const struct epoch_record *record, uint64_t epoch, uint64_t sequence);

#endif
