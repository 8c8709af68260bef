/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * A client at the other end of a socket pair, for tests of WebSockets whose socket is ours. Each test defines
 * what a turn of its loop does.
 */
#ifndef POLLEN8_TESTS_GATEWAY_SOCKET_CLIENT_H
#define POLLEN8_TESTS_GATEWAY_SOCKET_CLIENT_H

#include "gateway_test.h"

#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/gateway.h"
#include "net/websocket_internal.h"

#define CLIENT_BYTES 300000

static int client_socket; /* of the client */
static void turn(void);

/* A connection without TLS, as websocket_create and the end of the upgrade's turn make it. */
static inline struct websocket *open_websocket(struct gateway *gateway)
{
    int pair[2];
    struct websocket *websocket = calloc(1, sizeof(*websocket));
    assert_non_null(websocket);
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair), 0);
    websocket->magic = WEBSOCKET_MAGIC;
    websocket->gateway = gateway;
    websocket->reading = true;
    client_socket = pair[1];
    assert_int_equal(socket_adopt(websocket, pair[0]), STATUS_OK);
    return websocket;
}

static inline size_t mask_frame(char *out, unsigned first, const char *payload, size_t length)
{
    static const unsigned char mask[4] = {0x12, 0x34, 0x56, 0x78};
    size_t at = 0;
    out[at++] = (char)first;
    if (length < 126) {
        out[at++] = (char)(0x80 | length);
    } else if (length < 65536) {
        out[at++] = (char)(0x80 | 126);
        out[at++] = (char)(length >> 8);
        out[at++] = (char)length;
    } else {
        out[at++] = (char)(0x80 | 127);
        for (int shift = 56; shift >= 0; shift -= 8)
            out[at++] = (char)((uint64_t)length >> shift);
    }
    memcpy(out + at, mask, 4);
    at += 4;
    for (size_t i = 0; i < length; i++)
        out[at++] = (char)(payload[i] ^ mask[i % 4]);
    return at;
}

static inline void say_raw(const char *bytes, size_t length)
{
    while (length > 0) {
        ssize_t sent = send(client_socket, bytes, length, MSG_NOSIGNAL);
        assert_true(sent > 0 || errno == EAGAIN);
        if (sent > 0) {
            bytes += sent;
            length -= (size_t)sent;
        }
        turn();
    }
}

static inline void say(unsigned first, const char *payload, size_t length)
{
    static char frame[CLIENT_BYTES];
    say_raw(frame, mask_frame(frame, first, payload, length));
}

/* Reads as the client for some turns; returns the length. */
static inline size_t listen_to(char *out, size_t capacity)
{
    size_t length = 0;
    for (int i = 0; i < 20; i++) {
        ssize_t got = recv(client_socket, out + length, capacity - length, 0);
        if (got > 0)
            length += (size_t)got;
        turn();
    }
    return length;
}

static inline void assert_reads(const char *bytes, size_t length)
{
    char got[512];
    assert_int_equal(listen_to(got, sizeof(got)), length);
    assert_memory_equal(got, bytes, length);
}

static inline void assert_end(void)
{
    char byte;
    assert_int_equal(recv(client_socket, &byte, 1, 0), 0);
}

#endif
