/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * Connects to one of several servers without blocking the loop. Names are resolved on one of the library's
 * threads. Addresses are tried in turn, then the next server. After a round of all servers there is a pause
 * with jitter. It never gives up until it is stopped. Loop thread.
 */
#ifndef POLLEN8_GATEWAY_BROKER_LINK_DIALER_H
#define POLLEN8_GATEWAY_BROKER_LINK_DIALER_H

#include "common/bus/broker_protocol.h"

struct dialer; /* opaque */
struct gateway;
struct uv_loop_s;

/* A connected, non-blocking socket, which the callee owns from now on. */
typedef void dialer_connected_fn(void *context, int descriptor, const struct broker_server *server);

/* `servers` (at least one) are borrowed. NULL when out of memory. */
struct dialer *dialer_create(struct gateway *gateway, struct uv_loop_s *loop,
                             const struct broker_server *servers, size_t count,
                             dialer_connected_fn *connected, void *context);

/* Starts with the next server; the callback comes later, never from here. */
void dialer_start(struct dialer *dialer);

/* The server proved to be usable: the next pause is that of a first failure. */
void dialer_succeeded(struct dialer *dialer);

void dialer_stop(struct dialer *dialer); /* the loop must turn once more before dialer_free */
void dialer_free(struct dialer *dialer);

#endif
