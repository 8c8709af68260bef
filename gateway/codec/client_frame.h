/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * What a client sent and what it is answered, the same for every transport: sio_packet, ws_json and ws_proto
 * decode to struct client_frame and encode struct client_result, so that ingress has one path. Pure; any
 * thread.
 *
 * Memory: a frame borrows from the message it was decoded from and holds no allocation. client_data_check
 * parses for a moment: at most CLIENT_DATA_VALUES JSON values, about 6 MB for the worst hostile input, freed
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

/* `id` is in the transport's own form and is handed back untouched to the ack's encoder: for ws_json the JSON
 * text ("7" or "\"a\""), for ws_proto the string's bytes, for Socket.IO the digits of the ack id. */
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

/* One sentence for the developer at the other end; never holds a value of the input, except the name of an
 * unknown member (cut, and only where it is a plain word). Empty where there is nothing to say. */
struct client_reason {
    char text[CLIENT_REASON_SIZE];
};

/* The answer to a frame with an id. For ok, `data` is one JSON text (length 0 is sent as {}). */
struct client_result {
    enum status status;                    /* STATUS_OK, or a refusal of errors.def */
    struct slice data;                     /* borrowed; ok only */
    const struct attachments *attachments; /* borrowed; ok only; NULL: none */
    bool arguments;          /* data is an array: what Socket.IO's ack is called with, as it is */
    struct slice message;    /* borrowed, valid UTF-8; length 0: the status's default sentence */
    uint32_t retry_after_ms; /* 0: no hint */
};

/* An event for a client, in the form all encoders take. */
struct client_event {
    struct slice event;
    struct slice data;                     /* JSON text as it goes out; empty: none */
    struct slice offset;                   /* plain text; empty: none */
    const struct attachments *attachments; /* NULL: none */
    uint64_t ask;                          /* not 0: an answer under this number is wanted */
    bool arguments;                        /* data is the array of the event's arguments */
};

/* What stands between the brackets of an array. STATUS_MALFORMED where the text is none. */
enum status client_array_inside(struct slice array, struct slice *ret_inside);

/* Appends ,"attachments":["<base64>",...] where there are any. */
enum status client_attachments_append(struct buf *buf, const struct attachments *attachments);

/* Whether the text is one valid JSON text within bounds: syntax, UTF-8, depth, number of values, duplicate
 * keys. STATUS_INVALID_PAYLOAD with a reason, STATUS_NO_MEMORY. Empty text is refused. */
enum status client_data_check(struct slice text, struct client_reason *reason);

/* Appends {"ok":true,"data":D} or {"ok":false,"error":{"code","message"[,"retryAfterMs"]}}. */
enum status client_result_append(struct buf *buf, const struct client_result *result);

/* As above without the braces around it, for encoders that put an id in front. */
enum status client_result_append_members(struct buf *buf, const struct client_result *result);

/* Sets the sentence; formatted text past the bound is cut. */
void client_reason_set(struct client_reason *reason, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

#endif
