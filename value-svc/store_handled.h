/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * Which events this Redis has all of. Behind the last write that an event gives (histories come last) goes a
 * note of the batch's stream sequences, and only then anything of it is published or acknowledged. Redis
 * writes its file, and tells its replicas, in the order of the commands: one that restarts or takes over has
 * everything up to some command. So where every event that was acknowledged is noted, nothing of any of them
 * was forgotten, whichever instance handled it and whatever became of that one.
 *
 * Notes are kept for HANDLED_KEPT_MS. Errors as in store.h.
 */
#ifndef POLLEN8_VALUE_STORE_HANDLED_H
#define POLLEN8_VALUE_STORE_HANDLED_H

#include "store.h"

#define HANDLED_KEPT_MS 60000

/* Whether all events behind `after` up to `until` are noted; false where that would be too many to look at.
 */
enum status store_handled(struct store *store, uint64_t after, uint64_t until, bool *ret_all);

#endif
