/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * The streams POLLEN8_EVENTS, POLLEN8_DEAD and POLLEN8_SNAPSHOT and the durable consumer `value-svc`: made at
 * start, and made again where somebody deleted them. None has a limit but the disk: there new messages are
 * refused, none is dropped for them. Blocks; worker threads only.
 */
#ifndef POLLEN8_VALUE_STREAM_H
#define POLLEN8_VALUE_STREAM_H

#include "service.h"

#define STREAM_DURABLE "value-svc"

/* Makes the streams, or brings them to our options. */
enum status stream_ensure(struct service *service);

/* A pull subscription on the durable, which is made where it is missing: from the stored position on, for a
 * new durable would otherwise begin with events whose keys are long forgotten and count them twice. Needs
 * Redis for that. The caller frees it. Waits a moment after a failure; STATUS_AGAIN while a rebuild puts back
 * what Redis held. */
enum status stream_consume(struct service *service, struct store *store, struct bus_consumer **ret_consumer);

/* A temporary consumer for the replay: from an event on, or where start_sequence is 0 from a time on. */
enum status stream_replay(struct service *service, int64_t start_time_ms, uint64_t start_sequence,
                          struct bus_consumer **ret_consumer);

#endif
