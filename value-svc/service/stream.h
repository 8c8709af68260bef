/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * The streams POLLEN8_EVENTS, POLLEN8_DEAD, POLLEN8_SNAPSHOT and POLLEN8_EPOCH and the durable consumer of an
 * epoch, `value-svc-<epoch>`: created at start, and again if somebody deletes them. Events have the limit
 * EVENTS_MAX_BYTES, which leaves room for the others; the others are limited only by the disk. At a limit new
 * messages are refused and no stored one is dropped. Blocks; worker threads only.
 */
#ifndef POLLEN8_VALUE_SVC_SERVICE_STREAM_H
#define POLLEN8_VALUE_SVC_SERVICE_STREAM_H

#include "service/service.h"

/* Every durable's name begins with it; before version 0.2 it was the whole name. */
#define STREAM_DURABLE      "value-svc"
#define STREAM_DURABLE_SIZE 40

/* The durable's name in an epoch; of versions before 0.2 in epoch 0. */
void stream_durable(char out[STREAM_DURABLE_SIZE], uint64_t epoch);

/* Creates the streams, or updates them to these options. Reports in log and metrics what it cannot change: a
 * retention other than limits (STATUS_MALFORMED: nothing may be fetched from it), and memory storage. */
enum status stream_ensure(struct service *service);

/* A pull subscription on the durable of the store's epoch. If the durable is missing it is created, to start
 * after the position that Redis noted, because Redis contains everything up to there. The caller frees the
 * subscription. Waits a moment after a failure; STATUS_AGAIN while a rebuild restores Redis. */
enum status stream_consume(struct service *service, struct store *store, struct bus_consumer **ret_consumer);

/* A pull subscription on the durable of a past epoch. STATUS_NOT_FOUND: it no longer exists. */
enum status stream_drain(struct service *service, const struct service_drain *drain,
                         struct bus_consumer **ret_consumer);

#endif
