/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * Headers of the library's table -> slices and small copies on the stack; buffers that held a token are
 * wiped.
 */
#include "http/http_request.h"

#include <arpa/inet.h>
#include <libwebsockets.h>
#include <string.h>

#include "base/gateway.h"
#include "codec/format.h"
#include "http/http_answer.h"
#include "http/origin.h"
#include "text/client_token.h"

#define HEADER_MAXIMUM 512

static const enum lws_token_indexes uri_tokens[] = {
    WSI_TOKEN_GET_URI, WSI_TOKEN_POST_URI,  WSI_TOKEN_OPTIONS_URI, WSI_TOKEN_HEAD_URI,
    WSI_TOKEN_PUT_URI, WSI_TOKEN_PATCH_URI, WSI_TOKEN_DELETE_URI};

/* Whether `path` is `route`, with or without a trailing slash. */
static bool path_is(const char *path, const char *route)
{
    size_t length = strlen(route);
    return strncmp(path, route, length) == 0 &&
           (path[length] == '\0' || (path[length] == '/' && path[length + 1] == '\0'));
}

enum http_request_route http_request_route(const struct gateway *gateway, struct lws *wsi)
{
    char path[64];
    for (size_t i = 0; i < sizeof(uri_tokens) / sizeof(uri_tokens[0]); i++) {
        if (lws_hdr_total_length(wsi, uri_tokens[i]) <= 0)
            continue;
        if (lws_hdr_copy(wsi, path, sizeof(path), uri_tokens[i]) <= 0)
            return ROUTE_NONE;
        if (path_is(path, gateway->settings->socketio_path))
            return ROUTE_SOCKETIO;
        if (path_is(path, "/ws"))
            return ROUTE_WS;
        return strcmp(path, "/") == 0 ? ROUTE_ROOT : ROUTE_NONE;
    }
    return ROUTE_NONE;
}

enum http_request_method http_request_method(struct lws *wsi)
{
    static const struct {
        enum lws_token_indexes token;
        enum http_request_method method;
    } methods[] = {{WSI_TOKEN_GET_URI, METHOD_GET},
                   {WSI_TOKEN_HEAD_URI, METHOD_HEAD},
                   {WSI_TOKEN_POST_URI, METHOD_POST},
                   {WSI_TOKEN_OPTIONS_URI, METHOD_OPTIONS}};
    for (size_t i = 0; i < sizeof(methods) / sizeof(methods[0]); i++)
        if (lws_hdr_total_length(wsi, methods[i].token) > 0)
            return methods[i].method;
    return METHOD_OTHER;
}

bool http_request_version_known(struct lws *wsi)
{
    char version[16] = "";
    if (lws_hdr_copy(wsi, version, sizeof(version), WSI_TOKEN_HTTP) <= 0)
        return false;
    return strcmp(version, "HTTP/1.1") == 0 || strcmp(version, "HTTP/1.0") == 0;
}

bool http_request_keep_alive(struct lws *wsi)
{
    char text[25] = "";
    if (lws_hdr_copy(wsi, text, sizeof(text) - 1, WSI_TOKEN_CONNECTION) > 0) {
        if (strcasecmp(text, "keep-alive") == 0)
            return true;
        if (strcasecmp(text, "close") == 0)
            return false;
    }
    text[0] = '\0';
    return lws_hdr_copy(wsi, text, sizeof(text) - 1, WSI_TOKEN_HTTP) > 0 && strcmp(text, "HTTP/1.1") == 0;
}

uint64_t http_request_body_length(struct lws *wsi)
{
    char text[20];
    uint64_t length = 0;
    enum http_request_method method = http_request_method(wsi);
    if (lws_hdr_total_length(wsi, WSI_TOKEN_HTTP_TRANSFER_ENCODING) > 0)
        return HTTP_REQUEST_BODY_UNKNOWN;
    if (lws_hdr_total_length(wsi, WSI_TOKEN_HTTP_CONTENT_LENGTH) <= 0)
        return method == METHOD_POST || lws_hdr_total_length(wsi, WSI_TOKEN_PUT_URI) > 0 ||
                       lws_hdr_total_length(wsi, WSI_TOKEN_PATCH_URI) > 0
                   ? HTTP_REQUEST_BODY_UNKNOWN
                   : 0;
    int digits = lws_hdr_copy(wsi, text, sizeof(text), WSI_TOKEN_HTTP_CONTENT_LENGTH);
    if (digits <= 0 || strspn(text, "0123456789") != (size_t)digits)
        return HTTP_REQUEST_BODY_UNKNOWN;
    for (int i = 0; i < digits; i++)
        length = length * 10 + (uint64_t)(text[i] - '0');
    return length;
}

bool http_request_argument_given(struct lws *wsi, const char *name)
{
    char raw[HEADER_MAXIMUM];
    return lws_get_urlarg_by_name(wsi, name, raw, sizeof(raw)) != NULL;
}

bool http_request_argument(struct lws *wsi, const char *name, char *out, size_t size)
{
    char raw[HEADER_MAXIMUM];
    const char *value = lws_get_urlarg_by_name(wsi, name, raw, sizeof(raw));
    size_t length = value ? strlen(value) : 0;
    if (!value || length >= size)
        return false;
    memcpy(out, value, length + 1);
    return true;
}

/* NULL data if the header is absent; "" if it does not fit, which no check accepts. */
static struct slice header(struct lws *wsi, enum lws_token_indexes token, char *out, size_t size)
{
    if (lws_hdr_total_length(wsi, token) <= 0)
        return (struct slice){0};
    int length = lws_hdr_copy(wsi, out, (int)size, token);
    return slice_make(out, length > 0 ? (size_t)length : 0);
}

