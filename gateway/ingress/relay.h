/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * Requests to the services on behalf of a session, and their replies: a token to auth-svc, an event to its
 * subject. A reply finds its session by handle. If the session has moved to another gateway, the reply to an
 * event follows it; if it has ended, the reply is dropped. Loop thread.
 *
 * Every request is completed exactly once, also on timeout and disconnect.
 */
#ifndef POLLEN8_GATEWAY_INGRESS_RELAY_H
#define POLLEN8_GATEWAY_INGRESS_RELAY_H

#include "common/slice.h"
#include "common/status.h"
#include "text/client_token.h"

struct gateway;
struct session;
struct client_frame;

/* CONNECTED -> AUTHENTICATING: asks auth-svc about a token (taken and wiped). `auth`: the JSON it came with,
 * passed on if the setting says so. `id`: the client's id for this message, may be empty. The reply comes
 * through ops->opened or ops->refused. */
void relay_authenticate(struct gateway *gateway, struct session *session, struct client_token *token,
                        struct slice auth, struct slice id);

/* Sends the event to pollen8.in.<event>. The reply goes to the client. */
enum status relay_event(struct gateway *gateway, struct session *session, const struct client_frame *frame);

#endif
