/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * A whole HTTP/1.1 response, head and body in one piece, so that it is sent in one write. Pure; any thread.
 * No allocation except in the caller's buf.
 */
#ifndef POLLEN8_GATEWAY_HTTP_HTTP_ANSWER_H
#define POLLEN8_GATEWAY_HTTP_HTTP_ANSWER_H

#include <stdbool.h>

#include "base/measures.h"
#include "common/buf.h"
#include "common/slice.h"
#include "common/status.h"

#define HTTP_TEXT "text/plain; charset=UTF-8"
#define HTTP_JSON "application/json"
#define HTTP_HTML "text/html"

struct http_answer {
    unsigned status;
    const char *type;         /* of the body; NULL: there is none, and no length either (204) */
    struct slice body;        /* borrowed */
    const char *extra;        /* further header lines, each with its CRLF; NULL: none */
    enum gateway_label label; /* in the metric of handshakes; LABEL_NONE: it is not counted */
};

/* What every answer needs to know of its request. */
struct http_shape {
    bool keep_alive;     /* the connection stays */
    bool head;           /* HEAD: the length of the body, not the body */
    bool by_origin;      /* the answer depends on the Origin and must not be cached */
    struct slice origin; /* borrowed; an allowed Origin, which may read the answer; NULL data: none */
};

/* STATUS_FULL, STATUS_NO_MEMORY; all or nothing. */
enum status http_answer_append(struct buf *buf, const struct http_answer *answer,
                               const struct http_shape *shape);

#endif
