/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * What the platform says about a user while it is connected (pollen8.ctl.user.<token>), or while it connects:
 * an identity that was asked about before a control came, and is known only after it, does not escape it.
 * Therefore the last CONTROLS_KEPT controls are kept, numbered as they came. Loop thread, but for
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

/* NULL where memory is short. */
struct controls *controls_create(void);
void controls_free(struct controls *controls);

/* The number of the last control that came. */
uint64_t controls_last(const struct controls *controls);

/* From the broker to the mailbox; the loop acts on it when the members have been given what was published
 * before it. On the thread that reads (reader.h); the context is the struct gateway. */
void control_receive(void *context, const struct bus_message *message);

/* A session that is in no room yet is about to be given the identity, which was asked about when `after` was
 * the last control: applies what has come since about its user. It may replace *identity; false: the session
 * has been closed, the reference given up and *identity set to NULL. So it is, for another try, where one of
 * those controls is not kept any more. */
bool control_apply_since(struct gateway *gateway, struct session *session, uint64_t after,
                         struct identity **identity);

#endif
