/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * The ids of recent deliveries (64-bit hashes), so that a repeat after a redelivery is dropped. There are two
 * generations: an id is remembered for at least one window and at most two. At the bound the older generation
 * is dropped early. O(1), except for clearing a generation once per window. Loop thread.
 *
 * Memory: two tables of 8 bytes x 2 x the next power of two of `maximum`, allocated at the start; never more.
 */
#ifndef POLLEN8_GATEWAY_EGRESS_DEDUPE_H
#define POLLEN8_GATEWAY_EGRESS_DEDUPE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct dedupe;

/* `window_ms`: how long an id is remembered at least; `maximum`: ids in one generation. NULL when out of
 * memory. */
struct dedupe *dedupe_create(uint32_t window_ms, size_t maximum);
void dedupe_free(struct dedupe *dedupe);

/* Whether the id was seen within the window; it is remembered from now on. The id 0 names nothing and is
 * never a repeat. A repeat does not extend the time of the first. */
bool dedupe_repeat(struct dedupe *dedupe, uint64_t id, uint64_t now_ms);

#endif
