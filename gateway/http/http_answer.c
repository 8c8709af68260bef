/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * status -> reason phrase -> header lines -> body.
 */
#include "http/http_answer.h"

#include "text/append.h"

static const char *phrase(unsigned status)
{
    switch (status) {
    case 200: return "OK";
    case 204: return "No Content";
    case 400: return "Bad Request";
    case 403: return "Forbidden";
    case 404: return "Not Found";
    case 405: return "Method Not Allowed";
    case 408: return "Request Timeout";
    case 411: return "Length Required";
    case 413: return "Payload Too Large";
    case 426: return "Upgrade Required";
    case 429: return "Too Many Requests";
    case 503: return "Service Unavailable";
    case 505: return "HTTP Version Not Supported";
    default: return "Unknown";
    }
}

static void append_origin(struct append *out, const struct http_shape *shape)
{
    append_text(out, "vary: Origin\r\ncache-control: no-store\r\n");
    if (!shape->origin.data)
        return;
    append_text(out, "access-control-allow-origin: ");
    append_slice(out, shape->origin);
    append_text(out, "\r\naccess-control-allow-credentials: true\r\n");
}

enum status http_answer_append(struct buf *buf, const struct http_answer *answer,
                               const struct http_shape *shape)
{
    struct append out = append_start(buf);
    append_text(&out, "HTTP/1.1 ");
    append_number(&out, answer->status);
    append_text(&out, " ");
    append_text(&out, phrase(answer->status));
    append_text(&out, "\r\n");
    if (answer->type) {
        append_text(&out, "content-type: ");
        append_text(&out, answer->type);
        append_text(&out, "\r\ncontent-length: ");
        append_number(&out, answer->body.length);
        append_text(&out, "\r\n");
    }
    if (shape->by_origin)
        append_origin(&out, shape);
    if (answer->extra)
        append_text(&out, answer->extra);
    append_text(&out, shape->keep_alive ? "connection: keep-alive\r\n\r\n" : "connection: close\r\n\r\n");
    if (answer->type && !shape->head)
        append_slice(&out, answer->body);
    return append_end(&out);
}
