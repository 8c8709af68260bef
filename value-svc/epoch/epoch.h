/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * The room epoch/: in which Redis the stream is counted. Input: the state of this Redis, of the broker and of
 * the other instances. Output: the epoch that all threads work in (service.h), and its beginning.
 *
 * This file: the watcher. It finds out whether this Redis is the one in which the stream is counted. It
 * begins an epoch if the data may not be the same as before: Redis was restarted, follows one that died, or
 * was emptied; or the stream was recreated or lost its tail. The broker decides which epoch is the newest
 * (epoch_record.h), by the rules of epoch_plan.h:
 *
 *   look at both -> the record, unless another instance was faster -> how far the stream reaches -> Redis
 *   begins the epoch -> its durable begins after the position that this Redis noted
 *
 * So a replay is nothing but the durable of the new epoch: everything after the position goes through the
 * usual script, which recognises what Redis still knows. What another Redis does in an epoch that is over is
 * acknowledged to a durable that nobody reads any more.
 *
 * Until the watcher has settled on an epoch, no thread of this instance reads or writes Redis; afterwards
 * they do so only in that epoch (service_store_try).
 */
#ifndef POLLEN8_VALUE_SVC_EPOCH_EPOCH_H
#define POLLEN8_VALUE_SVC_EPOCH_EPOCH_H

#include "epoch/epoch_record.h"
#include "service/service.h"

/* A thread's function; the argument is the struct service. Returns NULL after service_stop. */
void *epoch_run(void *context);

/* Begins the epoch that ends a rebuild. `position` is how far the data counts the stream. The store is
 * any_epoch. `who` owns the rebuild. STATUS_AGAIN: another instance was faster, at the broker or in Redis. */
enum status epoch_rebuilt(struct service *service, struct store *store, const struct store_position *position,
                          const char *who);

#endif
