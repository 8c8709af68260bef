/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * The streams POLLEN8_EVENTS, POLLEN8_DEAD, POLLEN8_SNAPSHOT and POLLEN8_EPOCH and the durable consumer of an
 * epoch, `value-svc-<epoch>`: made at start, and made again if somebody deleted them. Events have the limit
 * EVENTS_MAX_BYTES, which leaves room for the others; these have none but the disk. At a limit new messages
 * are refused, none is dropped for them. Blocks; worker threads only.
 */
#ifndef POLLEN8_VALUE_SVC_SERVICE_STREAM_H
#define POLLEN8_VALUE_SVC_SERVICE_STREAM_H

#include "service/service.h"

#define STREAM_DURABLE      "value-svc" /* every durable's name begins so; that of versions before 0.2 is it */
#define STREAM_DURABLE_SIZE 40

/* The durable's name in an epoch; of versions before 0.2 in epoch 0. */
void stream_durable(char out[STREAM_DURABLE_SIZE], uint64_t epoch);

/* Makes the streams, or brings them to our options. Notes in log and metrics what it cannot put right:
 * STATUS_MALFORMED for a retention other than limits, from which nothing may be fetched; memory storage. */
enum status stream_ensure(struct service *service);

/* A pull subscription on the durable of the epoch that the store is in, which is made where it is missing:
 * behind the position that Redis noted, for everything up to there is in it. The caller frees it. Waits a
 * moment after a failure; STATUS_AGAIN while a rebuild puts back what Redis held. */
enum status stream_consume(struct service *service, struct store *store, struct bus_consumer **ret_consumer);

/* A pull subscription on the durable of an epoch that is over. STATUS_NOT_FOUND: it is gone. */
enum status stream_drain(struct service *service, const struct service_drain *drain,
                         struct bus_consumer **ret_consumer);

#endif
