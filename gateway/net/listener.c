/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * readable listening socket -> accept in batches -> cap -> socket options -> adopted by the library's virtual
 * host, which does TLS and HTTP and then calls its protocols.
 */
#include "net/listener.h"

#include <arpa/inet.h>
#include <errno.h>
#include <libwebsockets.h>
#include <netinet/tcp.h>
#include <openssl/ssl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>
#include <uv.h>

#include "base/gateway.h"
#include "base/timer_wheel.h"
#include "common/clock.h"
#include "common/log.h"

#define BACKLOG           4096
#define ACCEPTS_A_WAKE    64
#define RESERVED_FILES    128 /* broker, ops port, logs, library */
#define EXHAUSTED_WAIT_MS 100
#define CROWDED_WAIT_MS   4

struct listener {
    struct gateway *gateway;
    struct lws_context *context;
    struct lws_vhost *vhost;
    uv_poll_t poll;
    int descriptor; /* -1: stopped */
    int nowhere;    /* replaces descriptors that the library has released */
    size_t connections;
    size_t maximum;
    int library_files;      /* descriptors below are the library's */
    size_t library_maximum; /* connections that it may have */
    size_t with_library;
    struct wheel_timer resume; /* accepts again after running out of descriptors */
};

/* ---- accepting ---------------------------------------------------------------------------------------- */

/* False: it has been closed. */
static bool give_to_library(struct listener *listener, int descriptor)
{
    int mine = descriptor < listener->library_files ? descriptor : fcntl(descriptor, F_DUPFD_CLOEXEC, 0);
    if (mine != descriptor)
        close(descriptor);
    if (mine < 0)
        return false;
    if (mine >= listener->library_files) {
        close(mine);
        return false;
    }
    size_t before = listener->with_library++;
    if (lws_adopt_socket_vhost(listener->vhost, mine))
        return true;
    listener->with_library = before; /* the library has closed the descriptor */
    return false;
}

static void adopt(struct listener *listener, int descriptor)
{
    struct gateway *gateway = listener->gateway;
    size_t before = listener->connections;
    if (before >= listener->maximum) {
        gateway_count(gateway, LABEL_ACCEPTS_FULL);
        log_event_limited(LOG_WARN,
                          "a connection was refused: MAX_SESSIONS or the limit of open files is reached",
                          LOG_U("connections", before));
        close(descriptor);
        return;
    }
    listener->connections++;
    if (give_to_library(listener, descriptor)) {
        gateway_count(gateway, LABEL_ACCEPTS_ACCEPTED);
        return;
    }
    listener->connections = before;
    gateway_count(gateway, LABEL_ACCEPTS_ERROR);
}

static void on_readable(uv_poll_t *poll, int status, int events);

static void resume(void *context, struct wheel_timer *timer)
{
    struct gateway *gateway = context;
    (void)timer;
    if (gateway->listener && gateway->listener->descriptor >= 0)
        uv_poll_start(&gateway->listener->poll, UV_READABLE, on_readable);
}

/* The socket stays readable: accepting again at once would spin. */
static void pause_accepting(struct listener *listener, uint32_t for_ms)
{
    uv_poll_stop(&listener->poll);
    timer_wheel_arm(listener->gateway->wheel, &listener->resume, listener->gateway->now_ms + for_ms);
}

static void on_readable(uv_poll_t *poll, int status, int events)
{
    struct listener *listener = poll->data;
    (void)status;
    (void)events;
    listener->gateway->now_ms = clock_monotonic_ms();
    for (int i = 0; i < ACCEPTS_A_WAKE && listener->descriptor >= 0; i++) {
        if (listener->with_library >= listener->library_maximum) {
            pause_accepting(listener, CROWDED_WAIT_MS); /* the others wait in the kernel's queue */
            return;
        }
        int descriptor = accept4(listener->descriptor, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (descriptor >= 0) {
            adopt(listener, descriptor);
            continue;
        }
        if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) {
            gateway_count(listener->gateway, LABEL_ACCEPTS_ERROR);
            log_event_limited(LOG_ERROR, "connections cannot be accepted", LOG_S("reason", strerror(errno)));
            pause_accepting(listener, EXHAUSTED_WAIT_MS);
        }
        if (errno != ECONNABORTED && errno != EINTR)
            return;
    }
}

/* ---- starting ----------------------------------------------------------------------------------------- */

static bool parse_address(const char *text, uint16_t port, struct sockaddr_storage *address,
                          socklen_t *ret_length)
{
    struct sockaddr_in v4 = {.sin_family = AF_INET, .sin_port = htons(port)};
    struct sockaddr_in6 v6 = {.sin6_family = AF_INET6, .sin6_port = htons(port)};
    if (inet_pton(AF_INET, text, &v4.sin_addr) == 1) {
        memcpy(address, &v4, sizeof(v4));
        *ret_length = sizeof(v4);
        return true;
    }
    if (inet_pton(AF_INET6, text, &v6.sin6_addr) == 1) {
        memcpy(address, &v6, sizeof(v6));
        *ret_length = sizeof(v6);
        return true;
    }
    return false;
}

