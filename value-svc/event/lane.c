/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * Counting.
 */
#include "event/lane.h"

#include "common/clock.h"
#include "common/rng.h"

void lane_renew(struct lane *lane)
{
    *lane = (struct lane){.heard_ms = clock_monotonic_ms(), .stamped_us = lane->stamped_us};
    while (lane->id == 0)
        lane->id = (uint32_t)rng_u64();
}

uint64_t lane_take(struct lane *lane, unsigned count)
{
    uint64_t first = lane->sequence + 1;
    lane->sequence += count;
    return first;
}

int64_t lane_stamp(struct lane *lane)
{
    int64_t now = clock_wall_us();
    if (now > lane->stamped_us)
        lane->stamped_us = now;
    return lane->stamped_us;
}

uint64_t lane_heard(struct lane *lane, uint64_t sequence)
{
    uint64_t before = lane->heard;
    lane->heard = sequence;
    lane->heard_ms = clock_monotonic_ms();
    return before;
}