/* The value of a header if it is printable ASCII, so that it may be repeated in an answer. */
static struct slice plain_header(struct lws *wsi, enum lws_token_indexes token, char *out, size_t size)
{
    struct slice value = header(wsi, token, out, size);
    for (size_t i = 0; i < value.length; i++)
        if (value.data[i] < ' ' || value.data[i] > '~')
            return (struct slice){0};
    return value.length ? value : (struct slice){0};
}

struct slice http_request_origin(struct lws *wsi, char *out, size_t size)
{
    return plain_header(wsi, WSI_TOKEN_ORIGIN, out, size);
}

struct slice http_request_wanted_headers(struct lws *wsi, char *out, size_t size)
{
    return plain_header(wsi, WSI_TOKEN_HTTP_AC_REQUEST_HEADERS, out, size);
}

bool http_request_body_binary(struct lws *wsi)
{
    char type[HEADER_MAXIMUM];
    return header(wsi, WSI_TOKEN_HTTP_CONTENT_TYPE, type, sizeof(type)).length &&
           strcasecmp(type, "application/octet-stream") == 0;
}

bool http_request_origin_allowed(const struct gateway *gateway, struct lws *wsi)
{
    char origin[HEADER_MAXIMUM];
    char host[HEADER_MAXIMUM];
    return origin_allowed(gateway->origins, header(wsi, WSI_TOKEN_ORIGIN, origin, sizeof(origin)),
                          header(wsi, WSI_TOKEN_HOST, host, sizeof(host)));
}

static bool parse_address(const char *text, struct sockaddr_storage *ret_address)
{
    struct sockaddr_in v4 = {.sin_family = AF_INET};
    struct sockaddr_in6 v6 = {.sin6_family = AF_INET6};
    if (inet_pton(AF_INET, text, &v4.sin_addr) == 1)
        memcpy(ret_address, &v4, sizeof(v4));
    else if (inet_pton(AF_INET6, text, &v6.sin6_addr) == 1)
        memcpy(ret_address, &v6, sizeof(v6));
    else
        return false;
    return true;
}

/* X-Forwarded-For is read from its end: each proxy adds the address it saw, and only what a trusted one added
 * can be believed. */
static void forwarded_address(const struct gateway *gateway, char *list, struct sockaddr_storage *address)
{
    struct sockaddr_storage next;
    while (networks_contain(gateway->proxies, (const struct sockaddr *)address)) {
        char *comma = strrchr(list, ',');
        char *item = comma ? comma + 1 : list;
        item += strspn(item, " \t");
        item[strcspn(item, " \t")] = '\0';
        memset(&next, 0, sizeof(next));
        if (!parse_address(item, &next))
            return;
        *address = next;
        if (!comma)
            return;
        *comma = '\0';
    }
}

void http_request_address(const struct gateway *gateway, struct lws *wsi,
                          struct sockaddr_storage *ret_address)
{
    char list[HEADER_MAXIMUM];
    socklen_t length = sizeof(*ret_address);
    memset(ret_address, 0, sizeof(*ret_address));
    if (getpeername(lws_get_socket_fd(wsi), (struct sockaddr *)ret_address, &length) != 0)
        return;
    struct slice forwarded = header(wsi, WSI_TOKEN_X_FORWARDED_FOR, list, sizeof(list));
    if (forwarded.length)
        forwarded_address(gateway, list, ret_address);
}

const struct http_answer *http_request_limit(struct gateway *gateway, struct lws *wsi)
{
    static const struct http_answer limited = {
        429, HTTP_TEXT, {"too many handshakes\n", 20}, "retry-after: 1\r\n", LABEL_HANDSHAKES_RATE};
    struct sockaddr_storage address;
    http_request_address(gateway, wsi, &address);
    enum status status =
        address_limits_take(gateway->handshakes, (const struct sockaddr *)&address, gateway->now_ms, NULL);
    return status == STATUS_OK ? NULL : &limited;
}

enum status http_request_format(struct lws *wsi, enum frame_format *ret_format)
{
    char list[HEADER_MAXIMUM];
    char *rest = NULL;
    struct slice offered = header(wsi, WSI_TOKEN_PROTOCOL, list, sizeof(list));
    if (!offered.data) {
        *ret_format = FRAME_JSON;
        return STATUS_OK;
    }
    if (offered.length == 0)
        return STATUS_NOT_FOUND;
    for (char *name = strtok_r(list, ", \t", &rest); name; name = strtok_r(NULL, ", \t", &rest))
        if (format_find(name, ret_format) == STATUS_OK)
            return STATUS_OK;
    return STATUS_NOT_FOUND;
}

enum status http_request_token(struct lws *wsi, struct client_token *ret_token)
{
    char text[CLIENT_TOKEN_MAXIMUM_BYTES + 64];
    enum status status = STATUS_NOT_FOUND;
    if (lws_hdr_total_length(wsi, WSI_TOKEN_HTTP_AUTHORIZATION) > 0)
        status = client_token_from_authorization(
            header(wsi, WSI_TOKEN_HTTP_AUTHORIZATION, text, sizeof(text)), ret_token);
    if (status == STATUS_NOT_FOUND) {
        const char *value = lws_get_urlarg_by_name(wsi, "token=", text, sizeof(text));
        if (value)
            status = client_token_from_value(slice_from_string(value), ret_token);
    }
    explicit_bzero(text, sizeof(text));
    return status == STATUS_NOT_FOUND ? STATUS_OK : status;
}
