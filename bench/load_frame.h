/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * WebSocket frames as the load client needs them: read in place, write with the mask key 0, under which the
 * payload goes out as it is. Pure.
 */
#ifndef POLLEN8_BENCH_LOAD_FRAME_H
#define POLLEN8_BENCH_LOAD_FRAME_H

#include <stdbool.h>
#include <stddef.h>

#include "common/slice.h"

#define FRAME_HEADER_MAXIMUM 8 /* of what we write: payloads below 64 KB */

enum frame_opcode { FRAME_TEXT = 1, FRAME_BINARY = 2, FRAME_CLOSE = 8, FRAME_PING = 9, FRAME_PONG = 10 };

struct load_frame {
    enum frame_opcode opcode;
    struct slice payload; /* borrowed */
    size_t length;        /* bytes of the whole frame */
};

/* The first whole frame in `bytes`; false where it is not all there. */
bool load_frame_read(struct slice bytes, struct load_frame *ret_frame);

/* Header of a frame of ours; its length. */
size_t load_frame_header(char out[FRAME_HEADER_MAXIMUM], enum frame_opcode opcode, size_t payload_length);

#endif
