/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * Live frames for a session that catches up. Depending on its stage they are held, dropped, or passed on
 * unless it has received them before. Loop thread.
 */
#ifndef POLLEN8_GATEWAY_RECOVERY_CATCHUP_LIVE_H
#define POLLEN8_GATEWAY_RECOVERY_CATCHUP_LIVE_H

#include <stdbool.h>
#include <stdint.h>

#define CATCHUP_IDS_KEPT_MS 10000 /* as long as a delivery may be repeated */

struct catchup;
struct frame;
struct gateway;
struct session;

/* A frame from the broker: held, dropped or passed on, by the session's stage. For session_events.deliver. */
void catchup_deliver(struct gateway *gateway, struct session *session, struct frame *frame);

/* IDLE: nothing is in progress. Freed after keep_ms, when the ids are no longer needed. */
void catchup_idle(struct gateway *gateway, struct catchup *catchup, uint64_t keep_ms);

/* Notes that the session has received the frame of this id, here or at another gateway: it does not get it
 * again for a while. */
void catchup_note_had(struct gateway *gateway, struct session *session, uint64_t id);

/* Gives a frame that value-svc has kept, unless it has been delivered live, and keeps a later delivery of it
 * out. False: there was no room for it, and it must be requested again. */
bool catchup_give_kept(struct gateway *gateway, struct session *session, struct frame *frame);

/* ---- sessions of /ws ---- */

/* OPENING: for a while the session may ask to resume. */
void catchup_open(struct gateway *gateway, struct session *session);

/* OPENING is over: the held frames go out, all of them or until the session closes. */
void catchup_let_go(struct gateway *gateway, struct session *session);

#endif
