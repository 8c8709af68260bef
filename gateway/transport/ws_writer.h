/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * A session on its WebSocket: its queue, written once a turn, and what the socket tells about it. Both
 * transports over WebSocket use these functions: the session's `transport` is the websocket, and the
 * websocket's owner is the session. Loop thread.
 */
#ifndef POLLEN8_GATEWAY_TRANSPORT_WS_WRITER_H
#define POLLEN8_GATEWAY_TRANSPORT_WS_WRITER_H

#include <stdbool.h>
#include <stdint.h>

#include "common/status.h"

struct gateway;
struct session;
struct ws_writer; /* opaque: the buffer in which frames are gathered, one for all sessions; 70 KB */

/* NULL when out of memory. */
struct ws_writer *ws_writer_create(void);
void ws_writer_free(struct ws_writer *writer);

/* ---- for struct transport_ops ---- */

/* Writes the session's queue, everything that waits in one write, unless the socket is blocked. */
void ws_writer_flush(struct gateway *gateway, struct session *session);

bool ws_writer_writable(const struct session *session);

/* Writes what waits, unless code is 0; the session is detached at once. */
void ws_writer_close(struct gateway *gateway, struct session *session, uint16_t code, const char *text);

/* ---- for struct websocket_owner; the owner is the session ---- */
void ws_writer_pong(struct gateway *gateway, void *owner);
void ws_writer_unblocked(struct gateway *gateway, void *owner, bool all);
void ws_writer_failed(struct gateway *gateway, void *owner, enum status status);
void ws_writer_lost(struct gateway *gateway, void *owner);

#endif
