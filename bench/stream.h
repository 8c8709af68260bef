/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * A client's byte stream: a non-blocking socket, with TLS on it where asked for. The only user of the TLS
 * library here. Certificates are not checked: the server is our own, on the loopback. One thread.
 */
#ifndef POLLEN8_BENCH_STREAM_H
#define POLLEN8_BENCH_STREAM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct stream {
    int fd;         /* -1: closed */
    bool connected; /* by stream_open: on the loopback a connection often stands before it returns */
    void *tls;      /* owned; NULL: plain */
};

/* Starts to connect from 127.0.0.<source>. false with errno. */
bool stream_open(struct stream *stream, uint16_t port, unsigned source, bool tls);

/* Once the socket is writable: 1 connected (and the TLS handshake done), 0 not yet, -1 failed. `wants_write`
 * says what to wait for where not yet. */
int stream_connect(struct stream *stream, bool *wants_write);

/* Bytes read; 0 none now; -1 the stream has ended. */
ssize_t stream_read(struct stream *stream, void *data, size_t capacity);

/* false: not all of it could be sent at once. */
bool stream_write(struct stream *stream, const void *data, size_t length);

/* Ends with a reset, so that no port waits for it. */
void stream_close(struct stream *stream);

#endif
