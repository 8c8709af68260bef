/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * The events that the gateway answers itself: subscribe and unsubscribe, with the data {"industries":[...]}.
 * The data of the ack is {"industries":[...]}: the session's industries afterwards, normalised. All or
 * nothing: if one industry is refused, none changes. Loop thread.
 */
#ifndef POLLEN8_GATEWAY_INGRESS_BUILTINS_H
#define POLLEN8_GATEWAY_INGRESS_BUILTINS_H

#include <stdbool.h>

#include "codec/client_frame.h"

struct gateway;
struct session;

/* Whether the event is a built-in; if so, it has been answered. */
bool builtins_handle(struct gateway *gateway, struct session *session, const struct client_frame *frame);

#endif
