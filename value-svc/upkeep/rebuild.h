/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * `value-svc --rebuild`: every count in Redis made anew, exactly, from the newest verified snapshot and the
 * rest of the stream:
 *
 *   which snapshot, and is all there after it? -> the state in Redis is "rebuild": no instance counts ->
 *   every user is forgotten -> the snapshot's users are put back -> an epoch begins (epoch.h), whose durable
 *   starts behind the snapshot: all instances, this one too, count what follows through the same script as
 * ever -> users are told their values
 *
 * It is also how the stream moves to another Redis: the epoch that begins is of the one that it was run on.
 *
 * Events go on being stored meanwhile. How far it is stands in Redis, so that a run that was stopped is gone
 * on with by the next; what is done twice changes nothing. Progress goes to standard error.
 */
#ifndef POLLEN8_VALUE_SVC_UPKEEP_REBUILD_H
#define POLLEN8_VALUE_SVC_UPKEEP_REBUILD_H

#include "service/service.h"

/* Returns the exit status: 0 with one line of figures on standard output, 1 where it was not done, with the
 * reason on standard error. Main thread, after lifecycle_init; no other thread of the service runs. */
int rebuild_run(struct service *service, bool accept_loss);

#endif
