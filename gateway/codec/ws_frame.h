/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * Complete, unmasked, unfragmented WebSocket frames as a server sends them (RFC 6455 section 5.2), so that
 * one buffer can be written unchanged to any number of sockets:
 *
 *   FIN 1, RSV 0, opcode | length 0..125            2 bytes of header
 *                        | 126, length in 2 bytes   4
 *                        | 127, length in 8 bytes  10
 *
 * Pure; any thread. Allocates nothing except in the caller's buf.
 */
#ifndef POLLEN8_GATEWAY_CODEC_WS_FRAME_H
#define POLLEN8_GATEWAY_CODEC_WS_FRAME_H

#include <stdbool.h>
#include <stdint.h>

#include "common/buf.h"
#include "common/slice.h"
#include "common/status.h"

#define WS_FRAME_HEADER_MAXIMUM       10
#define WS_FRAME_CONTROL_MAXIMUM      125 /* payload of close, ping and pong */
#define WS_FRAME_CLOSE_REASON_MAXIMUM 123

enum ws_opcode {
    WS_CONTINUATION = 0x0,
    WS_TEXT = 0x1,
    WS_BINARY = 0x2,
    WS_CLOSE = 0x8,
    WS_PING = 0x9,
    WS_PONG = 0xA
};

/* 2, 4 or 10. */
size_t ws_frame_header_size(uint64_t length);

/* Writes the header of a frame with `length` payload bytes; returns its size. A control frame longer than
 * WS_FRAME_CONTROL_MAXIMUM is a bug of the caller. */
size_t ws_frame_header(unsigned char out[WS_FRAME_HEADER_MAXIMUM], enum ws_opcode opcode, uint64_t length);

/* Appends header and payload, all or nothing. */
enum status ws_frame_append(struct buf *buf, enum ws_opcode opcode, struct slice payload);

/* Appends a close frame; a reason past its bound is cut between characters. */
enum status ws_frame_close_append(struct buf *buf, uint16_t code, struct slice reason);

/* ---- what a client sends: the same with a mask of 4 bytes behind the length, and fragments ---- */

#define WS_CLIENT_HEADER_MAXIMUM 14

struct ws_client_frame {
    enum ws_opcode opcode;
    bool final;
    uint32_t header; /* bytes in front of the payload */
    uint64_t length; /* of the payload */
    unsigned char mask[4];
};

/* Reads a header. STATUS_NOT_FOUND if it is incomplete; STATUS_MALFORMED if it is unmasked, has reserved bits
 * or a reserved opcode, is a control frame that is long or a fragment, or has a length past 2^63. */
enum status ws_client_frame_read(struct slice bytes, struct ws_client_frame *ret_frame);

/* Unmasks a whole payload in place. */
void ws_client_frame_unmask(const struct ws_client_frame *frame, char *payload);

/* Whether a client may send this code in a close frame (RFC 6455 section 7.4, and the registry). */
bool ws_close_code_valid(unsigned code);

/* A walk over complete frames as made here: cuts the first one off `frames`. False at the end, or if the
 * bytes are not such a frame. */
bool ws_frame_next(struct slice *frames, enum ws_opcode *ret_opcode, struct slice *ret_payload);

#endif
