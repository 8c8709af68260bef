/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * The table of formats: each row ties a codec to the form that all formats share.
 */
#include "codec/format.h"

#include <string.h>

#include "codec/eio_packet.h"
#include "codec/sio_packet.h"
#include "codec/ws_json.h"
#include "codec/ws_proto.h"
#include "text/append.h"

/* ---- Socket.IO ---------------------------------------------------------------------------------------- */

/* The packet of Engine.IO that holds one of Socket.IO. */
static struct append message_start(struct buf *buf)
{
    static const char type = '0' + EIO_MESSAGE;
    struct append out = append_start(buf);
    append_slice(&out, slice_make(&type, 1));
    return out;
}

static enum status socketio_event(struct buf *buf, struct slice namespace, const struct client_event *event)
{
    struct append out = message_start(buf);
    if (out.status == STATUS_OK)
        append_status(&out, sio_event_append(buf, namespace, event));
    return append_end(&out);
}

static enum status socketio_ack(struct buf *buf, struct slice namespace, struct slice id,
                                const struct client_result *result)
{
    struct append out = message_start(buf);
    if (out.status == STATUS_OK)
        append_status(&out, sio_ack_append(buf, namespace, id, result));
    return append_end(&out);
}

/* ---- JSON --------------------------------------------------------------------------------------------- */

static enum status json_event(struct buf *buf, struct slice namespace, const struct client_event *event)
{
    (void)namespace;
    return ws_json_event_append(buf, event);
}

static enum status json_ack(struct buf *buf, struct slice namespace, struct slice id,
                            const struct client_result *result)
{
    (void)namespace;
    return ws_json_ack_append(buf, id, result);
}

static enum status json_decode(struct wire_arena *arena, struct slice message,
                               struct attachments *attachments, struct client_frame *ret_frame,
                               struct client_reason *reason)
{
    (void)arena;
    (void)attachments;
    return ws_json_decode(message, ret_frame, reason);
}

/* ---- Protobuf ----------------------------------------------------------------------------------------- */

static enum status protobuf_event(struct buf *buf, struct slice namespace, const struct client_event *event)
{
    (void)namespace;
    return ws_proto_event_append(buf, event);
}

static enum status protobuf_ack(struct buf *buf, struct slice namespace, struct slice id,
                                const struct client_result *result)
{
    (void)namespace;
    return ws_proto_ack_append(buf, id, result);
}

/* ---- the table ---------------------------------------------------------------------------------------- */

/* The library swallows pongs without a payload. */
#define WS_HEARTBEAT                                                                                         \
    {                                                                                                        \
        "p", 1                                                                                               \
    }

const struct format_ops formats[FRAME_FORMATS] = {
    [FRAME_SOCKETIO] =
        {
            .opcode = WS_TEXT,
            .ping_opcode = WS_TEXT,
            .ping = {"2", 1},
            .attachments_follow = true,
            .lent_offsets = true,
            .recovers_by_pid = true,
            .append_event = socketio_event,
            .append_ack = socketio_ack,
        },
    [FRAME_JSON] =
        {
            .subprotocol = WS_JSON_SUBPROTOCOL,
            .opcode = WS_TEXT,
            .ping_opcode = WS_PING,
            .ping = WS_HEARTBEAT,
            .null_ack = true,
            .append_event = json_event,
            .append_ack = json_ack,
            .decode = json_decode,
        },
    [FRAME_PROTOBUF] =
        {
            .subprotocol = WS_PROTO_SUBPROTOCOL,
            .opcode = WS_BINARY,
            .ping_opcode = WS_PING,
            .ping = WS_HEARTBEAT,
            .null_ack = true,
            .append_event = protobuf_event,
            .append_ack = protobuf_ack,
            .decode = ws_proto_decode,
        },
};

enum status format_find(const char *subprotocol, enum frame_format *ret_format)
{
    for (int i = 0; i < FRAME_FORMATS; i++) {
        if (formats[i].subprotocol && strcmp(formats[i].subprotocol, subprotocol) == 0) {
            *ret_format = (enum frame_format)i;
            return STATUS_OK;
        }
    }
    return STATUS_NOT_FOUND;
}
