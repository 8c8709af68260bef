/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * From the broker to the mailbox: checks once what services publish and makes the shared frame, so that
 * egress only delivers. Everything here except delivery_free runs on the thread that reads (reader.h: the
 * loop, or the library's delivery thread). The context of the callbacks is the struct gateway, of which they
 * touch only mailbox and metrics.
 */
#ifndef POLLEN8_GATEWAY_BROKER_DELIVERY_H
#define POLLEN8_GATEWAY_BROKER_DELIVERY_H

#include "frame.pb-c.h"

#include "base/mailbox.h"
#include "codec/attachments.h"
#include "common/bus/bus.h"
#include "common/bus/subject.h"
#include "common/names.h"
#include "frame/progress.h"
#include "frame/room_kind.h"

struct frame;
struct gateway;

extern const struct mail_kind delivery_mail;

/* A frame and the rooms it is for; or a mark of a lane, which has neither. */
struct delivery {
    struct mail mail;
    struct frame *frame; /* owned reference; NULL: a mark. A repeat of its event_id is dropped */
    struct lane_mark mark;
    uint64_t user_sequence; /* ROOM_USER: running number in the user's history; 0: not in it */
    enum room_kind kind;
    uint32_t key_count;
    struct slice keys[]; /* into the same allocation */
};

void delivery_industry_frame(void *context, const struct bus_message *message);
void delivery_all_frame(void *context, const struct bus_message *message);
void delivery_user_frame(void *context, const struct bus_message *message);
void delivery_lane_mark(void *context, const struct bus_message *message);

/* An owned copy of the attachments of `data`; NULL if there are none. STATUS_MALFORMED if they do not match
 * the placeholders in the data. Any thread. */
enum status delivery_attachments(struct slice data, size_t count, const ProtobufCBinaryData *list,
                                 struct attachments **ret_attachments);

/* The frame that an unpacked OutboundFrame describes; for snapshots too. Any thread. STATUS_MALFORMED. */
enum status delivery_make_frame(const Pollen8__OutboundFrame *message, struct frame **ret_frame);

/* A delivery from a history; its rooms are the user or the industries that it names. STATUS_MALFORMED. */
enum status delivery_make(const Pollen8__OutboundFrame *message, struct delivery **ret_delivery);

void delivery_free(struct delivery *delivery);

/* The user named by a subject: the last token of the subject is the authority, not the body.
 * STATUS_MALFORMED. Any thread. */
enum status delivery_user(struct slice subject, enum subject_kind kind, char user[ID_MAXIMUM_BYTES + 1]);

/* Counts and logs a message that was dropped; does nothing for STATUS_OK. Any thread. */
void delivery_report(struct gateway *gateway, enum status status, struct slice subject);

#endif
