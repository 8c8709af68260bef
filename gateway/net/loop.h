/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * The loop thread: libuv's loop, the WebSocket library's context on it, and the turn that ends every round of
 * callbacks: timers, answers, deliveries, one flush, closes, frees; see loop.c. Everything that touches a
 * session happens here.
 */
#ifndef POLLEN8_GATEWAY_NET_LOOP_H
#define POLLEN8_GATEWAY_NET_LOOP_H

#include <stdbool.h>
#include <stddef.h>

#include "common/status.h"

struct gateway;
struct loop; /* opaque */
struct uv_loop_s;

/* What a signal asks for; called on the loop thread. */
struct loop_handlers {
    void (*stop)(struct gateway *gateway);
    void (*reload)(struct gateway *gateway);
};

/* Makes loop, context and listener (gateway->listener). On failure `error` gets one line. */
enum status loop_create(struct gateway *gateway, const struct loop_handlers *handlers, char *error,
                        size_t error_size);

/* Runs until loop_end; then closes what is left of the connections. */
void loop_run(struct loop *loop);

/* Ends loop_run after this turn. Loop thread. */
void loop_end(struct loop *loop);

/* The event library's loop, for what watches descriptors of its own. */
struct uv_loop_s *loop_uv(struct loop *loop);

/* Whether the library holds bytes of any connection that it has read and not yet worked on. Loop thread. */
bool loop_input_waits(const struct loop *loop);

/* Whether the loop is in the part of its turn that reads from sockets. Loop thread. */
bool loop_polling(const struct loop *loop);

/* Whether the connection that calls back had bytes left from an earlier read, so that what it is called about
 * was not read from its socket just now. Loop thread, in a callback of the library about a request. */
bool loop_left_over(const struct loop *loop);

/* Wakes the loop. Any thread. */
void loop_wake(void *context);

void loop_free(struct loop *loop);

#endif
