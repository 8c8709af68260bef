/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * `value-svc --rebuild`: recreates every count in Redis, exactly, from the newest verified snapshot and the
 * rest of the stream:
 *
 *   which snapshot, and does the stream have everything after it? -> the state in Redis is "rebuild": no
 *   instance counts -> every user is forgotten -> the snapshot's users are restored -> an epoch begins
 *   (epoch.h), whose durable starts after the snapshot: all instances, this one too, count the rest through
 *   the usual script -> users get their values
 *
 * It is also how the stream moves to a different Redis: the new epoch belongs to the Redis on which it was
 * run.
 *
 * Events continue to be stored meanwhile. The progress is noted in Redis, so that a run resumes where an
 * interrupted one stopped; repeating a step changes nothing. Progress is reported on standard error.
 */
#ifndef POLLEN8_VALUE_SVC_UPKEEP_REBUILD_H
#define POLLEN8_VALUE_SVC_UPKEEP_REBUILD_H

#include "service/service.h"

/* Returns the exit status: 0 with one line of figures on standard output, or 1 with the reason on standard
 * error. Main thread, after lifecycle_init; no other thread of the service runs. */
int rebuild_run(struct service *service, bool accept_loss);

#endif
