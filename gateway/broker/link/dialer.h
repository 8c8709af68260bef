/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * Connects to one of several servers without holding the loop up: names are resolved on a thread of the
 * library's, addresses are tried in turn, then the next server; after a round of all of them a pause with
 * jitter. For ever, until it is stopped. Loop thread.
 */
#ifndef POLLEN8_GATEWAY_BROKER_LINK_DIALER_H
#define POLLEN8_GATEWAY_BROKER_LINK_DIALER_H

#include "common/bus/broker_protocol.h"

struct dialer; /* opaque */
struct gateway;
struct uv_loop_s;

/* A connected, non-blocking socket, the callee's from now on. */
typedef void dialer_connected_fn(void *context, int descriptor, const struct broker_server *server);

/* `servers` (at least one) are borrowed. NULL where memory is short. */
struct dialer *dialer_create(struct gateway *gateway, struct uv_loop_s *loop,
                             const struct broker_server *servers, size_t count,
                             dialer_connected_fn *connected, void *context);

/* Starts with the next server; the callback comes later, never from here. */
void dialer_start(struct dialer *dialer);

/* The server was what it should be: the next pause is that of a first failure. */
void dialer_succeeded(struct dialer *dialer);

void dialer_stop(struct dialer *dialer); /* the loop must turn once more before dialer_free */
void dialer_free(struct dialer *dialer);

#endif
