/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * Offsets as clients send them: what is accepted is written back as the same text, and means the same after a
 * way through the message between services.
 */
#include "fuzz.h"

#include "frame/position.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct slice text = slice_make(data, size);
    struct position position;
    struct position again;
    struct position_message message;
    char written[POSITION_TEXT_SIZE];

    if (position_read(text, &position) != STATUS_OK)
        return 0;
    CHECK(size <= POSITION_TEXT_MAXIMUM && position.count <= POSITION_LANES);
    CHECK(position_write(&position, written) == size && memcmp(written, data, size) == 0);
    position_to_message(&position, &message);
    CHECK(position_from_message(&message.message, &again) == STATUS_OK);
    CHECK(position_write(&again, written) == size && memcmp(written, data, size) == 0);
    for (uint32_t i = 0; i < position.count; i++) {
        const struct position_lane *lane = &position.lanes[i];

        CHECK(position_covers(&position, lane->lane, lane->sequence, 0));
        CHECK(lane->sequence == UINT64_MAX || !position_covers(&position, lane->lane, lane->sequence + 1, 0));
    }
    return 0;
}
