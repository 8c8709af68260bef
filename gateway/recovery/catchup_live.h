/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * What a session that catches up does with frames that come live: by its stage they are held, dropped, or
 * passed on, unless it has been given them before. Loop thread.
 */
#ifndef POLLEN8_GATEWAY_RECOVERY_CATCHUP_LIVE_H
#define POLLEN8_GATEWAY_RECOVERY_CATCHUP_LIVE_H

#include <stdbool.h>
#include <stdint.h>

#define CATCHUP_IDS_KEPT_MS 10000 /* as long as a repeat of a delivery may come */

struct catchup;
struct frame;
struct gateway;
struct session;

/* A frame from the broker: held, dropped or passed on, by the session's stage. For session_events.deliver. */
void catchup_deliver(struct gateway *gateway, struct session *session, struct frame *frame);

/* IDLE: nothing is under way. Freed after keep_ms, when the ids are of no use any more. */
void catchup_idle(struct gateway *gateway, struct catchup *catchup, uint64_t keep_ms);

/* The session has been given the frame of this id, here or at another gateway: not again for a while. */
void catchup_note_had(struct gateway *gateway, struct session *session, uint64_t id);

/* A frame that value-svc has kept, unless it has been delivered live; and not again if it will be. False:
 * there was no room for it, and it has to be asked for again.
 */
bool catchup_give_kept(struct gateway *gateway, struct session *session, struct frame *frame);

/* ---- sessions of /ws ---- */

/* OPENING: for a while the session may ask to resume. */
void catchup_open(struct gateway *gateway, struct session *session);

/* OPENING is over: what was held goes out, all of it or until the session closes. */
void catchup_let_go(struct gateway *gateway, struct session *session);

#endif
