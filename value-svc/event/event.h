/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * The room event/: events and what is made of them, without a server. Input: payloads of clients, plain JSON
 * of backends and Event messages of the stream. Output: checked events, their keys, the worth of a network
 * (value.h), and frames with their numbers (delivery.h, lane.h).
 *
 * This file: a platform event as value-svc holds it, checked: submitted by a client, published by a backend
 * as plain JSON, or read from the stream as an Event message. A `struct event` is a plain value that owns
 * nothing (about 11 KB, of which a usual event touches the first few hundred bytes). Its texts are
 * NUL-terminated; no valid id or industry contains a NUL.
 *
 * Everything refused here is wrong content: STATUS_INVALID_PAYLOAD (or UNKNOWN_EVENT) with a one-line reason
 * that names the member and never repeats a value. Pure, never logs; any thread.
 */
#ifndef POLLEN8_VALUE_SVC_EVENT_EVENT_H
#define POLLEN8_VALUE_SVC_EVENT_EVENT_H

#include "common/buf.h"
#include "common/industry.h"
#include "common/names.h"
#include "common/slice.h"
#include "common/status.h"
#include "common/wire.h"

#define EVENT_REASON_SIZE 192
#define EVENT_KEY_SIZE    48 /* base64url of SHA-256, or "#<sequence>-<milliseconds>", and a NUL */

/* Most connections in one import: far above any network, far below what sums can hold. */
#define EVENT_IMPORT_MAXIMUM 1000000000

enum event_effect {
    EFFECT_INDUSTRY = 1, /* payload to everyone in its industries */
    EFFECT_UPDATE = 2,   /* network.update to the subject user */
    EFFECT_USER = 4      /* payload to the subject user */
};

enum event_policy { POLICY_QUEUE, POLICY_LATEST, POLICY_KEEP }; /* of frames: events.def */

enum event_index {
#define EVENT(id, name, codec, sign, effects, policy) EVENT_##id,
#include "event/events.def"
#undef EVENT
    EVENT_COUNT
};

struct event_codec; /* how one shape of payload is read and written: event_codec.h */

struct event_definition {
    const char *name;
    const struct event_codec *codec;
    int sign;         /* of the change of the count; 0: counts nothing */
    unsigned effects; /* enum event_effect */
    enum event_policy policy;
    enum event_index index;
};

struct event {
    const struct event_definition *definition;
    bool platform;                        /* published by a backend, without a session */
    char submitter[ID_MAXIMUM_BYTES + 1]; /* user id of the session; empty if `platform` */
    char event_id[ID_MAXIMUM_BYTES + 1];  /* the submitter's own id for it; empty: none */
    char user_id[ID_MAXIMUM_BYTES + 1];   /* the subject: userId, or creatorId of an invite */
    char invite_id[ID_MAXIMUM_BYTES + 1]; /* invite.created only */
    uint64_t origin_sequence;             /* of the dead letter that this event was; 0: it was none */
    int64_t origin_ms;
    int64_t amount;        /* connections of an import; else 1 */
    size_t industry_count; /* as written, repeats included */
    size_t room_count;     /* normalised, each once */
    char industries[INDUSTRIES_MAXIMUM][INDUSTRY_MAXIMUM_BYTES + 1];
    char rooms[INDUSTRIES_MAXIMUM][INDUSTRY_NORMALISED_SIZE];
};

/* The definition of an event by name, NULL for an unknown one; by index for walking all of them. */
const struct event_definition *event_find(struct slice name);
const struct event_definition *event_at(enum event_index index);

/* Reads a payload as clients and backends write it. The event is `platform` until event_submitted_by. */
enum status event_from_json(const struct event_definition *definition, struct slice text, struct event *event,
                            char reason[EVENT_REASON_SIZE]);

/* Sets the session's user as the event's submitter. */
enum status event_submitted_by(struct event *event, struct slice user_id);

/* Reads what is stored in the stream under pollen8.events.<name>: an Event message or plain JSON. The arena
 * is reset first and may be reused as soon as this returns. STATUS_NO_MEMORY is not the content's fault. */
enum status event_from_stream(struct slice name, struct slice bytes, struct wire_arena *arena,
                              struct event *event, char reason[EVENT_REASON_SIZE]);

/* Appends the Event message for the stream. */
enum status event_pack(const struct event *event, int64_t submitted_at_ms, struct buf *buf);

/* Appends the payload as clients get it: exactly the platform's members, texts as written. */
enum status event_append_payload(const struct event *event, struct buf *buf);

/* The key under which an event counts once. With an eventId it is the hash of (submitter, event, subject
 * user, eventId). Without one it is the event's place in the stream, or the place that it had before it was
 * put aside: sequence and time, so that a recreated stream shares no key. */
void event_key(const struct event *event, uint64_t stream_sequence, int64_t timestamp_ms,
               char out[EVENT_KEY_SIZE]);

/* Whether the key counts once for good, not only within the window: an import that has an eventId. */
bool event_once(const struct event *event);

/* The signed change of the count. */
int64_t event_change(const struct event *event);

#endif
