/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * The text of an offset, read and written apart from the gateway's own code, and without its bounds. Pure.
 */
#ifndef POLLEN8_CHAOS_OFFSET_TEXT_H
#define POLLEN8_CHAOS_OFFSET_TEXT_H

#include <stdbool.h>
#include <stdint.h>

#include "common/slice.h"

#define OFFSET_LANES_MAXIMUM 96
#define OFFSET_TEXT_SIZE     2048

struct offset_lane {
    uint32_t lane;
    uint64_t sequence;
};

struct offset {
    uint64_t epoch;
    uint64_t time_ms;
    uint64_t complete_ms; /* how long before time_ms no lane was missed */
    uint32_t count;
    struct offset_lane lanes[OFFSET_LANES_MAXIMUM];
};

/* false: it is none. */
bool offset_read(struct slice text, struct offset *ret_offset);

/* With a NUL; its length. */
size_t offset_write(const struct offset *offset, char out[OFFSET_TEXT_SIZE]);

#endif
