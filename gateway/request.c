/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * Headers of the library's table -> slices and small copies on the stack; what held a token is wiped.
 */
#include "request.h"

#include <arpa/inet.h>
#include <libwebsockets.h>
#include <string.h>

#include "gateway.h"
#include "handshake.h"
#include "origin.h"
#include "ws_json.h"
#include "ws_proto.h"

#define HEADER_MAXIMUM 512

static const enum lws_token_indexes uri_tokens[] = {
    WSI_TOKEN_GET_URI, WSI_TOKEN_POST_URI,  WSI_TOKEN_OPTIONS_URI, WSI_TOKEN_HEAD_URI,
    WSI_TOKEN_PUT_URI, WSI_TOKEN_PATCH_URI, WSI_TOKEN_DELETE_URI};

enum request_route request_route(struct lws *wsi)
{
    static const struct {
        const char *path;
        enum request_route route;
    } routes[] = {{"/", ROUTE_ROOT},
                  {"/ws", ROUTE_WS},
                  {"/ws/", ROUTE_WS},
                  {"/socket.io", ROUTE_SOCKETIO},
                  {"/socket.io/", ROUTE_SOCKETIO}};
    char path[32];
    for (size_t i = 0; i < sizeof(uri_tokens) / sizeof(uri_tokens[0]); i++) {
        if (lws_hdr_total_length(wsi, uri_tokens[i]) <= 0)
            continue;
        if (lws_hdr_copy(wsi, path, sizeof(path), uri_tokens[i]) <= 0)
            return ROUTE_NONE;
        for (size_t r = 0; r < sizeof(routes) / sizeof(routes[0]); r++)
            if (strcmp(path, routes[r].path) == 0)
                return routes[r].route;
        return ROUTE_NONE;
    }
    return ROUTE_NONE;
}

bool request_version_known(struct lws *wsi)
{
    char version[16] = "";
    if (lws_hdr_copy(wsi, version, sizeof(version), WSI_TOKEN_HTTP) <= 0)
        return false;
    return strcmp(version, "HTTP/1.1") == 0 || strcmp(version, "HTTP/1.0") == 0;
}

bool request_argument(struct lws *wsi, const char *name, char *out, size_t size)
{
    char raw[HEADER_MAXIMUM];
    const char *value = lws_get_urlarg_by_name(wsi, name, raw, sizeof(raw));
    size_t length = value ? strlen(value) : 0;
    if (!value || length >= size)
        return false;
    memcpy(out, value, length + 1);
    return true;
}

/* NULL data where the header is absent; "" where it does not fit, which no check accepts. */
static struct slice header(struct lws *wsi, enum lws_token_indexes token, char *out, size_t size)
{
    if (lws_hdr_total_length(wsi, token) <= 0)
        return (struct slice){0};
    int length = lws_hdr_copy(wsi, out, (int)size, token);
    return slice_make(out, length > 0 ? (size_t)length : 0);
}

bool request_origin_allowed(const struct gateway *gateway, struct lws *wsi)
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

void request_address(const struct gateway *gateway, struct lws *wsi, struct sockaddr_storage *ret_address)
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

enum status request_format(struct lws *wsi, enum frame_format *ret_format)
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
    for (char *name = strtok_r(list, ", \t", &rest); name; name = strtok_r(NULL, ", \t", &rest)) {
        if (strcmp(name, WS_JSON_SUBPROTOCOL) == 0)
            *ret_format = FRAME_JSON;
        else if (strcmp(name, WS_PROTO_SUBPROTOCOL) == 0)
            *ret_format = FRAME_PROTOBUF;
        else
            continue;
        return STATUS_OK;
    }
    return STATUS_NOT_FOUND;
}

enum status request_token(struct lws *wsi, struct handshake_token *ret_token)
{
    char text[HANDSHAKE_TOKEN_MAXIMUM_BYTES + 64];
    enum status status = STATUS_NOT_FOUND;
    if (lws_hdr_total_length(wsi, WSI_TOKEN_HTTP_AUTHORIZATION) > 0)
        status = handshake_token_from_authorization(
            header(wsi, WSI_TOKEN_HTTP_AUTHORIZATION, text, sizeof(text)), ret_token);
    if (status == STATUS_NOT_FOUND) {
        const char *value = lws_get_urlarg_by_name(wsi, "token=", text, sizeof(text));
        if (value)
            status = handshake_token_from_value(slice_from_string(value), ret_token);
    }
    explicit_bzero(text, sizeof(text));
    return status == STATUS_NOT_FOUND ? STATUS_OK : status;
}
