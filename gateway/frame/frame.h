/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * The room frame/: what is sent to clients, built once and counted; and how far it has got.
 *
 *   in    events, data and lane marks from the broker or from a history (broker/delivery.h)
 *   out   references to frames in the queues of sessions (outq.h), the position (progress.h) and its text,
 *         the offset that clients keep (position.h)
 *
 * This file: one message to clients. It is immutable and shared by all its receivers. It is encoded at most
 * once per wire format, when the first session of that format needs it. The encoded form is a complete
 * WebSocket frame that is written to any number of sockets.
 *
 * A frame is made on the thread that reads from the broker and then handed to the loop thread. Only the loop
 * thread counts references and encodes. The maker holds the first reference.
 */
#ifndef POLLEN8_GATEWAY_FRAME_FRAME_H
#define POLLEN8_GATEWAY_FRAME_FRAME_H

#include <stdbool.h>
#include <stdint.h>

#include "codec/format.h"
#include "common/slice.h"
#include "common/status.h"

/* A complete WebSocket frame. */
struct wire {
    uint32_t length;
    uint32_t header; /* bytes in front of the payload */
    unsigned char bytes[];
};

/* What a receiver needs to decide whether it wants a frame; zero for frames without such a rule. */
struct frame_rule {
    uint64_t coalesce; /* hash of the coalesce key: a newer frame replaces a waiting older one; 0: never */
    uint64_t epoch;    /* (epoch, version) of the key; 0,0: unversioned */
    uint64_t version;
};

struct frame_ask;
struct frame_variant;

struct frame {
    uint32_t references;
    uint32_t event_length;
    uint32_t data_length;
    struct frame_rule rule;
    uint64_t serial;         /* unique among the frames of a process */
    int64_t published_at_us; /* Unix microseconds; 0: unknown */
    uint64_t event_id;       /* identifies the delivery; 0: none */
    uint64_t lane_sequence;  /* where it was published; lane 0: unknown */
    uint32_t lane;
    uint32_t first_lane; /* 0: first publish; else it was published before, in this lane */
    uint64_t first_sequence;
    bool keep;        /* value-svc keeps it until a socket is reported to have taken it */
    bool lent;        /* the offset is the gateway's position; no history has the frame */
    bool asked_again; /* for one session: if its queue has no room, it is requested again */
    uint16_t offset_length;
    char *offset;                    /* owned; not terminated */
    struct attachments *attachments; /* owned; NULL: none. The maker sets this and the next ones */
    char *namespace;                 /* owned; NULL: for sessions in all namespaces */
    struct frame_ask *ask;           /* owned: asks clients for an answer; NULL: it does not */
    bool arguments;                  /* data is the array of several arguments */
    bool is_volatile;                /* dropped if it would have to wait */
    struct frame_variant *variants;  /* owned: the forms for further namespaces of Socket.IO */
    struct wire *wires[FRAME_FORMATS];
    char text[]; /* event, then data */
};

/* An event. The data is one JSON text and goes out byte for byte. Both are copied. Any thread. */
enum status frame_create_event(struct slice event, struct slice data, const struct frame_rule *rule,
                               struct frame **ret_frame);

/* A message of one format, already encoded, for one session (an ack, a heartbeat): copied, with a frame
 * header in front. */
enum status frame_create_message(enum frame_format format, enum ws_opcode opcode, struct slice payload,
                                 struct frame **ret_frame);

/* The same with attachments (NULL: none), which follow as binary messages in the same run of bytes. */
enum status frame_create_messages(enum frame_format format, enum ws_opcode opcode, struct slice payload,
                                  const struct attachments *attachments, struct frame **ret_frame);

/* The same from complete WebSocket frames, as they were made here or by another gateway. STATUS_MALFORMED. */
enum status frame_create_wire(enum frame_format format, struct slice wire, struct frame **ret_frame);

/* Copies an event for one receiver; the copy is not encoded yet and has no offset. */
enum status frame_copy(const struct frame *frame, struct frame **ret_frame);

/* Sets where to recover from after this frame; copied. To be called before it is encoded. When out of memory
 * the frame has no offset. */
void frame_set_offset(struct frame *frame, struct slice offset);

/* Whether a recovering Socket.IO client would take the last argument for an offset: it takes any text, even
 * the event's name alone. Events that ask for an answer end with a function there. */
bool frame_ends_with_text(const struct frame *frame);

/* Gives such a frame the offset `offset`, for Socket.IO alone, unless it has one. To be called before it is
 * encoded. */
void frame_lend_offset(struct frame *frame, struct slice offset);

static inline struct slice frame_offset(const struct frame *frame)
{
    return slice_make(frame->offset, frame->offset_length);
}

static inline struct frame *frame_ref(struct frame *frame)
{
    frame->references++;
    return frame;
}

/* The content of an event, borrowed. */
struct client_event frame_event(const struct frame *frame);

/* NULL is accepted. */
void frame_unref(struct frame *frame);

/* The frame in this format, borrowed; NULL when out of memory or if it has no such form. */
const struct wire *frame_encode(struct frame *frame, enum frame_format format);

/* The frame as it goes to Socket.IO's namespace `name`, the index-th of those configured. Borrowed, made
 * once; a message is returned unchanged. It replaces only waiting frames of its namespace. NULL when out of
 * memory. */
struct frame *frame_in_namespace(struct frame *frame, int index, struct slice name);

static inline const struct wire *frame_wire(struct frame *frame, enum frame_format format)
{
    return frame->wires[format] ? frame->wires[format] : frame_encode(frame, format);
}

#endif
