/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * Requests to services, sent and answered on the loop thread over their own connection. No thread is woken
 * for a request, all requests of a turn leave in one write, and answers are read many at a time. The
 * connection is separate from the one that frames come over, so that no answer waits behind frames. If there
 * is no such connection (BROKER_READER, reader.h) or it is not up, the sender and the bus send the request.
 *
 * Memory: about 100 bytes per request that awaits its answer. Loop thread.
 */
#ifndef POLLEN8_GATEWAY_BROKER_REQUESTS_H
#define POLLEN8_GATEWAY_BROKER_REQUESTS_H

#include "common/bus/bus.h"

struct gateway;
struct requests; /* opaque */
struct uv_loop_s;

/* `loop` reads the connection; NULL: there is none. Connects in the background. */
enum status requests_create(struct gateway *gateway, struct uv_loop_s *loop, struct requests **ret_requests);

/* As sender_request, but the callback comes on the loop thread or on one of the bus's. As many may await
 * their answers as the bus allows; more get STATUS_FULL. STATUS_PAYLOAD_TOO_LARGE, STATUS_NO_MEMORY. */
enum status requests_ask(struct requests *requests, const char *subject, struct slice data, bool secret,
                         uint32_t timeout_ms, bus_reply_fn *callback, void *context);

/* Once a turn, at its end: sends the requests of the turn. NULL is accepted. */
void requests_turn(struct requests *requests);

/* Ends all waiting requests with STATUS_DISCONNECTED. The loop must turn once more for the handles; then call
 * only requests_free. NULL is accepted. */
void requests_stop(struct requests *requests);
void requests_free(struct requests *requests);

#endif
