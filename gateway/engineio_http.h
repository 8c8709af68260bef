/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * A plain HTTP request to Engine.IO's path: CORS, the checks of the stock server in its order, then a new
 * session, a poll, a body or a refusal. Loop thread.
 */
#ifndef POLLEN8_GATEWAY_ENGINEIO_HTTP_H
#define POLLEN8_GATEWAY_ENGINEIO_HTTP_H

struct gateway;
struct http_answer;
struct lws;

/* From the library's HTTP callback; the result is the callback's. */
int polling_request(struct gateway *gateway, struct lws *wsi);

extern const struct http_answer http_draining; /* 503, reconnect in a second */

#endif
