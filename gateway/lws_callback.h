/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * The library's callback: which request may become a WebSocket, of which transport; the answer to every other
 * request; and the events of established sockets, passed on. Loop thread.
 *
 *   /ws           WebSocket, subprotocols pollen8.v1.json (default) and pollen8.v1.protobuf
 *   /socket.io/   Engine.IO v4 over WebSocket and HTTP long-polling
 *   /             a line of text
 */
#ifndef POLLEN8_GATEWAY_LWS_CALLBACK_H
#define POLLEN8_GATEWAY_LWS_CALLBACK_H

struct lws;
struct lws_http_mount;
struct lws_protocols;

/* The table for the library; ends with a zero entry. The context's user pointer is the struct gateway. */
const struct lws_protocols *lws_callback_protocols(void);

/* Which plain requests reach the callback: all. */
const struct lws_http_mount *lws_callback_mounts(void);

#endif
