/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * CONNECT, PUB and PONG on a socket: a message is one writev of its line, its bytes and the line's end.
 */
#include "broker_line.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

static bool write_all(int fd, const void *data, size_t length)
{
    const char *at = data;

    while (length > 0) {
        ssize_t written = send(fd, at, length, MSG_NOSIGNAL);
        if (written < 0 && errno == EINTR)
            continue;
        if (written <= 0)
            return false;
        at += written;
        length -= (size_t)written;
    }
    return true;
}

int broker_line_open(uint16_t port, const char *commands)
{
    static const char hello[] = "CONNECT {\"verbose\":false,\"name\":\"bench\"}\r\n";
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port)};
    int one = 1;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    if (fd < 0)
        return -1;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
    if (connect(fd, (const struct sockaddr *)&address, sizeof(address)) != 0 ||
        !write_all(fd, hello, sizeof(hello) - 1) || !write_all(fd, commands, strlen(commands))) {
        close(fd);
        return -1;
    }
    return fd;
}

bool broker_line_publish(int fd, const char *subject, const void *data, size_t length)
{
    char line[512];
    int line_length = snprintf(line, sizeof(line), "PUB %s %zu\r\n", subject, length);
    struct iovec parts[3] = {{.iov_base = line, .iov_len = (size_t)line_length},
                             {.iov_base = (void *)(uintptr_t)data, .iov_len = length},
                             {.iov_base = (void *)(uintptr_t)("\r\n"), .iov_len = 2}};
    size_t total = (size_t)line_length + length + 2;
    ssize_t written;

    if (line_length < 0 || (size_t)line_length >= sizeof(line))
        return false;
    do
        written = writev(fd, parts, 3);
    while (written < 0 && errno == EINTR);
    if (written == (ssize_t)total)
        return true;
    if (written < 0)
        return false;
    for (int i = 0; i < 3; i++) { /* a full socket took a part: the rest of each piece */
        size_t skip = (size_t)written < parts[i].iov_len ? (size_t)written : parts[i].iov_len;
        written -= (ssize_t)skip;
        if (!write_all(fd, (const char *)parts[i].iov_base + skip, parts[i].iov_len - skip))
            return false;
    }
    return true;
}

bool broker_line_answer(int fd)
{
    char data[4096];
    ssize_t length = recv(fd, data, sizeof(data), MSG_DONTWAIT);

    if (length == 0)
        return false;
    if (length < 0)
        return errno == EAGAIN || errno == EINTR;
    if (memmem(data, (size_t)length, "PING\r\n", 6))
        return write_all(fd, "PONG\r\n", 6);
    return true;
}
