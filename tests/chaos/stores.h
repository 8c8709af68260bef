/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * What the stores hold at the end, asked of themselves. Each call waits for its answer; one thread.
 */
#ifndef POLLEN8_CHAOS_STORES_H
#define POLLEN8_CHAOS_STORES_H

#include <stdbool.h>
#include <stdint.h>

#include "ring.h"

/* The number after "<member>": in the answer to a JetStream API request; false: no such answer. */
bool stores_stream_number(const struct ring *ring, const char *subject, const char *member,
                          uint64_t *ret_number);

/* Has a consumer of the events been given all of them, and had all acknowledged? */
bool stores_stream_idle(const struct ring *ring);

/* The Redis that is the primary, where there are sentinels by their majority; NULL: none, or no answer. */
struct part *stores_primary(const struct ring *ring);

/* All the others are replicas of the primary, and what it may have lacked has been replayed into it. */
bool stores_settled(const struct ring *ring);

/* Makes one of the replicas the primary, as an operator would; false: the sentinels refuse for now. */
bool stores_fail_over(const struct ring *ring);

/* The count of each user, from the primary; false: no answer. */
bool stores_counts(const struct ring *ring, uint32_t *counts, uint32_t users);

#endif
