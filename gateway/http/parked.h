/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * HTTP connections without TLS while they wait: for the answer to a held poll, then, if they are kept alive
 * (RFC 9112 section 9.3), for the next request. The library has read the request, and is not involved until
 * the next one arrives: then it takes the connection back as if it were new.
 *
 * Why: a connection costs the library 1.2 KB, and 8 KB more if it closes after the answer, because it keeps
 * the table of the request's headers until then. Here it is 120 bytes. Loop thread.
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

/* The client has hung up, or the gateway is ending: the connection is gone. */
typedef void parked_gone_fn(void *owner);

enum status parking_create(struct gateway *gateway, struct uv_loop_s *loop, struct parking **ret_parking);

/* Makes a duplicate of the descriptor wait for the answer to its request, or, without `gone` and `owner`, for
 * the next request. The caller then has the library let it go (listener_let_go). NULL: nothing has changed.
 */
struct parked *parked_take(struct gateway *gateway, int descriptor, parked_gone_fn *gone, void *owner);

/* Writes the answer, taking the bytes, and ends the ownership. Unsent bytes have WRITE_TIMEOUT. Then the
 * connection is closed, or waits up to 60 s for a request. */
void parked_answer(struct parked *parked, struct buf *bytes, bool keep_alive);

/* Closes it, without informing the owner. */
void parked_close(struct parked *parked);

/* Once per turn: frees what was closed in it. */
void parking_end_turn(struct gateway *gateway);

/* Closes all and informs their owners; the loop must turn once more for its handle. */
void parking_stop(struct gateway *gateway);
void parking_free(struct parking *parking);

#endif
