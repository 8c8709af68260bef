/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * The ops port on libmicrohttpd, which runs one polling thread for all connections; the only file that names
 * it. A request goes: method -> path -> body in a buf -> response.
 *
 * The listening socket is made here and handed over, for three reasons: errno says exactly why a port cannot
 * be bound, IPv4 and IPv6 take one path, and the library's address options differ between its versions
 * (0.9.75 in Debian 12, 1.0 in Debian 13, where the one we would use is deprecated).
 */
#include "common/ops/ops_http.h"

#include <errno.h>
#include <microhttpd.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define CONNECTIONS_MAXIMUM     32u
#define CONNECTION_TIMEOUT_S    10u
#define CONNECTION_MEMORY_BYTES ((size_t)16 * 1024)
#define BODY_MAXIMUM_BYTES      ((size_t)8 * 1024 * 1024)
#define LISTEN_BACKLOG          64

struct ops_http {
    struct MHD_Daemon *daemon; /* owned; owns the listening socket */
    struct metrics *metrics;   /* borrowed */
    char *service;             /* owned */
    void (*refresh)(void *context);
    void *refresh_context;
    struct ops_check *ready; /* owned array; names borrowed */
    size_t ready_count;
    struct ops_check *alive; /* owned array; names borrowed */
    size_t alive_count;
    _Atomic bool draining;
};

/* ---- the three answers (ops thread) ---- */

/* "ready", or one line per failing check; returns the HTTP status. */
static unsigned append_checks(struct buf *buf, const struct ops_check *checks, size_t count, const char *good)
{
    enum status status = STATUS_OK;
    for (size_t i = 0; i < count && status == STATUS_OK; i++) {
        if (!checks[i].passes(checks[i].context))
            status = buf_append_format(buf, "%s: failing\n", checks[i].name);
    }
    if (status == STATUS_OK && buf->length == 0)
        return buf_append_format(buf, "%s\n", good) == STATUS_OK ? MHD_HTTP_OK
                                                                 : MHD_HTTP_INTERNAL_SERVER_ERROR;
    return MHD_HTTP_SERVICE_UNAVAILABLE;
}

static unsigned append_ready(const struct ops_http *ops, struct buf *buf)
{
    if (!atomic_load(&ops->draining))
        return append_checks(buf, ops->ready, ops->ready_count, "ready");
    (void)buf_append_string(buf, "draining\n"); /* the status says it all the same */
    return MHD_HTTP_SERVICE_UNAVAILABLE;
}

static unsigned append_metrics(const struct ops_http *ops, struct buf *buf)
{
    if (ops->refresh)
        ops->refresh(ops->refresh_context);
    if (metrics_render(ops->metrics, ops->service, buf) == STATUS_OK)
        return MHD_HTTP_OK;
    buf_clear(buf); /* partial metrics would look like complete ones */
    return MHD_HTTP_INTERNAL_SERVER_ERROR;
}

static bool method_served(const char *method)
{
    return strcmp(method, MHD_HTTP_METHOD_GET) == 0 || strcmp(method, MHD_HTTP_METHOD_HEAD) == 0;
}

static unsigned answer(const struct ops_http *ops, const char *method, const char *path, struct buf *buf)
{
    if (!method_served(method))
        return MHD_HTTP_METHOD_NOT_ALLOWED;
    if (strcmp(path, "/metrics") == 0)
        return append_metrics(ops, buf);
    if (strcmp(path, "/healthz") == 0)
        return append_checks(buf, ops->alive, ops->alive_count, "ok");
    if (strcmp(path, "/readyz") == 0)
        return append_ready(ops, buf);
    return MHD_HTTP_NOT_FOUND;
}

/* Hands the body over to the library, which frees it. */
static enum MHD_Result reply(struct MHD_Connection *connection, unsigned code, struct buf *buf)
{
    if (buf->length == 0)
        (void)buf_append_format(buf, "%u\n", code);
    size_t length;
    char *body = buf_take(buf, &length);
    struct MHD_Response *response = MHD_create_response_from_buffer(length, body, MHD_RESPMEM_MUST_FREE);
    if (!response) {
        free(body);
        return MHD_NO;
    }
    enum MHD_Result result = MHD_NO;
    if (MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE,
                                "text/plain; version=0.0.4; charset=utf-8") == MHD_YES &&
        MHD_add_response_header(response, MHD_HTTP_HEADER_CACHE_CONTROL, "no-store") == MHD_YES &&
        (code != MHD_HTTP_METHOD_NOT_ALLOWED ||
         MHD_add_response_header(response, MHD_HTTP_HEADER_ALLOW, "GET, HEAD") == MHD_YES))
        result = MHD_queue_response(connection, code, response);
    MHD_destroy_response(response);
    return result;
}

