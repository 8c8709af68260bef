/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * Requests to services, asked and answered on the loop thread over a connection of their own: no thread is
 * woken for one, all that a turn asks leaves in one write, and answers are read many at a time. Apart from
 * the connection that frames come over, so that no answer waits behind frames. Where there is no such
 * connection (BROKER_READER, reader.h) or it is not up, the sender and the bus do it.
 *
 * Memory: about 100 bytes a request that awaits its answer. Loop thread.
 */
#ifndef POLLEN8_GATEWAY_BROKER_REQUESTS_H
#define POLLEN8_GATEWAY_BROKER_REQUESTS_H

#include "common/bus/bus.h"

struct gateway;
struct requests; /* opaque */
struct uv_loop_s;

/* `loop`: what reads the connection; NULL: there is none. Connects in the background. */
enum status requests_create(struct gateway *gateway, struct uv_loop_s *loop, struct requests **ret_requests);

/* As sender_request, but the callback comes on the loop thread or one of the bus's. At most as many await
 * their answers as the bus takes: STATUS_FULL. STATUS_PAYLOAD_TOO_LARGE, STATUS_NO_MEMORY. */
enum status requests_ask(struct requests *requests, const char *subject, struct slice data, bool secret,
                         uint32_t timeout_ms, bus_reply_fn *callback, void *context);

/* Once a turn, at its end: sends what the turn has asked. NULL is accepted. */
void requests_turn(struct requests *requests);

/* What awaits an answer ends with STATUS_DISCONNECTED. The loop must turn once more for the handles; then
 * only requests_free. NULL is accepted. */
void requests_stop(struct requests *requests);
void requests_free(struct requests *requests);

#endif
