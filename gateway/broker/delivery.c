/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * bytes -> protobuf (arena) -> event name, JSON and keys checked -> frame and delivery -> mailbox. A
 * malformed message is counted and logged (rate-limited), never delivered.
 */
#include "broker/delivery.h"

#include <stdlib.h>
#include <string.h>

#include "base/gateway.h"
#include "codec/client_frame.h"
#include "codec/sio_packet.h"
#include "common/base64url.h"
#include "common/bus/subject.h"
#include "common/industry.h"
#include "common/log.h"
#include "common/names.h"
#include "common/wire.h"
#include "frame/frame.h"
#include "frame/frame_ask.h"
#include "text/json_scan.h"

enum status delivery_attachments(struct slice data, size_t count, const ProtobufCBinaryData *list,
                                 struct attachments **ret_attachments)
{
    struct attachments attachments = {.count = count};
    if (count == 0) {
        *ret_attachments = NULL;
        return STATUS_OK;
    }
    if (count > ATTACHMENTS_MAXIMUM || sio_placeholders_check(data, count) != STATUS_OK)
        return STATUS_MALFORMED;
    for (size_t i = 0; i < count; i++)
        attachments.list[i] = slice_make(list[i].data, list[i].len);
    return attachments_copy(&attachments, ret_attachments);
}

static struct frame_rule rule_of(const Pollen8__OutboundFrame *message)
{
    if (message->policy != POLLEN8__DELIVERY_POLICY__DELIVERY_LATEST || !message->coalesce_key[0])
        return (struct frame_rule){0};
    return (struct frame_rule){.coalesce =
                                   hash64(message->coalesce_key, strlen(message->coalesce_key), 0) | 1,
                               .epoch = message->epoch,
                               .version = message->version};
}

/* Copies what the frame owns beside its text. */
static enum status copy_rest(struct frame *frame, const Pollen8__OutboundFrame *message, struct slice data)
{
    enum status status =
        delivery_attachments(data, message->n_attachments, message->attachments, &frame->attachments);
    if (status != STATUS_OK || !message->name_space[0])
        return status;
    frame->namespace = strdup(message->name_space);
    return frame->namespace ? STATUS_OK : STATUS_NO_MEMORY;
}

enum status delivery_make_frame(const Pollen8__OutboundFrame *message, struct frame **ret_frame)
{
    struct slice event = slice_from_string(message->event);
    struct slice data = slice_make(message->data.data, message->data.len);
    struct frame_rule rule = rule_of(message);
    struct frame *frame = NULL;
    struct slice inside;
    if (!event_name_valid(event) || json_scan_check(data, SIZE_MAX) != STATUS_OK ||
        (message->arguments && client_array_inside(data, &inside) != STATUS_OK))
        return STATUS_MALFORMED;
    enum status status = frame_create_event(event, data, &rule, &frame);
    if (status == STATUS_OK)
        status = copy_rest(frame, message, data);
    if (status != STATUS_OK) {
        frame_unref(frame);
        return status;
    }
    frame->arguments = message->arguments;
    frame->is_volatile = message->policy == POLLEN8__DELIVERY_POLICY__DELIVERY_VOLATILE;
    frame->published_at_us = message->published_at_us;
    frame->event_id = message->event_id;
    frame->lane = message->lane;
    frame->lane_sequence = message->lane_sequence;
    frame->first_lane = message->first_lane;
    frame->first_sequence = message->first_lane_sequence;
    frame->keep = message->policy == POLLEN8__DELIVERY_POLICY__DELIVERY_KEEP;
    *ret_frame = frame;
    return STATUS_OK;
}

static void dispose_delivery(struct mail *mail)
{
    delivery_free((struct delivery *)mail);
}

const struct mail_kind delivery_mail = {.dispose = dispose_delivery};

static struct delivery *delivery_create(enum room_kind kind, char *const *keys, size_t count)
{
    size_t length = 0;
    for (size_t i = 0; i < count; i++)
        length += strlen(keys[i]);
    struct delivery *delivery = calloc(1, sizeof(*delivery) + count * sizeof(struct slice) + length);
    if (!delivery)
        return NULL;
    char *at = (char *)(delivery->keys + count);
    for (size_t i = 0; i < count; i++) {
        delivery->keys[i] = slice_make(at, strlen(keys[i]));
        memcpy(at, keys[i], delivery->keys[i].length);
        at += delivery->keys[i].length;
    }
    delivery->mail.kind = &delivery_mail;
    delivery->kind = kind;
    delivery->key_count = (uint32_t)count;
    return delivery;
}

void delivery_free(struct delivery *delivery)
{
    if (!delivery)
        return;
    frame_unref(delivery->frame);
    free(delivery);
}

static struct lane_mark mark_of(const Pollen8__OutboundFrame *message, bool heard)
{
    bool numbered = message->lane && message->lane_sequence;
    return (struct lane_mark){.lane = numbered ? message->lane : 0,
                              .heard = heard,
                              .sequence = message->lane_sequence,
                              .previous = message->lane_previous,
                              .epoch = message->history_epoch};
}

