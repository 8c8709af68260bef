/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * Socket → upgrade → frames → handlers.
 */
#include "ws_client.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>

void ws_client_init(struct ws_client *client)
{
    *client = (struct ws_client){.stream.fd = -1};
}

void ws_client_close(struct ws_client *client)
{
    client->state = WS_CLIENT_CLOSED;
    client->tail_length = 0;
    stream_close(&client->stream);
}

void ws_client_done(struct ws_client *client)
{
    ws_client_close(client);
    free(client->tail);
    client->tail = NULL;
    client->tail_capacity = 0;
}

bool ws_client_send(struct ws_client *client, enum frame_opcode opcode, struct slice payload)
{
    char frame[FRAME_HEADER_MAXIMUM + WS_CLIENT_TEXT_BYTES];
    size_t header;

    if (payload.length > WS_CLIENT_TEXT_BYTES)
        return false;
    header = load_frame_header(frame, opcode, payload.length);
    if (payload.length > 0)
        memcpy(frame + header, payload.data, payload.length);
    return stream_write(&client->stream, frame, header + payload.length);
}

/* ---- opening ---------------------------------------------------------------------------------------- */

static bool watch(struct ws_client *client, int epoll, uint32_t number, uint32_t events)
{
    struct epoll_event event = {.events = events, .data.u32 = number};
    int operation = client->watched ? EPOLL_CTL_MOD : EPOLL_CTL_ADD;

    client->watched = true;
    return epoll_ctl(epoll, operation, client->stream.fd, &event) == 0;
}

bool ws_client_start(struct ws_client *client, int epoll, uint32_t number, uint16_t port, unsigned source,
                     bool tls)
{
    if (!stream_open(&client->stream, port, source, tls))
        return false;
    client->state = WS_CLIENT_CONNECTING;
    client->watched = false;
    if (client->stream.connected || watch(client, epoll, number, EPOLLOUT))
        return true;
    ws_client_close(client);
    return false;
}

static bool send_request(struct ws_client *client, uint16_t port, const char *path, const char *header)
{
    char text[WS_CLIENT_REQUEST_BYTES];
    int length =
        snprintf(text, sizeof(text),
                 "GET %s HTTP/1.1\r\nHost: 127.0.0.1:%u\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                 "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n%s%s\r\n",
                 path, port, header ? header : "", header ? "\r\n" : "");

    return length > 0 && (size_t)length < sizeof(text) && stream_write(&client->stream, text, (size_t)length);
}

bool ws_client_connect(struct ws_client *client, int epoll, uint32_t number, uint16_t port, const char *path,
                       const char *header)
{
    bool wants_write = false;
    int result = stream_connect(&client->stream, &wants_write);

    if (result < 0 || (result > 0 && !send_request(client, port, path, header)))
        return false;
    if (result > 0)
        client->state = WS_CLIENT_UPGRADING;
    return watch(client, epoll, number, wants_write ? EPOLLOUT : EPOLLIN);
}

/* ---- reading ---------------------------------------------------------------------------------------- */

/* The bytes used of the answer to the upgrade, 0 where it is not all there, -1 where it is another. */
static ssize_t take_upgrade(struct ws_client *client, const struct ws_client_handlers *handlers,
                            struct slice bytes)
{
    const char *end = memmem(bytes.data, bytes.length, "\r\n\r\n", 4);

    if (!end)
        return 0;
    if (bytes.length < 12 || memcmp(bytes.data + 8, " 101", 4) != 0) {
        const char *line_end = memchr(bytes.data, '\r', bytes.length);
        handlers->refused(handlers->context, client, slice_make(bytes.data, (size_t)(line_end - bytes.data)));
        return -1;
    }
    client->state = WS_CLIENT_OPEN;
    if (!handlers->opened(handlers->context, client))
        return -1;
    return end - bytes.data + 4;
}

/* The bytes used; -1 where a ping could not be answered. */
static ssize_t take_frames(struct ws_client *client, const struct ws_client_handlers *handlers,
                           struct slice bytes)
{
    size_t used = 0;
    struct load_frame frame;

    while (client->state == WS_CLIENT_OPEN &&
           load_frame_read(slice_make(bytes.data + used, bytes.length - used), &frame)) {
        used += frame.length;
        if (frame.opcode == FRAME_PING) {
            if (!ws_client_send(client, FRAME_PONG, frame.payload))
                return -1;
        } else if (frame.opcode != FRAME_PONG) {
            handlers->message(handlers->context, client, frame.opcode, frame.payload);
        }
    }
    return (ssize_t)used;
}

static bool keep_tail(struct ws_client *client, struct slice tail)
{
    if (tail.length > client->tail_capacity) {
        char *larger = tail.length <= WS_CLIENT_TAIL_BYTES ? realloc(client->tail, tail.length + 1024) : NULL;
        if (!larger)
            return false;
        client->tail = larger;
        client->tail_capacity = (uint32_t)tail.length + 1024;
    }
    client->tail_length = (uint32_t)tail.length;
    if (tail.length > 0)
        memcpy(client->tail, tail.data, tail.length);
    return true;
}

ssize_t ws_client_read(struct ws_client *client, const struct ws_client_handlers *handlers)
{
    size_t kept = client->tail_length;
    ssize_t length = stream_read(&client->stream, handlers->input + kept, WS_CLIENT_READ_BYTES);
    struct slice bytes;
    ssize_t used;

    if (length <= 0)
        return length;
    if (kept)
        memcpy(handlers->input, client->tail, kept);
    bytes = slice_make(handlers->input, kept + (size_t)length);
    if (client->state == WS_CLIENT_UPGRADING) {
        used = take_upgrade(client, handlers, bytes);
        if (used < 0)
            return -1;
        bytes = slice_make(bytes.data + used, bytes.length - (size_t)used);
    }
    used = client->state == WS_CLIENT_OPEN ? take_frames(client, handlers, bytes) : 0;
    if (used < 0)
        return -1;
    if (client->state == WS_CLIENT_CLOSED) /* by a handler */
        return length;
    return keep_tail(client, slice_make(bytes.data + used, bytes.length - (size_t)used)) ? length : -1;
}
