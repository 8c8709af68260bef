/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * Everything that happens to events between being taken off the stream and being acknowledged:
 *
 *   decode (wrong content is marked dead), take numbers -> one pipeline of scripts (counts, users' histories)
 *   -> one pipeline of appends (industries' histories) -> publish what they gave -> bury the dead -> flush ->
 *   acknowledge
 *
 * A crash at any point leaves the batch unacknowledged: it comes again, `seen` keeps it from counting
 * twice, and its deliveries go out again under the same event ids and new numbers. A batch that fails
 * abandons its lane. One thread; every worker has its own.
 *
 * One event fails no batch: what Redis refuses of one alone comes again, and is put aside after some tries
 * (tries.h). What the broker has handed out more than three times without this process knowing why was being
 * worked on at as many crashes: it is handled after all others, and alone, so that it takes nothing with it.
 * A planned stop finishes its batches, and so hands nothing out again. Where instances did not end it was
 * Redis or the broker that failed, and being alone costs such an event nothing but time.
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

/* Handles the messages, which the durable of `epoch` handed out: gives up where Redis is in another by now,
 * for the durable of that hands them out too. Waits for Redis as long as it takes, keeping the messages from
 * being handed out again; gives up (not acknowledged, they come again) where the broker is away or the
 * service stops. */
enum status batch_handle(struct batch *batch, uint64_t epoch, struct bus_batch *messages);

/* The same for messages of an earlier epoch's durable, which delivers what was stored in its time, while
 * Redis is in `epoch`. Others of it are acknowledged: they are another durable's. */
enum status batch_drain(struct batch *batch, uint64_t epoch, const struct service_drain *drain,
                        struct bus_batch *messages);

/* Between batches, every now and then: says that the lane lives, and in which epoch. */
void batch_idle(struct batch *batch);

#endif
