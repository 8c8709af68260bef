/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * Reads what a request says while its headers are there: route, query, address, token. Loop thread; valid in
 * the library's HTTP callbacks and in ESTABLISHED.
 */
#ifndef POLLEN8_GATEWAY_HTTP_HTTP_REQUEST_H
#define POLLEN8_GATEWAY_HTTP_HTTP_REQUEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/slice.h"
#include "common/status.h"
#include "frame/frame.h"

struct gateway;
struct http_answer;
struct client_token;
struct lws;
struct sockaddr_storage;

enum http_request_route { ROUTE_NONE, ROUTE_ROOT, ROUTE_WS, ROUTE_SOCKETIO };

enum http_request_method { METHOD_GET, METHOD_HEAD, METHOD_POST, METHOD_OPTIONS, METHOD_OTHER };

/* The length of the body if the request does not say it. */
#define HTTP_REQUEST_BODY_UNKNOWN UINT64_MAX

enum http_request_route http_request_route(const struct gateway *gateway, struct lws *wsi);
enum http_request_method http_request_method(struct lws *wsi);

/* HTTP/1.0 or HTTP/1.1. */
bool http_request_version_known(struct lws *wsi);

/* Whether the connection outlives the answer; decided exactly as the library does. */
bool http_request_keep_alive(struct lws *wsi);

/* Bytes of body that follow: 0, a number, or HTTP_REQUEST_BODY_UNKNOWN (chunked, an invalid length, or a
 * method that has a body but no length). */
uint64_t http_request_body_length(struct lws *wsi);

/* The decoded value of a query argument; `name` ends in '='. False if it is absent or too long. */
bool http_request_argument(struct lws *wsi, const char *name, char *out, size_t size);

bool http_request_argument_given(struct lws *wsi, const char *name);

bool http_request_origin_allowed(const struct gateway *gateway, struct lws *wsi);

/* The value of the header, borrowed from `out`; NULL data if it is absent, does not fit or contains a
 * character that no such value has. */
struct slice http_request_origin(struct lws *wsi, char *out, size_t size);
struct slice http_request_wanted_headers(struct lws *wsi, char *out, size_t size); /* of a preflight */

/* Whether the body is declared as application/octet-stream, which no Engine.IO v4 body is. */
bool http_request_body_binary(struct lws *wsi);

/* The client's address: that of the peer, or the one that trusted proxies report. */
void http_request_address(const struct gateway *gateway, struct lws *wsi,
                          struct sockaddr_storage *ret_address);

/* Takes a token of the client's address from the rate of handshakes. NULL if it is within the rate, else the
 * refusal. */
const struct http_answer *http_request_limit(struct gateway *gateway, struct lws *wsi);

/* The format that Sec-WebSocket-Protocol asks for on /ws; STATUS_NOT_FOUND if it offers none of ours. */
enum status http_request_format(struct lws *wsi, enum frame_format *ret_format);

/* The token of header or query. STATUS_OK with an empty token if there is none. */
enum status http_request_token(struct lws *wsi, struct client_token *ret_token);

#endif
