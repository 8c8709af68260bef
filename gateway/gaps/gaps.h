/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * The room gaps/: frames that the gateway as a whole missed, and how it gets them from the histories before
 * anything newer goes out.
 *
 *   in    a gap: a delivery that shows one (gaps_lane, gaps_user), or the broker's connection and the
 *         mailbox, looked at ten times a second (reconnect.h)
 *   out   the missed frames, one by one (gaps_next); closed sessions if a history is incomplete
 *
 * There are three kinds of gap:
 *
 *   lane        A frame or mark says that another one came before it. The frames of that lane in between are
 *               requested; the delivery that showed the gap follows them.
 *   everywhere  The broker was unreachable, or dropped messages on their way here, or the mailbox was full.
 *               Everything after the position is requested.
 *   user        A user's frame says that others came before it. They are checked 150 ms later, because two
 *               publishers may overtake each other. Nothing is held up.
 *
 * While one of the first two is being asked for, no frame is taken from the mailbox. If a history is
 * incomplete for a room, its sessions are closed: their clients reconnect, and recover or learn that they
 * cannot.
 *
 * Example: this gateway has taken everything of lane 7 up to 40; 42 gets lost.
 *
 *   shown     43 comes and says "previous 42". The last number heard is 40: a gap. The position stays at 40.
 *             (41 went to a user who is not here; `previous` skips it, as not every gateway hears it.)
 *   held      43 is kept as `pending`. 44 comes, says "previous 43", and waits in the mailbox.
 *   asked     value-svc, for all rooms with members here: what came after the position, in lane 7 only.
 *   answered  42 and 44, which has been stored by now. 44 is dropped: it is not before 43, so it comes live.
 *   given     42, which moves the position to 42; then 43, which moves it to 43; then 44 from the mailbox.
 *   repeated  If 42 still comes live, its number does not show a repeat: 42 is before 43, and not all up to
 *             43 was seen live. Its event id does (egress/dedupe.h), and it is dropped.
 *
 * Loop thread.
 */
#ifndef POLLEN8_GATEWAY_GAPS_GAPS_H
#define POLLEN8_GATEWAY_GAPS_GAPS_H

#include <stdbool.h>
#include <stdint.h>

#include "common/status.h"

struct delivery;
struct gateway;
struct gaps; /* opaque */
struct room;

enum status gaps_create(struct gateway *gateway, struct gaps **ret_gaps);
void gaps_free(struct gateway *gateway, struct gaps *gaps);

/* The delivery (taken) shows a gap in its lane. */
void gaps_lane(struct gateway *gateway, struct delivery *delivery);

/* Anything may be missing. */
void gaps_everywhere(struct gateway *gateway);

/* A frame to the user came that is not the next one of its history. */
void gaps_user(struct gateway *gateway, const struct room *room);

/* Whether the frames in the mailbox must wait for a history. */
bool gaps_holds(const struct gateway *gateway);

/* The next missed frame, or the delivery that was held back; NULL: none. It belongs to the caller.
 * `ret_in_lane`: the position follows it; otherwise it fills a hole behind the position. */
struct delivery *gaps_next(struct gateway *gateway, bool *ret_in_lane);

#endif
