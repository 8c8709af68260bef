/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * Reads what a request says while its headers are there: route, query, address, token. Loop thread; valid in
 * the library's HTTP callbacks and in ESTABLISHED.
 */
#ifndef POLLEN8_GATEWAY_REQUEST_H
#define POLLEN8_GATEWAY_REQUEST_H

#include <stdbool.h>
#include <stddef.h>

#include "../common/status.h"
#include "frame.h"

struct gateway;
struct handshake_token;
struct lws;
struct sockaddr_storage;

enum request_route { ROUTE_NONE, ROUTE_ROOT, ROUTE_WS, ROUTE_SOCKETIO };

enum request_route request_route(struct lws *wsi);

/* HTTP/1.0 or HTTP/1.1. */
bool request_version_known(struct lws *wsi);

/* The decoded value of a query argument; `name` ends in '='. False where it is absent or too long. */
bool request_argument(struct lws *wsi, const char *name, char *out, size_t size);

bool request_origin_allowed(const struct gateway *gateway, struct lws *wsi);

/* The client's address: the peer's, or what trusted proxies say. */
void request_address(const struct gateway *gateway, struct lws *wsi, struct sockaddr_storage *ret_address);

/* The format that Sec-WebSocket-Protocol asks for on /ws; STATUS_NOT_FOUND where it offers none of ours. */
enum status request_format(struct lws *wsi, enum frame_format *ret_format);

/* The token of header or query. STATUS_OK with an empty token where there is none. */
enum status request_token(struct lws *wsi, struct handshake_token *ret_token);

#endif