static void set_options(const struct gateway *gateway, int descriptor)
{
    int on = 1;
    int idle = 60;
    int buffer = (int)gateway->settings->socket_send_buffer;
    /* Best effort: a connection without these options still works. Accepted sockets inherit them. */
    (void)setsockopt(descriptor, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    (void)setsockopt(descriptor, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on));
    (void)setsockopt(descriptor, IPPROTO_TCP, TCP_KEEPIDLE, &idle, sizeof(idle));
    if (buffer)
        (void)setsockopt(descriptor, SOL_SOCKET, SO_SNDBUF, &buffer, sizeof(buffer));
}

static int open_socket(const struct sockaddr_storage *address, socklen_t length)
{
    int on = 1;
    int off = 0;
    int descriptor = socket(address->ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (descriptor < 0)
        return -1;
    if (setsockopt(descriptor, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) == 0 &&
        setsockopt(descriptor, SOL_SOCKET, SO_REUSEPORT, &on, sizeof(on)) == 0 &&
        (address->ss_family != AF_INET6 ||
         setsockopt(descriptor, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof(off)) == 0) &&
        bind(descriptor, (const struct sockaddr *)address, length) == 0 && listen(descriptor, BACKLOG) == 0)
        return descriptor;
    int saved = errno;
    close(descriptor);
    errno = saved;
    return -1;
}

static struct lws_vhost *create_vhost(const struct gateway *gateway, const struct listener_library *library)
{
    static const lws_retry_bo_t no_validity_checks = {
        0}; /* a sorted list of timers, slow with many sessions */
    struct lws_context_creation_info info;
    const struct settings *settings = gateway->settings;
    memset(&info, 0, sizeof(info));
    info.vhost_name = "gateway";
    info.port = CONTEXT_PORT_NO_LISTEN_SERVER;
    info.protocols = library->protocols;
    info.mounts = library->mounts;
    info.alpn = "http/1.1"; /* HTTP/2 of the packaged library is not safe */
    info.timeout_secs = 10;
    info.keepalive_timeout = LISTENER_KEEPALIVE_S;
    info.retry_and_idle_policy = &no_validity_checks;
    if (settings->tls_cert_file && settings->tls_cert_file[0]) {
        info.options |= LWS_SERVER_OPTION_DO_SSL_GLOBAL_INIT; /* without it the certificate is ignored */
        info.ssl_cert_filepath = settings->tls_cert_file;
        info.ssl_private_key_filepath = settings->tls_key_file;
        info.ssl_options_set =
            (long)(SSL_OP_NO_SSLv3 | SSL_OP_NO_TLSv1 | SSL_OP_NO_TLSv1_1 | SSL_OP_NO_RENEGOTIATION);
    }
    return lws_create_vhost(library->context, &info);
}

static enum status start(struct listener *listener, struct uv_loop_s *loop,
                         const struct listener_library *library, char *error, size_t error_size)
{
    const struct settings *settings = listener->gateway->settings;
    struct sockaddr_storage address = {0};
    socklen_t length = 0;
    if (!parse_address(settings->listen_address, (uint16_t)settings->port, &address, &length)) {
        snprintf(error, error_size, "LISTEN_ADDRESS is not an IPv4 or IPv6 address");
        return STATUS_MALFORMED;
    }
    listener->vhost = create_vhost(listener->gateway, library);
    if (!listener->vhost) {
        snprintf(error, error_size, "TLS_CERT_FILE or TLS_KEY_FILE cannot be used");
        return STATUS_MALFORMED;
    }
    listener->descriptor = open_socket(&address, length);
    if (listener->descriptor < 0) {
        snprintf(error, error_size, "cannot listen on %s port %d: %s", settings->listen_address,
                 (int)settings->port, strerror(errno));
        return STATUS_DISCONNECTED;
    }
    set_options(listener->gateway, listener->descriptor);
    listener->nowhere = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (listener->nowhere < 0 || uv_poll_init(loop, &listener->poll, listener->descriptor) != 0) {
        snprintf(error, error_size, "the listening socket cannot be watched");
        close(listener->descriptor);
        listener->descriptor = -1;
        return STATUS_DISCONNECTED;
    }
    listener->poll.data = listener;
    uv_poll_start(&listener->poll, UV_READABLE, on_readable);
    return STATUS_OK;
}

/* The kernel enlarges a process's table of descriptors when a higher one is opened. In a process with threads
 * this blocks the opening thread for about 10 ms: so it is done once, before anybody is connected. */
static void reserve_descriptors(const struct listener *listener, const struct listener_library *library)
{
    uint64_t below = library->files < library->open_files ? library->files : 0;
    uint64_t last = below + listener->maximum + RESERVED_FILES;
    int descriptor = fcntl(listener->nowhere, F_DUPFD_CLOEXEC,
                           (int)(last < library->open_files ? last : library->open_files - 1));
    if (descriptor >= 0)
        close(descriptor);
}

enum status listener_create(struct gateway *gateway, struct uv_loop_s *loop,
                            const struct listener_library *library, struct listener **ret_listener,
                            char *error, size_t error_size)
{
    uint64_t open_files = library->open_files;
    struct listener *listener = calloc(1, sizeof(*listener));
    if (!listener)
        return STATUS_NO_MEMORY;
    listener->gateway = gateway;
    listener->context = library->context;
    listener->descriptor = -1;
    listener->nowhere = -1;
    listener->resume.fire = resume;
    listener->library_files = (int)library->files;
    listener->library_maximum = library->files > RESERVED_FILES ? (size_t)library->files - RESERVED_FILES : 1;
    listener->maximum = (size_t)gateway->settings->max_sessions;
    if (open_files <= RESERVED_FILES || listener->maximum > open_files - RESERVED_FILES)
        listener->maximum = open_files > RESERVED_FILES ? (size_t)open_files - RESERVED_FILES : 1;
    enum status status = start(listener, loop, library, error, error_size);
    if (status != STATUS_OK) {
        listener_free(listener);
        return status;
    }
    reserve_descriptors(listener, library);
    atomic_store(&gateway->listening, true);
    *ret_listener = listener;
    return STATUS_OK;
}

uint16_t listener_port(const struct listener *listener)
{
    struct sockaddr_storage address = {0};
    struct sockaddr_in6 ipv6;
    struct sockaddr_in ipv4;
    socklen_t length = sizeof(address);
    if (getsockname(listener->descriptor, (struct sockaddr *)&address, &length) != 0)
        return 0;
    if (address.ss_family == AF_INET6) {
        memcpy(&ipv6, &address, sizeof(ipv6));
        return ntohs(ipv6.sin6_port);
    }
    memcpy(&ipv4, &address, sizeof(ipv4));
    return ntohs(ipv4.sin_port);
}

void listener_stop(struct listener *listener)
{
    if (!listener || listener->descriptor < 0)
        return;
    atomic_store(&listener->gateway->listening, false);
    timer_wheel_cancel(listener->gateway->wheel, &listener->resume);
    uv_poll_stop(&listener->poll);
    uv_close((uv_handle_t *)&listener->poll, NULL);
    close(listener->descriptor);
    listener->descriptor = -1;
}

size_t listener_connections(const struct listener *listener)
{
    return listener->connections;
}

int listener_duplicate(const struct listener *listener, int descriptor)
{
    int duplicate = fcntl(descriptor, F_DUPFD_CLOEXEC, listener->library_files);
    return duplicate < 0 ? fcntl(descriptor, F_DUPFD_CLOEXEC, 0) : duplicate;
}

void listener_let_go(struct listener *listener, struct lws *wsi)
{
    struct epoll_event event = {0};
    int original = lws_get_socket_fd(wsi);
    listener->connections++; /* the library will report its end */
    (void)epoll_ctl(uv_backend_fd(listener->poll.loop), EPOLL_CTL_DEL, original, &event);
    (void)dup3(listener->nowhere, original, O_CLOEXEC);
    lws_set_timeout(wsi, PENDING_TIMEOUT_USER_REASON_BASE, LWS_TO_KILL_SYNC);
}

void listener_take_back(struct listener *listener, int descriptor)
{
    size_t others = listener->connections > 0 ? listener->connections - 1 : 0;
    if (!give_to_library(listener, descriptor))
        listener->connections = others;
}

void listener_closed(struct listener *listener, const struct lws *wsi)
{
    if (listener && listener->connections > 0)
        listener->connections--;
    if (listener && wsi && listener->with_library > 0)
        listener->with_library--;
}

void listener_reload(struct listener *listener)
{
    const struct settings *settings = listener->gateway->settings;
    if (!settings->tls_cert_file || !settings->tls_cert_file[0])
        return;
    if (lws_tls_cert_updated(listener->context, settings->tls_cert_file, settings->tls_key_file, NULL, 0,
                             NULL, 0))
        log_event(LOG_ERROR, "the TLS certificate could not be read again; the old one stays");
    else
        log_event(LOG_INFO, "the TLS certificate was read again");
}

void listener_free(struct listener *listener)
{
    if (listener && listener->nowhere >= 0)
        close(listener->nowhere);
    free(listener);
}
