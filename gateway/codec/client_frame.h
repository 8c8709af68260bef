/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * The room codec/: the protocols of clients, between bytes and structs. Pure functions, which know no
 * session.
 *
 *   in    one message of a client: text or binary, of Socket.IO or of a subprotocol of /ws
 *   out   struct client_frame, or a status and a sentence for the developer at the other end
 *   in    struct client_event or struct client_result
 *   out   the bytes to send, appended to the caller's buf
 *
 * This file: what a client sent and how it is answered, in the same form for every transport. sio_packet,
 * ws_json and ws_proto decode to struct client_frame and encode struct client_result, so that ingress has one
 * path. Pure; any thread.
 *
 * Memory: a frame borrows from the message it was decoded from and holds no allocation. client_data_check
 * parses temporarily: at most CLIENT_DATA_VALUES JSON values, about 6 MB for the worst hostile input, freed
 * before it returns.
 */
#ifndef POLLEN8_GATEWAY_CODEC_CLIENT_FRAME_H
#define POLLEN8_GATEWAY_CODEC_CLIENT_FRAME_H

#include <stdint.h>

#include "codec/attachments.h"
#include "common/buf.h"
#include "common/names.h"
#include "common/slice.h"
#include "common/status.h"

#define CLIENT_ID_MAXIMUM_BYTES 128   /* a frame's id as written, without quotes */
#define CLIENT_DATA_VALUES      16384 /* JSON values in one frame's data, nested ones included */
#define CLIENT_REASON_SIZE      160   /* with its NUL */

/* `id` is in the transport's own form and returns unchanged to the ack's encoder: the JSON text for ws_json
 * ("7" or "\"a\""), the string's bytes for ws_proto, the digits of the ack id for Socket.IO. */
struct client_frame {
    struct slice id;                          /* borrowed; length 0: no ack wanted */
    struct slice data;                        /* borrowed; one valid JSON text, length 0: none given */
    const struct attachments *attachments;    /* borrowed; NULL: none */
    uint64_t answer;                          /* not 0: answers the event with this number; no event */
    bool arguments;                           /* data is several JSON texts, separated by commas */
    char event[EVENT_NAME_MAXIMUM_BYTES + 1]; /* a valid event name, NUL-terminated */
};

static inline struct slice client_frame_event(const struct client_frame *frame)
{
    return slice_from_string(frame->event);
}

#define CLIENT_REASON_EVENT_NAME "event must be 1 to 64 of A-Z a-z 0-9 _ : . - with no empty part"

/* One sentence for the developer at the other end. It never holds a value of the input, except the name of an
 * unknown member (cut, and only if it is a plain word). Empty if there is nothing to say. */
struct client_reason {
    char text[CLIENT_REASON_SIZE];
};

/* The answer to a frame with an id. For ok, `data` is one JSON text (length 0 is sent as {}). */
struct client_result {
    enum status status;                    /* STATUS_OK, or a refusal of errors.def */
    struct slice data;                     /* borrowed; ok only */
    const struct attachments *attachments; /* borrowed; ok only; NULL: none */
    bool arguments;                        /* data is an array: Socket.IO's ack is called with its elements */
    struct slice message;    /* borrowed, valid UTF-8; length 0: the status's default sentence */
    uint32_t retry_after_ms; /* 0: no hint */
};

/* An event for a client, in the form all encoders take. */
struct client_event {
    struct slice event;
    struct slice data;                     /* JSON text as it goes out; empty: none */
    struct slice offset;                   /* plain text; empty: none */
    const struct attachments *attachments; /* NULL: none */
    uint64_t ask;                          /* not 0: the client is asked for an answer with this number */
    bool arguments;                        /* data is the array of the event's arguments */
};

/* The text between the brackets of an array. STATUS_MALFORMED if the text is not an array. */
enum status client_array_inside(struct slice array, struct slice *ret_inside);

/* Makes the array from the text between its brackets. Initialises the buf, which is the caller's to free, even
 * on failure. STATUS_NO_MEMORY. */
enum status client_array_make(struct slice inside, struct buf *ret_array);

/* Appends ,"attachments":["<base64>",...] if there are any. */
enum status client_attachments_append(struct buf *buf, const struct attachments *attachments);

/* Whether the text is one valid JSON text within bounds: syntax, UTF-8, depth, number of values, duplicate
 * keys. STATUS_INVALID_PAYLOAD with a reason, STATUS_NO_MEMORY. Empty text is refused. */
enum status client_data_check(struct slice text, struct client_reason *reason);

/* Appends {"ok":true,"data":D} or {"ok":false,"error":{"code","message"[,"retryAfterMs"]}}. */
enum status client_result_append(struct buf *buf, const struct client_result *result);

/* The same without the braces around it, for encoders that put an id in front. */
enum status client_result_append_members(struct buf *buf, const struct client_result *result);

/* Sets the sentence; text past the bound is cut. */
void client_reason_set(struct client_reason *reason, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

#endif
