/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * Reads what a session missed from the histories: after a claim, after its queue was full, or after a move
 * from another gateway. Loop thread.
 */
#ifndef POLLEN8_GATEWAY_RECOVERY_CATCHUP_READ_H
#define POLLEN8_GATEWAY_RECOVERY_CATCHUP_READ_H

#include <stdbool.h>

#include "common/status.h"

struct catchup_use;
struct frame;
struct gateway;
struct position;
struct session;

/* READING: holds live frames and requests everything after catchup->claim. The session is in its rooms. */
void catchup_read(struct gateway *gateway, struct session *session, const struct catchup_use *use);

/* ---- slow clients ---- */

/* The queue is full: the frame does not fit. False: what is missing cannot be read later. */
bool catchup_slow(struct gateway *gateway, struct session *session, const struct frame *frame);

/* The queue has drained. The session has a catchup. */
void catchup_drained(struct gateway *gateway, struct session *session);

/* A session of /ws that may still resume will not do so: it has sent something else. The held frames go out.
 */
void catchup_stay(struct gateway *gateway, struct session *session);

/* ---- moves between gateways ---- */

/* ARRIVING, for a session that has just been created. STATUS_NO_MEMORY. catchup_asked: the other gateway is
 * now asked to let it go. */
enum status catchup_arriving(struct session *session);
void catchup_asked(struct session *session);

/* The session is here: everything at or before `left` was delivered there. The other held frames follow. */
void catchup_arrived(struct gateway *gateway, struct session *session, const struct position *left);

/* The same for a session whose queue was full there: nothing after `last` is in it. */
void catchup_arrived_slow(struct gateway *gateway, struct session *session, const struct position *last);

#endif
