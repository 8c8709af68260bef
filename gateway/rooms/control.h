/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * What the platform says about a user while it is connected (pollen8.ctl.user.<token>), or while it connects.
 * A control must also reach an identity that was requested before the control came and arrives after it.
 * Therefore the last CONTROLS_KEPT controls are kept, numbered as they came. Loop thread, except for
 * control_receive.
 */
#ifndef POLLEN8_GATEWAY_ROOMS_CONTROL_H
#define POLLEN8_GATEWAY_ROOMS_CONTROL_H

#include <stdbool.h>
#include <stdint.h>

#define CONTROLS_KEPT 4096

struct bus_message;
struct controls; /* opaque */
struct gateway;
struct identity;
struct session;

/* NULL when out of memory. */
struct controls *controls_create(void);
void controls_free(struct controls *controls);

/* The number of the last control that came. */
uint64_t controls_last(const struct controls *controls);

/* From the broker to the mailbox. The loop acts on it after the members have been given what was published
 * before it. On the thread that reads (reader.h); the context is the struct gateway. */
void control_receive(void *context, const struct bus_message *message);

/* To be called before a session that is in no room yet gets the identity. `after` was the last control when
 * the identity was requested: applies the later ones about its user, which may replace *identity. False: the
 * session has been closed, the reference released and *identity set to NULL. If one of those controls is no
 * longer kept, the session is closed in the same way, so that its client tries again. */
bool control_apply_since(struct gateway *gateway, struct session *session, uint64_t after,
                         struct identity **identity);

#endif
