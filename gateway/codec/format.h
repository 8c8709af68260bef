/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * The wire formats of clients, one row of `formats` each. A new format is a constant here, a codec, and a row
 * in format.c. Whoever writes to a client looks up its format and never asks which one it is. Pure; any
 * thread.
 */
#ifndef POLLEN8_GATEWAY_CODEC_FORMAT_H
#define POLLEN8_GATEWAY_CODEC_FORMAT_H

#include "codec/client_frame.h"
#include "codec/ws_frame.h"

struct wire_arena;

enum frame_format { FRAME_SOCKETIO, FRAME_JSON, FRAME_PROTOBUF, FRAME_FORMATS };

struct format_ops {
    const char *subprotocol;    /* its name at /ws; NULL: not available there */
    enum ws_opcode opcode;      /* of a message */
    enum ws_opcode ping_opcode; /* of a heartbeat, with `ping` as its payload */
    struct slice ping;
    bool attachments_follow; /* as binary messages after the message; false: inside it */
    bool lent_offsets;       /* an event that is in no history may still have an offset: frame_lend_offset */
    bool recovers_by_pid;    /* its clients reconnect with a pid; those of other formats send `resume` */
    bool null_ack;           /* a message without a readable id is refused with an ack whose id is null */

    /* All or nothing. `namespace` is ignored by formats that have none. */
    enum status (*append_event)(struct buf *buf, struct slice namespace, const struct client_event *event);
    enum status (*append_ack)(struct buf *buf, struct slice namespace, struct slice id,
                              const struct client_result *result);

    /* Decodes a whole message at /ws: see ws_proto_decode. NULL if `subprotocol` is. */
    enum status (*decode)(struct wire_arena *arena, struct slice message, struct attachments *attachments,
                          struct client_frame *ret_frame, struct client_reason *reason);
};

extern const struct format_ops formats[FRAME_FORMATS];

/* The format of a subprotocol. STATUS_NOT_FOUND. */
enum status format_find(const char *subprotocol, enum frame_format *ret_format);

#endif
