/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * A WebSocket client on an epoll: connects, upgrades, cuts what comes into frames. Pings are answered here.
 * One thread; what was read is in a buffer of the caller's that all its clients share, only the start of a
 * frame whose rest has not come is kept with the client.
 */
#ifndef POLLEN8_BENCH_WS_CLIENT_H
#define POLLEN8_BENCH_WS_CLIENT_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "common/slice.h"
#include "load_frame.h"
#include "stream.h"

#define WS_CLIENT_TAIL_BYTES    ((size_t)1 << 16)
#define WS_CLIENT_READ_BYTES    ((size_t)1 << 20)
#define WS_CLIENT_REQUEST_BYTES 4096
#define WS_CLIENT_TEXT_BYTES    4096 /* longest message sent */

enum ws_client_state { WS_CLIENT_CLOSED, WS_CLIENT_CONNECTING, WS_CLIENT_UPGRADING, WS_CLIENT_OPEN };

struct ws_client {
    struct stream stream; /* fd is -1 while closed */
    enum ws_client_state state;
    bool watched;
    uint32_t tail_length;
    uint32_t tail_capacity;
    char *tail; /* owned */
};

struct ws_client_handlers {
    /* The upgrade is done; false: close. */
    bool (*opened)(void *context, struct ws_client *client);
    /* A text or binary message, or a close frame; it may close the client. */
    void (*message)(void *context, struct ws_client *client, enum frame_opcode opcode, struct slice payload);
    /* The upgrade was refused with this status line. */
    void (*refused)(void *context, struct ws_client *client, struct slice line);
    void *context;
    char *input; /* WS_CLIENT_TAIL_BYTES + WS_CLIENT_READ_BYTES */
};

void ws_client_init(struct ws_client *client);

/* Starts to connect from 127.0.0.<source> and watches it under `number`; where stream.connected by then,
 * ws_client_connect is to be called at once. false with errno: closed. */
bool ws_client_start(struct ws_client *client, int epoll, uint32_t number, uint16_t port, unsigned source,
                     bool tls);

/* Once connecting: goes on with it, and sends the request for `path` with one more header line (NULL: none)
 * when it is connected. false: it cannot be, close it. */
bool ws_client_connect(struct ws_client *client, int epoll, uint32_t number, uint16_t port, const char *path,
                       const char *header);

/* Takes what has come. The bytes read, -1: the stream has ended or is broken, close it. */
ssize_t ws_client_read(struct ws_client *client, const struct ws_client_handlers *handlers);

/* false: it could not be sent whole, close it. */
bool ws_client_send(struct ws_client *client, enum frame_opcode opcode, struct slice payload);

void ws_client_close(struct ws_client *client);
void ws_client_done(struct ws_client *client);

#endif
