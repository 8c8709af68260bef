/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * Engine.IO v4 packets: one digit and its data. A polling body holds several, joined by 0x1e, with binary
 * ones as `b` + base64. On WebSocket a binary frame is a binary message as it stands. Pure; any thread.
 *
 * Memory: decoding borrows from the input. Base64 is decoded into the caller's buf, whose maximum is the
 * bound (three bytes for four). Encoders append to the caller's buf and allocate nothing else.
 */
#ifndef POLLEN8_GATEWAY_CODEC_EIO_PACKET_H
#define POLLEN8_GATEWAY_CODEC_EIO_PACKET_H

#include <stdint.h>

#include "common/buf.h"
#include "common/slice.h"
#include "common/status.h"

#define EIO_SEPARATOR '\x1e'
/* Packets in one polling body. After a disconnection a stock client puts everything it has queued into one
 * body, bounded by maxPayload alone; the session limits rates. */
#define EIO_PAYLOAD_PACKET_MAXIMUM 16384

enum eio_type { /* the digit on the wire */
                EIO_OPEN = 0,
                EIO_CLOSE = 1,
                EIO_PING = 2,
                EIO_PONG = 3,
                EIO_MESSAGE = 4,
                EIO_UPGRADE = 5,
                EIO_NOOP = 6
};

struct eio_packet {
    enum eio_type type;
    bool binary;       /* EIO_MESSAGE only */
    struct slice data; /* borrowed; after the digit, e.g. "probe" */
};

/* One packet from a whole WebSocket text message. STATUS_MALFORMED if it is empty or has no known digit.
 * UTF-8 is not checked here. */
enum status eio_packet_decode(struct slice text, struct eio_packet *ret_packet);

/* A whole WebSocket binary message; cannot fail. */
struct eio_packet eio_packet_decode_binary(struct slice bytes);

/* Whether it is a ping or pong with the data "probe". */
bool eio_packet_is_probe(const struct eio_packet *packet);

/* A walk over a polling body. */
struct eio_payload {
    struct slice rest; /* borrowed */
    size_t left;       /* packets still allowed */
    bool done;
};

/* `maximum` packets at most; EIO_PAYLOAD_PACKET_MAXIMUM for clients. */
void eio_payload_start(struct eio_payload *payload, struct slice body, size_t maximum);

/* The next packet; a binary one's data is appended to `scratch` and borrowed from it until the next append.
 * STATUS_NOT_FOUND at the end, STATUS_MALFORMED (an empty body or packet, an unknown digit, bad base64),
 * STATUS_FULL (too many packets, or scratch at its maximum), STATUS_NO_MEMORY. */
enum status eio_payload_next(struct eio_payload *payload, struct buf *scratch, struct eio_packet *ret_packet);

/* Appends the digit and the data as a WebSocket text message. The data may be empty. */
enum status eio_packet_append(struct buf *buf, enum eio_type type, struct slice data);

struct eio_open {
    struct slice sid;
    bool upgrade_websocket; /* upgrades ["websocket"], else [] */
    uint32_t ping_interval_ms;
    uint32_t ping_timeout_ms;
    uint32_t max_payload; /* bytes */
};

/* 0{"sid":..,"upgrades":[..],"pingInterval":..,"pingTimeout":..,"maxPayload":..}: these keys, in this
 * order. */
enum status eio_open_append(struct buf *buf, const struct eio_open *open);

/* Appends a packet to a polling body, after a separator unless the body is empty. All or nothing. */
enum status eio_payload_append(struct buf *body, enum eio_type type, struct slice data);

/* The same for whole WebSocket frames (see ws_frame.h) with one packet each; a binary one becomes `b` and
 * base64. So what was encoded for WebSockets serves polling too. */
enum status eio_payload_append_frames(struct buf *body, struct slice frames);

#endif
