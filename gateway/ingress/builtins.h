/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * The events the gateway answers itself: subscribe and unsubscribe, with the data {"industries":[...]}. An
 * ack's data is {"industries":[...]}: those the session is in afterwards, normalised. All or nothing: where
 * one industry is refused none changes. Loop thread.
 */
#ifndef POLLEN8_GATEWAY_INGRESS_BUILTINS_H
#define POLLEN8_GATEWAY_INGRESS_BUILTINS_H

#include <stdbool.h>

#include "codec/client_frame.h"

struct gateway;
struct session;

/* Whether the event is a built-in; it has then been answered. */
bool builtins_handle(struct gateway *gateway, struct session *session, const struct client_frame *frame);

#endif
