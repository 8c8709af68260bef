/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * What catchup.c (what was missed, slow clients, moves) and catchup_live.c (what comes live meanwhile) share.
 * Nobody else includes this file. Loop thread.
 */
#ifndef POLLEN8_GATEWAY_RECOVERY_CATCHUP_INTERNAL_H
#define POLLEN8_GATEWAY_RECOVERY_CATCHUP_INTERNAL_H

#include "recovery/catchup.h"

/* ---- catchup.c ---- */

/* IDLE: nothing is under way. Goes once the ids are of no use any more. */
void catchup_idle(struct gateway *gateway, struct catchup *catchup, uint64_t keep_ms);

/* SLOW: the frame, which histories have, is not given to the session now. */
void catchup_miss(struct catchup *catchup, const struct frame *frame);

/* ---- catchup_live.c ---- */

/* Gives the frame to the session, unless it has had it. May close the session. */
void catchup_pass_on(struct gateway *gateway, struct session *session, struct frame *frame);

/* OPENING is over: what was held goes out, all of it or until the session closes. */
void catchup_let_go(struct gateway *gateway, struct session *session);

#endif
