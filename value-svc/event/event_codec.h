/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * How one shape of payload is read, checked and written; the checks of members that all shapes share.
 * Used by event.c and the event_<shape>.c files only.
 */
#ifndef POLLEN8_VALUE_SVC_EVENT_EVENT_CODEC_H
#define POLLEN8_VALUE_SVC_EVENT_EVENT_CODEC_H

#include "common/json.h"
#include "event.pb-c.h"
#include "event/event.h"

struct event_codec {
    const char *const *members; /* of the payload, NULL-terminated; eventId is allowed besides */
    enum status (*read_json)(const json_t *object, struct event *event, char *reason);
    enum status (*read_body)(const Pollen8__Event *envelope, struct event *event, char *reason);
    /* Packs `envelope` (filled except for its body) with this shape's body. */
    enum status (*pack)(const struct event *event, Pollen8__Event *envelope, struct buf *buf);
    enum status (*append_payload)(const struct event *event, struct buf *buf);
};

extern const struct event_codec event_codec_connection;
extern const struct event_codec event_codec_import;
extern const struct event_codec event_codec_invite;

/* Writes the reason and returns STATUS_INVALID_PAYLOAD. `reason` holds EVENT_REASON_SIZE bytes. */
enum status event_refuse(char *reason, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Whether it is empty, or only JSON's white space. */
bool event_blank(struct slice text);

/* Checks an id and copies it; the reason names `member`. */
enum status event_take_id(struct slice id, const char *member, char out[ID_MAXIMUM_BYTES + 1], char *reason);

/* As event_take_id for a required string member of a JSON object. */
enum status event_take_json_id(const json_t *object, const char *member, char out[ID_MAXIMUM_BYTES + 1],
                               char *reason);

#endif
