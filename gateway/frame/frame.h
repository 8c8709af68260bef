/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * One message on its way to clients: immutable, shared by all its receivers, encoded at most once in each
 * wire format and only when the first session of that format wants it. The encoded form is a complete
 * WebSocket frame that any number of sockets are written from.
 *
 * Made on the bus's delivery thread, then handed to the loop thread, which alone counts references and
 * encodes. The maker holds the first reference.
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

/* What a receiver needs to judge a frame; zero for frames without such a rule. */
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
    uint64_t serial;         /* never the same for two frames of a process */
    int64_t published_at_us; /* Unix microseconds; 0: unknown */
    uint64_t event_id;       /* names the delivery; 0: none */
    uint64_t lane_sequence;  /* where it was published: lane 0: unknown */
    uint32_t lane;
    uint32_t first_lane; /* 0: or it was published before, as this */
    uint64_t first_sequence;
    bool keep;        /* value-svc keeps it until it is told that a socket took it */
    bool lent;        /* the offset is where the gateway stands; no history has the frame */
    bool asked_again; /* for one session: what finds no room in its queue is asked for again */
    uint16_t offset_length;
    char *offset;                    /* owned; not terminated */
    struct attachments *attachments; /* owned; NULL: none. Set by the maker, as are the next */
    char *name_space;                /* owned; NULL: for sessions in all namespaces */
    struct frame_ask *ask;           /* owned: clients are asked for an answer; NULL: they are not */
    bool arguments;                  /* data is the array of several arguments */
    bool is_volatile;                /* dropped where it would have to wait */
    struct frame_variant *variants;  /* owned: the forms for further namespaces of Socket.IO */
    struct wire *wires[FRAME_FORMATS];
    char text[]; /* event, then data */
};

/* An event. The data is one JSON text and goes out byte for byte; both are copied. Any thread. */
enum status frame_create_event(struct slice event, struct slice data, const struct frame_rule *rule,
                               struct frame **ret_frame);

/* A message of one format, already encoded, for one session (an ack, a heartbeat): framed here, copied. */
enum status frame_create_message(enum frame_format format, enum ws_opcode opcode, struct slice payload,
                                 struct frame **ret_frame);

/* The same with attachments (NULL: none), which follow as binary messages in the same run of bytes. */
enum status frame_create_messages(enum frame_format format, enum ws_opcode opcode, struct slice payload,
                                  const struct attachments *attachments, struct frame **ret_frame);

/* The same from complete WebSocket frames, as they were made here or by another gateway. STATUS_MALFORMED. */
enum status frame_create_wire(enum frame_format format, struct slice wire, struct frame **ret_frame);

/* An event once more, for one receiver; not encoded yet and without offset. */
enum status frame_copy(const struct frame *frame, struct frame **ret_frame);

/* Where to recover from after this frame; copied. Before it is encoded. Where memory is short it has none. */
void frame_set_offset(struct frame *frame, struct slice offset);

/* Whether a client of Socket.IO that recovers takes the last argument for an offset: any text, be it the
 * event's name alone. Events that want an answer end with a function there. */
bool frame_ends_with_text(const struct frame *frame);

/* Gives such a frame the offset `offset`, for Socket.IO alone, if it has none. Before it is encoded. */
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

/* What an event says, borrowed. */
struct client_event frame_event(const struct frame *frame);

/* NULL is accepted. */
void frame_unref(struct frame *frame);

/* The frame in this format, borrowed; NULL where memory is short or it has no such form. */
const struct wire *frame_encode(struct frame *frame, enum frame_format format);

/* The frame as it goes to Socket.IO's namespace `name`, the index-th of those configured: borrowed, and made
 * once; a message is itself. It replaces only waiting ones of its namespace. NULL where memory is short. */
struct frame *frame_in_name_space(struct frame *frame, int index, struct slice name);

static inline const struct wire *frame_wire(struct frame *frame, enum frame_format format)
{
    return frame->wires[format] ? frame->wires[format] : frame_encode(frame, format);
}

#endif
