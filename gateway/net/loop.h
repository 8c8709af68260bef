/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * The room net/: the loop thread and the sockets.
 *
 *   in    connections, bytes and signals; wakes from other threads
 *   out   whole WebSocket messages to their owners (websocket.h); HTTP requests to the library's callback;
 *         the turn that ends every round of callbacks (loop_handlers.turn)
 *
 * This file is libuv's loop, with the WebSocket library's context on it. Everything that touches a session
 * happens on its thread.
 */
#ifndef POLLEN8_GATEWAY_NET_LOOP_H
#define POLLEN8_GATEWAY_NET_LOOP_H

#include <stdbool.h>
#include <stddef.h>

#include "common/status.h"

struct gateway;
struct loop; /* opaque */
struct lws_http_mount;
struct lws_protocols;
struct uv_loop_s;

/* What the loop itself does not know; called on the loop thread. */
struct loop_handlers {
    /* Ends every round of callbacks. The loop does not sleep if it returns true: something is left to do. */
    bool (*turn)(struct gateway *gateway);
    void (*polled)(struct gateway *gateway); /* before the library is served what is left of earlier reads */
    void (*close)(struct gateway *gateway);  /* after the last turn: closes every connection and handle */
    void (*free)(struct gateway *gateway);   /* then, when no callback can come any more */
    void (*stop)(struct gateway *gateway);   /* called on a signal, like the next */
    void (*reload)(struct gateway *gateway);
    const struct lws_protocols *protocols; /* the library's own tables: what it calls, and for which paths */
    const struct lws_http_mount *mounts;
};

/* Creates loop, context, sockets and listener (gateway->sockets, gateway->listener). The tables are static.
 * On failure `error` gets one line. */
enum status loop_create(struct gateway *gateway, const struct loop_handlers *handlers, char *error,
                        size_t error_size);

/* Runs until loop_end; then closes the remaining connections. */
void loop_run(struct loop *loop);

/* Ends loop_run after this turn. Loop thread. */
void loop_end(struct loop *loop);

/* The event library's loop, for parts that watch descriptors of their own. */
struct uv_loop_s *loop_uv(struct loop *loop);

/* Whether the library holds bytes of any connection that it has read but not yet processed. Loop thread. */
bool loop_input_waits(const struct loop *loop);

/* Whether the loop is in the part of its turn that reads from sockets. Loop thread. */
bool loop_polling(const struct loop *loop);

/* Whether the connection that calls back had bytes left from an earlier read, so that this event was not read
 * from its socket just now. Loop thread, in a callback of the library about a request. */
bool loop_left_over(const struct loop *loop);

/* Wakes the loop. Any thread. */
void loop_wake(void *context);

void loop_free(struct loop *loop);

#endif
