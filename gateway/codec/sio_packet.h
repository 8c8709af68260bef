/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * Socket.IO v5 packets, the data of Engine.IO messages:
 *
 *   <type>[<attachments>-][<namespace>,][<ack id>][<JSON>]      2/chat,12["hello",{"a":1}]
 *
 * Judged as the stock parser (socket.io-parser 4) does, and stricter if only an attacker would notice. A
 * stock server closes the transport on a packet that does not decode; so must ours. Pure; any thread.
 *
 * Memory: decoding borrows from the input. sio_event_decode checks the arguments with client_data_check (see
 * there for its cost). Encoders append to the caller's buf, all or nothing, and allocate nothing else.
 */
#ifndef POLLEN8_GATEWAY_CODEC_SIO_PACKET_H
#define POLLEN8_GATEWAY_CODEC_SIO_PACKET_H

#include <stdint.h>

#include "codec/client_frame.h"

#define SIO_ATTACHMENTS_MAXIMUM     10
#define SIO_NAMESPACE_MAXIMUM_BYTES 128
/* 2^53: the largest number a JavaScript client counts to */
#define SIO_ACK_ID_MAXIMUM 9007199254740992
#define SIO_ROOT           SLICE_LITERAL("/")

enum sio_type { /* the digit on the wire */
                SIO_CONNECT = 0,
                SIO_DISCONNECT = 1,
                SIO_EVENT = 2,
                SIO_ACK = 3,
                SIO_CONNECT_ERROR = 4,
                SIO_BINARY_EVENT = 5,
                SIO_BINARY_ACK = 6
};

struct sio_packet {
    enum sio_type type;
    unsigned attachments;   /* binary messages that follow; binary types only */
    struct slice namespace; /* borrowed, starts with '/'; "/" if none is written */
    bool has_ack;
    uint64_t ack_id;
    struct slice ack_text; /* borrowed; the digits as written */
    struct slice payload;  /* borrowed; JSON text or empty */
};

/* Splits the packet. Checks that the payload is valid JSON within bounds and of the kind that the type
 * asks for (CONNECT: object or none; DISCONNECT: none; EVENT: array; ACK: array with an id). STATUS_FULL
 * past a bound, otherwise STATUS_MALFORMED. sio_event_decode refuses nested duplicate keys, NUL and lone
 * surrogates. */
enum status sio_packet_decode(struct slice text, struct sio_packet *ret_packet);

/* The event of an EVENT packet in the form that all transports share: one argument becomes the data, none
 * becomes no data, several become `arguments`. The caller adds the attachments.
 *
 *   STATUS_MALFORMED       the first element is not a string or is a reserved name: close the transport
 *   STATUS_INVALID_PAYLOAD bad event name, or data refused; `reason` is set
 *
 * On STATUS_INVALID_PAYLOAD ret_frame->id is set nevertheless, so that the ack can carry the refusal; the
 * rest of the frame is empty. */
enum status sio_event_decode(const struct sio_packet *packet, struct client_frame *ret_frame,
                             struct client_reason *reason);

/* Checks JSON text that comes with attachments: it must hold exactly that many objects
 * {"_placeholder":true,"num":n}, with every n in 0..attachments-1 once. Otherwise STATUS_MALFORMED. */
enum status sio_placeholders_check(struct slice json, size_t attachments);

/* 0{"sid":"..."}, with "pid" if it is not empty. Every encoder writes the namespace unless it is "/". */
enum status sio_connect_append(struct buf *buf, struct slice namespace, struct slice sid, struct slice pid);

/* 4{"message":"...","data":{"code":"..."}}; an empty message becomes the status's default. */
enum status sio_connect_error_append(struct buf *buf, struct slice namespace, enum status status,
                                     struct slice message);

/* 4/x,{"message":"Invalid namespace"} */
enum status sio_invalid_namespace_append(struct buf *buf, struct slice namespace);

/* 2[<ack id>]["event",data,"offset"], or 5<n>-... if there are attachments, which follow as n binary
 * messages. STATUS_MALFORMED if the arguments are not an array. */
enum status sio_event_append(struct buf *buf, struct slice namespace, const struct client_event *event);

/* 3<id>[{"ok":...}], or 6<n>-... likewise; `ack_text` is the frame's id. */
enum status sio_ack_append(struct buf *buf, struct slice namespace, struct slice ack_text,
                           const struct client_result *result);

#endif
