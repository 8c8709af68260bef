/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * The room egress/: what services publish, to the sessions that it is for, each frame once and in order.
 *
 *   in    the broker's lane of the mailbox: frames, controls, requests of other gateways to hand over a
 *         session; missed frames from history (gaps.h), which come first
 *   out   frames with at least one receiver here, on the board (board.h); repeats are dropped
 *
 * Mail that is not a frame is acted on when the board is empty: everything published before a revocation is
 * delivered before it. Loop thread.
 */
#ifndef POLLEN8_GATEWAY_EGRESS_EGRESS_H
#define POLLEN8_GATEWAY_EGRESS_EGRESS_H

#include <stdbool.h>

struct gateway;

/* Runs one turn's share. Returns whether something is left to do. */
bool egress_run(struct gateway *gateway);

#endif