static enum status make_delivery(const Pollen8__OutboundFrame *message, enum room_kind kind,
                                 char *const *keys, size_t count, struct delivery **ret_delivery)
{
    if (count > INDUSTRIES_MAXIMUM)
        return STATUS_MALFORMED;
    struct delivery *delivery = delivery_create(kind, keys, count);
    if (!delivery)
        return STATUS_NO_MEMORY;
    enum status status = delivery_make_frame(message, &delivery->frame);
    if (status != STATUS_OK) {
        delivery_free(delivery);
        return status;
    }
    delivery->mark = mark_of(message, kind != ROOM_USER);
    delivery->user_sequence = kind == ROOM_USER ? message->user_sequence : 0;
    *ret_delivery = delivery;
    return STATUS_OK;
}

enum status delivery_make(const Pollen8__OutboundFrame *message, struct delivery **ret_delivery)
{
    if (message->user_id[0])
        return make_delivery(message, ROOM_USER, &message->user_id, 1, ret_delivery);
    return make_delivery(message, ROOM_INDUSTRY, message->industries, message->n_industries, ret_delivery);
}

void delivery_report(struct gateway *gateway, enum status status, struct slice subject)
{
    if (status == STATUS_OK)
        return;
    gateway_count(gateway,
                  status == STATUS_FULL ? LABEL_BROKER_FRAMES_DROPPED : LABEL_BROKER_FRAMES_MALFORMED);
    log_event_limited(LOG_WARN, "a message from the broker was dropped", LOG_SLICE("subject", subject),
                      LOG_S("status", status_code(status)));
}

enum status delivery_user(struct slice subject, enum subject_kind kind, char user[ID_MAXIMUM_BYTES + 1])
{
    struct slice token = {0};
    size_t length = 0;
    enum status status = subject_tail(subject, kind, &token);
    if (status == STATUS_OK)
        status = base64url_decode(user, ID_MAXIMUM_BYTES, token, &length);
    if (status == STATUS_OK) {
        user[length] = '\0';
        if (!id_valid(slice_make(user, length)))
            status = STATUS_MALFORMED;
    }
    return status;
}

static enum status post(struct gateway *gateway, struct delivery *delivery)
{
    enum status status = mailbox_post(gateway->mailbox, MAIL_FRAMES, &delivery->mail);
    if (status != STATUS_OK)
        delivery_free(delivery);
    return status;
}

/* Notes where the answers of clients are to go. */
static enum status take_ask(uint32_t timeout_ms, struct slice reply, struct frame *frame)
{
    if (!timeout_ms || !reply.length)
        return STATUS_OK;
    if (reply.length > ASK_REPLY_MAXIMUM_BYTES)
        return STATUS_MALFORMED;
    frame->ask = calloc(1, sizeof(*frame->ask) + reply.length + 1);
    if (!frame->ask)
        return STATUS_NO_MEMORY;
    frame->ask->timeout_ms = timeout_ms < ASK_TIMEOUT_MAXIMUM_MS ? timeout_ms : ASK_TIMEOUT_MAXIMUM_MS;
    memcpy(frame->ask->reply, reply.data, reply.length);
    return STATUS_OK;
}

static void take_frame(struct gateway *gateway, const struct bus_message *message, enum room_kind kind)
{
    struct wire_arena arena = {0};
    const ProtobufCMessage *unpacked = NULL;
    struct delivery *delivery = NULL;
    char user[ID_MAXIMUM_BYTES + 1];
    char *user_key = user;
    enum status status = STATUS_OK;
    if (kind == ROOM_USER)
        status = delivery_user(message->subject, SUBJECT_OUT_USER, user);
    if (status == STATUS_OK)
        status = wire_unpack(&arena, &pollen8__outbound_frame__descriptor, message->data, &unpacked);
    if (status == STATUS_OK) {
        const Pollen8__OutboundFrame *frame = (const Pollen8__OutboundFrame *)unpacked;
        char *const *keys = kind == ROOM_USER ? &user_key : frame->industries;
        size_t count = kind == ROOM_USER ? 1 : kind == ROOM_INDUSTRY ? frame->n_industries : 0;
        status = make_delivery(frame, kind, keys, count, &delivery);
    }
    if (status == STATUS_OK)
        status = take_ask(((const Pollen8__OutboundFrame *)unpacked)->answer_timeout_ms, message->reply,
                          delivery->frame);
    if (status == STATUS_OK)
        status = post(gateway, delivery);
    else
        delivery_free(delivery);
    delivery_report(gateway, status, message->subject);
    wire_arena_done(&arena);
}

void delivery_lane_mark(void *context, const struct bus_message *message)
{
    struct gateway *gateway = context;
    struct wire_arena arena = {0};
    const ProtobufCMessage *unpacked = NULL;
    struct delivery *mark = NULL;
    enum status status = wire_unpack(&arena, &pollen8__outbound_frame__descriptor, message->data, &unpacked);
    if (status == STATUS_OK) {
        mark = delivery_create(ROOM_EVERYONE, NULL, 0);
        status = mark ? STATUS_OK : STATUS_NO_MEMORY;
    }
    if (status == STATUS_OK) {
        mark->mark = mark_of((const Pollen8__OutboundFrame *)unpacked, true);
        status = post(gateway, mark);
    }
    delivery_report(gateway, status, message->subject);
    wire_arena_done(&arena);
}

void delivery_industry_frame(void *context, const struct bus_message *message)
{
    take_frame(context, message, ROOM_INDUSTRY);
}

void delivery_all_frame(void *context, const struct bus_message *message)
{
    take_frame(context, message, ROOM_EVERYONE);
}

void delivery_user_frame(void *context, const struct bus_message *message)
{
    take_frame(context, message, ROOM_USER);
}
