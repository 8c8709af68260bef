/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * Where the live frames of each lane begin again after something was missed. The lanes continue while a
 * history is read, so that it may have some of the newest frames and not others: those come live, in order.
 * Pure; loop thread.
 */
#ifndef POLLEN8_GATEWAY_GAPS_LIVE_STARTS_H
#define POLLEN8_GATEWAY_GAPS_LIVE_STARTS_H

#include "frame/progress.h"

#define LIVE_STARTS_LANES 128 /* in further lanes, repeats are recognised by the frames' ids */

struct live_starts {
    uint32_t count;
    struct {
        uint32_t lane;
        bool broken;     /* something is missing before it */
        uint64_t last;   /* the number heard last */
        uint64_t before; /* everything later that every gateway hears comes live */
        uint64_t first;  /* everything later than this comes live, to users too */
    } lanes[LIVE_STARTS_LANES];
};

/* Takes what waits, in order. `heard` is the last number of the lane before the first of it. */
void live_starts_take(struct live_starts *starts, const struct lane_mark *mark, uint64_t heard);

/* Whether a frame of a history also comes live. */
bool live_starts_cover(const struct live_starts *starts, const struct lane_mark *mark);

#endif
