/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * The watcher: finds out whether this Redis is the one that the stream is counted in, and begins an epoch
 * where its data may be another's than before: it was restarted, it follows one that died, it was emptied,
 * the stream was made anew or lost its tail. Which epoch is the newest is decided at the broker
 * (epoch_record.h), by the rules of epoch_plan.h:
 *
 *   look at both -> the record, if nobody else was faster -> how far the stream reaches -> Redis begins the
 *   epoch -> its durable begins behind the position that this Redis noted
 *
 * So a replay is nothing but the durable of the new epoch: everything behind the position goes through the
 * same script as ever, and what Redis still knows is recognised. What another Redis does in an epoch that is
 * over is acknowledged to a durable that nobody reads any more.
 *
 * Until the watcher has settled on an epoch, no thread of this instance reads or writes Redis, and afterwards
 * only in that epoch (service_store_try).
 */
#ifndef POLLEN8_VALUE_SVC_EPOCH_EPOCH_H
#define POLLEN8_VALUE_SVC_EPOCH_EPOCH_H

#include "epoch/epoch_record.h"
#include "service/service.h"

/* A thread's function; the argument is the struct service. Returns NULL after service_stop. */
void *epoch_run(void *context);

/* Begins the epoch that a rebuild ends with: `position` is what the data is of. The store is any_epoch. `who`
 * is whose rebuild it is. STATUS_AGAIN: another was faster, at the broker or in Redis. */
enum status epoch_rebuilt(struct service *service, struct store *store, const struct store_position *position,
                          const char *who);

#endif
