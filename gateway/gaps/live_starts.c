/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * mark -> its lane -> the mark before it is missing: live frames begin here.
 */
#include "gaps/live_starts.h"

#include <stddef.h>

static size_t find(const struct live_starts *starts, uint32_t lane)
{
    size_t at = 0;
    while (at < starts->count && starts->lanes[at].lane != lane)
        at++;
    return at;
}

void live_starts_take(struct live_starts *starts, const struct lane_mark *mark, uint64_t heard)
{
    size_t at = find(starts, mark->lane);
    if (!mark->lane || !mark->heard || at == LIVE_STARTS_LANES)
        return;
    if (at == starts->count) {
        starts->lanes[at].lane = mark->lane;
        starts->lanes[at].broken = false;
        starts->lanes[at].last = heard;
        starts->count++;
    }
    if (mark->sequence <= starts->lanes[at].last)
        return;
    if (mark->previous != starts->lanes[at].last) {
        starts->lanes[at].broken = true;
        starts->lanes[at].before = mark->previous;
        starts->lanes[at].first = mark->sequence;
    }
    starts->lanes[at].last = mark->sequence;
}

bool live_starts_cover(const struct live_starts *starts, const struct lane_mark *mark)
{
    size_t at = find(starts, mark->lane);
    if (at == starts->count || !starts->lanes[at].broken)
        return false;
    return mark->sequence > (mark->heard ? starts->lanes[at].before : starts->lanes[at].first);
}
