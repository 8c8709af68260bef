/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * What a session missed, read from the histories: after a claim, after its queue was full, or after it came
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

/* READING: holds live frames and asks for what came after catchup->claim. The session is in its rooms. */
void catchup_read(struct gateway *gateway, struct session *session, const struct catchup_use *use);

/* ---- slow clients ---- */

/* The queue is full, the frame does not fit. False: what is missing cannot be read later. */
bool catchup_slow(struct gateway *gateway, struct session *session, const struct frame *frame);

/* The queue has drained. The session has a catchup. */
void catchup_drained(struct gateway *gateway, struct session *session);

/* A session of /ws that may still resume will not: it has sent something else. What is held goes out. */
void catchup_stay(struct gateway *gateway, struct session *session);

/* ---- moves between gateways ---- */

/* ARRIVING, for a session that has just been made. STATUS_NO_MEMORY. And: the other gateway is now asked to
 * let it go.
 */
enum status catchup_arriving(struct session *session);
void catchup_asked(struct session *session);

/* It is here: everything at or before `left` was given there. What was held follows, except that. */
void catchup_arrived(struct gateway *gateway, struct session *session, const struct position *left);

/* The same for one whose queue was full there: nothing after `last` is in it. */
void catchup_arrived_slow(struct gateway *gateway, struct session *session, const struct position *last);

#endif
