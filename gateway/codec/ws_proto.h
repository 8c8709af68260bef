/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * The subprotocol pollen8.v1.protobuf of /ws: proto/client.proto, with one ClientFrame per binary message in
 * and one ServerFrame per binary message out. Bounds and meaning are those of ws_json. Unknown fields are
 * ignored, as protobuf promises its users. Pure; any thread.
 *
 * Memory: decoding unpacks into the caller's arena (bounded by wire.h: 16 x the message + 64 KB); the frame
 * borrows from it until it is reset. Encoders append to the caller's buf, all or nothing.
 */
#ifndef POLLEN8_GATEWAY_CODEC_WS_PROTO_H
#define POLLEN8_GATEWAY_CODEC_WS_PROTO_H

#include "codec/client_frame.h"
#include "common/wire.h"

#define WS_PROTO_SUBPROTOCOL           "pollen8.v1.protobuf"
#define WS_PROTO_OFFSET_MAXIMUM_BYTES  1024
#define WS_PROTO_MESSAGE_MAXIMUM_BYTES 256

/* As ws_json_decode; STATUS_PAYLOAD_TOO_LARGE past WIRE_MAXIMUM_BYTES. `attachments` is the caller's memory
 * for those of the frame. */
enum status ws_proto_decode(struct wire_arena *arena, struct slice bytes, struct attachments *attachments,
                            struct client_frame *ret_frame, struct client_reason *reason);

/* STATUS_MALFORMED if event or offset is longer than its bound or holds a NUL. */
enum status ws_proto_event_append(struct buf *buf, const struct client_event *event);

/* A message past WS_PROTO_MESSAGE_MAXIMUM_BYTES is cut between characters. */
enum status ws_proto_ack_append(struct buf *buf, struct slice id, const struct client_result *result);

#endif
