/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * The broker's lane of frames to the board, each frame once and in order. Repeats are dropped; frames that are
 * missing come from history first (gaps.h); a frame with a member here is put on the board (board.h). Mail
 * that is not a frame (a control, another gateway's request to hand over a session) is acted on when the board
 * is empty: everything published before a revocation is delivered before it. Loop thread.
 */
#ifndef POLLEN8_GATEWAY_EGRESS_EGRESS_H
#define POLLEN8_GATEWAY_EGRESS_EGRESS_H

#include <stdbool.h>

struct gateway;

/* One turn's share. Returns whether something is left to do. */
bool egress_run(struct gateway *gateway);

#endif
