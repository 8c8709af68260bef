/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * Sessions that have moved to another gateway, remembered for a while. A late poll gets the answer that a
 * stock server gives after an upgrade, and a reply that was on its way is forwarded. Bounded: past `maximum`
 * the oldest is dropped early. Pure; loop thread.
 *
 * Memory: 120 bytes each, and 8 per two of `maximum`.
 */
#ifndef POLLEN8_GATEWAY_CLUSTER_DEPARTURES_H
#define POLLEN8_GATEWAY_CLUSTER_DEPARTURES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/slice.h"
#include "common/status.h"
#include "text/sid.h"

struct departures; /* opaque */

struct departure {
    uint64_t handle;    /* the session's handle here */
    uint64_t id;        /* the id of its transport's session there */
    uint64_t namespace; /* which of the sessions of its transport; see forward.h */
    char key[SID_KEY_SIZE];
    char gateway[SID_GATEWAY_MAXIMUM + 1];
};

/* NULL when out of memory. */
struct departures *departures_create(size_t maximum, uint64_t keep_ms);
void departures_free(struct departures *departures);

/* STATUS_NO_MEMORY. */
enum status departures_add(struct departures *departures, const struct departure *departure, uint64_t now_ms);

/* Borrowed until the next departures_add; NULL: none. */
const struct departure *departures_by_key(const struct departures *departures, struct slice key,
                                          uint64_t now_ms);
const struct departure *departures_by_handle(const struct departures *departures, uint64_t handle,
                                             uint64_t now_ms);

/* Whether the session of this sid has moved away recently. With NULL as departures there is no other gateway:
 * false. */
bool departures_has(const struct departures *departures, const struct sid *sid, uint64_t now_ms);

#endif