static enum MHD_Result on_ops_request(void *context, struct MHD_Connection *connection, const char *path,
                                      const char *method, const char *version, const char *upload,
                                      size_t *upload_length, void **request)
{
    const struct ops_http *ops = context;
    (void)version;
    (void)upload;
    /* The library calls twice: before and after a body. An answer before it closes the connection: right for
     * what is refused, but a scraper that asks regularly keeps its connection. */
    if (method_served(method) && !*request) {
        *request = context;
        return MHD_YES;
    }
    *upload_length = 0;
    struct buf buf;
    buf_init(&buf, BODY_MAXIMUM_BYTES);
    unsigned code = answer(ops, method, path, &buf);
    enum MHD_Result result = reply(connection, code, &buf);
    buf_done(&buf);
    return result;
}

/* ---- the listening socket ---- */

static int listen_on(const struct addrinfo *address)
{
    int descriptor = socket(address->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (descriptor < 0)
        return -1;
    /* `::` takes IPv4 too, so that one address serves both. */
    if (address->ai_family == AF_INET6) {
        int off = 0;
        (void)setsockopt(descriptor, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof(off));
    }
    int on = 1;
    if (setsockopt(descriptor, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) == 0 &&
        bind(descriptor, address->ai_addr, address->ai_addrlen) == 0 &&
        listen(descriptor, LISTEN_BACKLOG) == 0)
        return descriptor;
    int saved_errno = errno;
    close(descriptor);
    errno = saved_errno;
    return -1;
}

static int open_listener(const char *address, uint16_t port)
{
    const struct addrinfo hints = {.ai_flags = AI_NUMERICHOST | AI_NUMERICSERV | AI_PASSIVE,
                                   .ai_socktype = SOCK_STREAM};
    char service[8];
    snprintf(service, sizeof(service), "%u", (unsigned)port);
    struct addrinfo *found = NULL;
    if (getaddrinfo(address, service, &hints, &found) != 0) {
        errno = EADDRNOTAVAIL;
        return -1;
    }
    int descriptor = listen_on(found);
    freeaddrinfo(found);
    return descriptor;
}

/* ---- create and free ---- */

static enum status copy_checks(const struct ops_check *checks, size_t count, struct ops_check **ret_copy)
{
    struct ops_check *copy = calloc(count ? count : 1, sizeof(*copy));
    if (!copy)
        return STATUS_NO_MEMORY;
    if (count > 0)
        memcpy(copy, checks, count * sizeof(*copy));
    *ret_copy = copy;
    return STATUS_OK;
}

static enum status copy_options(struct ops_http *ops, const struct ops_options *options)
{
    ops->metrics = options->metrics;
    ops->refresh = options->refresh;
    ops->refresh_context = options->refresh_context;
    ops->ready_count = options->ready_count;
    ops->alive_count = options->alive_count;
    ops->service = strdup(options->service);
    if (!ops->service || copy_checks(options->ready, options->ready_count, &ops->ready) != STATUS_OK)
        return STATUS_NO_MEMORY;
    return copy_checks(options->alive, options->alive_count, &ops->alive);
}

static enum status start(struct ops_http *ops, const struct ops_options *options)
{
    int descriptor = open_listener(options->address, options->port);
    if (descriptor < 0)
        return STATUS_DISCONNECTED;
    ops->daemon =
        MHD_start_daemon(MHD_USE_AUTO | MHD_USE_INTERNAL_POLLING_THREAD, 0, NULL, NULL, on_ops_request, ops,
                         MHD_OPTION_LISTEN_SOCKET, descriptor, MHD_OPTION_CONNECTION_LIMIT,
                         CONNECTIONS_MAXIMUM, MHD_OPTION_CONNECTION_TIMEOUT, CONNECTION_TIMEOUT_S,
                         MHD_OPTION_CONNECTION_MEMORY_LIMIT, CONNECTION_MEMORY_BYTES, MHD_OPTION_END);
    if (!ops->daemon) {
        close(descriptor);
        return STATUS_NO_MEMORY;
    }
    return STATUS_OK;
}

enum status ops_http_create(const struct ops_options *options, struct ops_http **ret_ops)
{
    struct ops_http *ops = calloc(1, sizeof(*ops));
    if (!ops)
        return STATUS_NO_MEMORY;
    enum status status = copy_options(ops, options);
    if (status == STATUS_OK)
        status = start(ops, options);
    int saved_errno;
    if (status != STATUS_OK) {
        saved_errno = errno;
        ops_http_free(ops);
        errno = saved_errno;
        return status;
    }
    *ret_ops = ops;
    return STATUS_OK;
}

void ops_http_drain(struct ops_http *ops)
{
    atomic_store(&ops->draining, true);
}

void ops_http_free(struct ops_http *ops)
{
    if (!ops)
        return;
    if (ops->daemon)
        MHD_stop_daemon(ops->daemon); /* joins its thread: no callback after this */
    free(ops->service);
    free(ops->ready);
    free(ops->alive);
    free(ops);
}
