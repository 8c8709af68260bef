/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * Socket, and TLS session on it, as one thing to read and write.
 */
#include "stream.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <sys/socket.h>
#include <unistd.h>

static SSL_CTX *tls_context(void)
{
    static SSL_CTX *context;

    if (!context) {
        context = SSL_CTX_new(TLS_client_method());
        if (context) {
            SSL_CTX_set_verify(context, SSL_VERIFY_NONE, NULL);
            SSL_CTX_set_mode(context, SSL_MODE_RELEASE_BUFFERS);
        }
    }
    return context;
}

static bool start_tls(struct stream *stream)
{
    SSL_CTX *context = tls_context();
    SSL *tls = context ? SSL_new(context) : NULL;

    if (!tls || SSL_set_fd(tls, stream->fd) != 1) {
        SSL_free(tls);
        return false;
    }
    SSL_set_connect_state(tls);
    stream->tls = tls;
    return true;
}

/* 127.0.0.1 is what the kernel takes by itself. */
static bool from_source(int fd, unsigned source)
{
    struct sockaddr_in local = {.sin_family = AF_INET};
    int one = 1;

    local.sin_addr.s_addr = htonl(0x7f000000U + source);
    if (source == 1)
        return true;
    setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &one, sizeof(one));
    return bind(fd, (const struct sockaddr *)&local, sizeof(local)) == 0;
}

/* Whether it stands already. On the loopback it mostly does, though connect() says that it goes on. false
 * with errno EINPROGRESS: not yet. */
static bool connect_now(int fd, const struct sockaddr_in *remote)
{
    struct sockaddr_in peer;
    socklen_t size = sizeof(peer);

    if (connect(fd, (const struct sockaddr *)remote, sizeof(*remote)) == 0)
        return true;
    if (errno != EINPROGRESS)
        return false;
    if (getpeername(fd, (struct sockaddr *)&peer, &size) == 0)
        return true;
    errno = EINPROGRESS;
    return false;
}

bool stream_open(struct stream *stream, uint16_t port, unsigned source, bool tls)
{
    struct sockaddr_in remote = {.sin_family = AF_INET, .sin_port = htons(port)};
    int one = 1;

    remote.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    stream->tls = NULL;
    stream->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (stream->fd < 0)
        return false;
    setsockopt(stream->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
    stream->connected = from_source(stream->fd, source) && connect_now(stream->fd, &remote);
    if ((!stream->connected && errno != EINPROGRESS) || (tls && !start_tls(stream))) {
        stream_close(stream);
        return false;
    }
    return true;
}

int stream_connect(struct stream *stream, bool *wants_write)
{
    int error = 0;
    socklen_t size = sizeof(error);
    int result;

    if (!stream->connected &&
        (getsockopt(stream->fd, SOL_SOCKET, SO_ERROR, &error, &size) != 0 || error != 0))
        return -1;
    stream->connected = true;
    if (!stream->tls)
        return 1;
    ERR_clear_error();
    result = SSL_do_handshake(stream->tls);
    if (result == 1)
        return 1;
    error = SSL_get_error(stream->tls, result);
    *wants_write = error == SSL_ERROR_WANT_WRITE;
    return error == SSL_ERROR_WANT_READ || error == SSL_ERROR_WANT_WRITE ? 0 : -1;
}

static ssize_t read_tls(struct stream *stream, char *data, size_t capacity)
{
    size_t length = 0;

    ERR_clear_error();
    while (length < capacity) {
        int result = SSL_read(stream->tls, data + length, (int)(capacity - length));
        if (result > 0) {
            length += (size_t)result;
            continue;
        }
        if (length == 0 && SSL_get_error(stream->tls, result) != SSL_ERROR_WANT_READ)
            return -1;
        break;
    }
    return (ssize_t)length;
}

ssize_t stream_read(struct stream *stream, void *data, size_t capacity)
{
    ssize_t length;

    if (stream->tls)
        return read_tls(stream, data, capacity);
    length = recv(stream->fd, data, capacity, 0);
    if (length > 0)
        return length;
    return length < 0 && (errno == EAGAIN || errno == EINTR) ? 0 : -1;
}

bool stream_write(struct stream *stream, const void *data, size_t length)
{
    if (stream->tls) {
        ERR_clear_error();
        return SSL_write(stream->tls, data, (int)length) == (int)length;
    }
    return send(stream->fd, data, length, MSG_NOSIGNAL) == (ssize_t)length;
}

void stream_close(struct stream *stream)
{
    struct linger reset = {.l_onoff = 1, .l_linger = 0};

    SSL_free(stream->tls);
    stream->tls = NULL;
    if (stream->fd >= 0) {
        setsockopt(stream->fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
        close(stream->fd);
    }
    stream->fd = -1;
}
