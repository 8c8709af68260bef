/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * The room ingress/: everything that clients send, whatever the transport.
 *
 *   in    a decoded frame of an open session, or one that did not decode; a client's token; the replies of
 *         the services; events that ask the client for an answer
 *   out   requests to auth-svc and to the subjects of the events; acks and errors to the client; joined and
 *         left rooms; a ClientAnswer to the service that asked; a closed session
 *
 * This file is the one entry: state -> limits -> built-in or relay. Each call may close the session. Loop
 * thread.
 */
#ifndef POLLEN8_GATEWAY_INGRESS_INGRESS_H
#define POLLEN8_GATEWAY_INGRESS_INGRESS_H

#include "codec/client_frame.h"

struct gateway;
struct session;

/* A decoded frame of an open session. */
void ingress_frame(struct gateway *gateway, struct session *session, const struct client_frame *frame);

/* Handles a frame that did not decode: limited like any other, then answered with its error. `id` may be
 * empty. */
void ingress_malformed(struct gateway *gateway, struct session *session, struct slice id, enum status status,
                       const struct client_reason *reason);

/* Handles the client's answer, an array, to an event that asked for one. An answer that was not asked for
 * counts as an event. */
void ingress_answer(struct gateway *gateway, struct session *session, uint64_t number, struct slice array,
                    const struct attachments *attachments);

#endif
