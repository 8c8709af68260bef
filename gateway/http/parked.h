/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * Connections of HTTP without TLS while they wait: for the answer to a poll that is held, then, where they
 * are kept alive (RFC 9112 section 9.3), for the next request. The library has read the request, and is left
 * out until there is another one: it takes the connection back as if it were new.
 *
 * Why: a connection costs the library 1.2 KB, and 8 KB more where it closes after the answer, because it
 * keeps the table of the request's headers until then. Here it is 120 bytes. Loop thread.
 */
#ifndef POLLEN8_GATEWAY_HTTP_PARKED_H
#define POLLEN8_GATEWAY_HTTP_PARKED_H

#include <stdbool.h>

#include "common/buf.h"
#include "common/status.h"

struct gateway;
struct parked;  /* opaque: one connection */
struct parking; /* opaque: all of them */
struct uv_loop_s;

/* The client has hung up, or the gateway ends: the connection is gone. */
typedef void parked_gone_fn(void *owner);

enum status parking_create(struct gateway *gateway, struct uv_loop_s *loop, struct parking **ret_parking);

/* Has a duplicate of the descriptor wait for the answer to its request, or with neither `gone` nor `owner`
 * for the next request; the caller has the library let it go (listener_let_go). NULL: nothing has changed. */
struct parked *parked_take(struct gateway *gateway, int descriptor, parked_gone_fn *gone, void *owner);

/* Writes the answer, taking the bytes, and ends the ownership. What the kernel does not take at once has
 * WRITE_TIMEOUT. Then it is closed, or waits up to 60 s for a request. */
void parked_answer(struct parked *parked, struct buf *bytes, bool keep_alive);

/* Closes it, without telling the owner. */
void parked_close(struct parked *parked);

/* Once a turn: frees what was closed in it. */
void parking_end_turn(struct gateway *gateway);

/* Closes all, telling their owners; the loop must turn once more for its handle. */
void parking_stop(struct gateway *gateway);
void parking_free(struct parking *parking);

#endif
