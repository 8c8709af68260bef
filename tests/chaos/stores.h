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

/* The count of each user; false: no answer. */
bool stores_counts(const struct ring *ring, uint32_t *counts, uint32_t users);

#endif
