/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * The one entry for what clients send, whatever the transport: state -> limits -> built-in or relay. Loop
 * thread. Either call may close the session.
 */
#ifndef POLLEN8_GATEWAY_INGRESS_INGRESS_H
#define POLLEN8_GATEWAY_INGRESS_INGRESS_H

#include "codec/client_frame.h"

struct gateway;
struct session;

/* A decoded frame of an open session. */
void ingress_frame(struct gateway *gateway, struct session *session, const struct client_frame *frame);

/* A frame that did not decode: limited like any other, then told what is wrong with it. `id` may be empty. */
void ingress_malformed(struct gateway *gateway, struct session *session, struct slice id, enum status status,
                       const struct client_reason *reason);

/* The client's answer to an event that asked for one: the array of what it gave. One that nothing asked for
 * counts as an event. */
void ingress_answer(struct gateway *gateway, struct session *session, uint64_t number, struct slice array,
                    const struct attachments *attachments);

#endif
