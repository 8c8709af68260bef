/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * Everything that happens to events between being taken off the stream and being acknowledged:
 *
 *   decode (wrong content is marked dead), take numbers -> one pipeline of scripts (counts, users' histories)
 *   -> one pipeline of appends (industries' histories) -> publish the frames -> bury the dead -> flush ->
 *   acknowledge
 *
 * A crash at any point leaves the batch unacknowledged. It is redelivered: `seen` keeps it from counting
 * twice, and its frames are published again under the same event ids and new numbers. A batch that fails
 * abandons its lane. One thread; every worker has its own.
 *
 * One event fails no batch. If Redis refuses that event alone, it is redelivered, and put aside after some
 * tries (tries.h). If the broker has handed an event out more than three times and this process does not know
 * why, the event was being worked on during as many crashes. It is handled after all others, and alone, so
 * that it takes nothing with it. A planned stop finishes its batches, so it causes no redelivery. If the
 * instances did not crash, Redis or the broker failed; being handled alone then costs such an event only
 * time.
 */
#ifndef POLLEN8_VALUE_SVC_CONSUME_BATCH_H
#define POLLEN8_VALUE_SVC_CONSUME_BATCH_H

#include "event/delivery.h"
#include "service/service.h"

struct batch; /* opaque */

/* `store` is borrowed. Room for `capacity` messages. */
enum status batch_create(struct service *service, struct store *store, size_t capacity,
                         struct batch **ret_batch);
void batch_free(struct batch *batch); /* NULL is accepted */

/* Handles messages that the durable of `epoch` handed out. Gives up if Redis has entered another epoch, whose
 * durable hands them out too. Waits for Redis as long as it takes and keeps the messages from being
 * redelivered. Gives up (unacknowledged, so they are redelivered) if the broker is unreachable or
 * the service stops. */
enum status batch_handle(struct batch *batch, uint64_t epoch, struct bus_batch *messages);

/* The same for messages of an earlier epoch's durable, while Redis is in `epoch`. It delivers events stored
 * during its epoch; the rest belongs to another durable and is only acknowledged. */
enum status batch_drain(struct batch *batch, uint64_t epoch, const struct service_drain *drain,
                        struct bus_batch *messages);

/* Call it between batches: now and then it announces that the lane lives, and in which epoch. */
void batch_idle(struct batch *batch);

#endif
