/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * event + value -> payload JSON -> OutboundFrame -> pollen8.out.industry, pollen8.out.user.<token>
 *
 * A frame is packed once. Numbers are appended to it as further fields: to an industry's frame before it goes
 * into histories, to a user's when it is published.
 */
#include "event/delivery.h"

#include <stdlib.h>

#include "common/bus/subject.h"
#include "common/clock.h"
#include "common/names.h"
#include "common/wire.h"
#include "event/lane.h"
#include "event/value.h"

#define FRAME_MAXIMUM_BYTES 65536 /* 32 industries of 64 bytes, escaped sixfold, and normalised: < 25 KB */
#define MARK_AFTER_MS       700   /* with the wait of a worker's fetch: one mark per second */
#define PURPOSE_BITS        3     /* event ids of one key differ by their effect */

/* Numbers of OutboundFrame's fields. */
#define FIELD_LANE           10
#define FIELD_LANE_SEQUENCE  11
#define FIELD_PUBLISHED_AT   12
#define FIELD_LANE_PREVIOUS  13
#define FIELD_USER_SEQUENCE  14
#define FIELD_HISTORY_EPOCH  15
#define FIELD_FIRST_LANE     19
#define FIELD_FIRST_SEQUENCE 20

struct delivery {
    struct bus *bus;
    struct metric_cell *published;
    struct metric_cell *calculated;
    struct lane lane;
    struct buf data;  /* the payload, reused */
    struct buf frame; /* the packed frame, reused */
};

#define UPDATE(text, how)                                                                                    \
    static char update_name[] = text;                                                                        \
    static const enum event_policy update_policy = POLICY_##how;
#define EVENT(id, name, codec, sign, effects, policy)
#include "event/events.def"
#undef EVENT

enum status delivery_create(struct bus *bus, struct metric_cell *published, struct metric_cell *calculated,
                            struct delivery **ret_delivery)
{
    struct delivery *delivery = calloc(1, sizeof(*delivery));
    if (!delivery)
        return STATUS_NO_MEMORY;
    delivery->bus = bus;
    delivery->published = published;
    delivery->calculated = calculated;
    lane_renew(&delivery->lane);
    buf_init(&delivery->data, FRAME_MAXIMUM_BYTES);
    buf_init(&delivery->frame, FRAME_MAXIMUM_BYTES);
    *ret_delivery = delivery;
    return STATUS_OK;
}

void delivery_free(struct delivery *delivery)
{
    if (!delivery)
        return;
    buf_done(&delivery->data);
    buf_done(&delivery->frame);
    free(delivery);
}

/* ---- numbers ---------------------------------------------------------------------------------------- */

static unsigned count_effects(unsigned effects)
{
    unsigned count = 0;
    for (; effects != 0; effects &= effects - 1)
        count++;
    return count;
}

/* Effects that give frames to the user. */
static unsigned to_user(unsigned effects)
{
    return effects & ~(unsigned)EFFECT_INDUSTRY;
}

void delivery_number_user(struct delivery *delivery, const struct event *event, unsigned effects,
                          struct delivery_sent *ret_sent)
{
    unsigned wanted = event->definition->effects & effects;
    if (event->room_count == 0)
        wanted = to_user(wanted);
    *ret_sent = (struct delivery_sent){.lane = delivery->lane.id, .effects = wanted};
    if (to_user(wanted) != 0)
        ret_sent->user = lane_take(&delivery->lane, count_effects(to_user(wanted)));
}

void delivery_number_industry(struct delivery *delivery, struct delivery_sent *sent)
{
    if (sent->effects & EFFECT_INDUSTRY)
        sent->industry = lane_take(&delivery->lane, 1);
}

/* Frames to the user before this one. */
static unsigned frames_before(const struct delivery_sent *sent, enum event_effect effect)
{
    return count_effects(to_user(sent->effects & ((unsigned)effect - 1)));
}

int64_t delivery_stamp(struct delivery *delivery)
{
    return lane_stamp(&delivery->lane);
}

uint64_t delivery_number_of(const struct delivery_sent *sent, enum event_effect effect)
{
    if (!(sent->effects & effect))
        return 0;
    return effect == EFFECT_INDUSTRY ? sent->industry : sent->user + frames_before(sent, effect);
}

uint64_t delivery_event_id(const char *key, enum event_effect effect, uint64_t epoch)
{
    uint64_t purpose = (uint64_t)effect | (effect == EFFECT_UPDATE ? epoch << PURPOSE_BITS : 0);
    uint64_t id = hash64(key, strlen(key), purpose);
    return id != 0 ? id : 1; /* 0 means: never a repeat */
}

/* ---- frames ----------------------------------------------------------------------------------------- */

/* protobuf-c's fields are not const; packing does not write to them. */
static char *unconst(const char *text)
{
    return (char *)(uintptr_t)text;
}

static void set_policy(Pollen8__OutboundFrame *frame, enum event_policy policy)
{
    switch (policy) {
    case POLICY_LATEST:
        frame->policy = POLLEN8__DELIVERY_POLICY__DELIVERY_LATEST;
        frame->coalesce_key = frame->event;
        break;
    case POLICY_KEEP: frame->policy = POLLEN8__DELIVERY_POLICY__DELIVERY_KEEP; break;
    case POLICY_QUEUE:
    default: frame->policy = POLLEN8__DELIVERY_POLICY__DELIVERY_QUEUE; break;
    }
}

enum status delivery_pack(struct delivery *delivery, const struct event *event, const char *key,
                          enum event_effect effect, struct buf *buf)
{
    Pollen8__OutboundFrame frame = POLLEN8__OUTBOUND_FRAME__INIT;
    frame.event = unconst(event->definition->name);
    frame.event_id = delivery_event_id(key, effect, 0);
    set_policy(&frame, event->definition->policy);
    char *rooms[INDUSTRIES_MAXIMUM];
    if (effect == EFFECT_INDUSTRY) {
        for (size_t i = 0; i < event->room_count; i++)
            rooms[i] = unconst(event->rooms[i]);
        frame.industries = rooms;
        frame.n_industries = event->room_count;
    } else {
        frame.user_id = unconst(event->user_id);
    }
    buf_clear(&delivery->data);
    enum status status = event_append_payload(event, &delivery->data);
    frame.data.data = (uint8_t *)delivery->data.data;
    frame.data.len = delivery->data.length;
    return status == STATUS_OK ? wire_pack(buf, &frame.base) : status;
}

static enum status append_first(const struct delivery_sent *sent, enum event_effect effect, struct buf *buf)
{
    uint64_t number =
        effect == EFFECT_INDUSTRY ? sent->first_industry : sent->first_user + frames_before(sent, effect);
    if (sent->first_lane == 0 || number == 0)
        return STATUS_OK;
    enum status status = wire_append_integer(buf, FIELD_FIRST_LANE, sent->first_lane);
    return status == STATUS_OK ? wire_append_integer(buf, FIELD_FIRST_SEQUENCE, number) : status;
}

enum status delivery_pack_sent(const struct delivery_sent *sent, enum event_effect effect, struct buf *buf)
{
    uint64_t number = delivery_number_of(sent, effect);
    enum status status = wire_append_integer(buf, FIELD_LANE, sent->lane);
    if (status == STATUS_OK)
        status = wire_append_integer(buf, FIELD_LANE_SEQUENCE, number);
    if (status == STATUS_OK)
        status = wire_append_integer(buf, FIELD_PUBLISHED_AT, (uint64_t)sent->stamp_us);
    if (status == STATUS_OK)
        status = wire_append_integer(buf, FIELD_HISTORY_EPOCH, sent->epoch);
    if (status == STATUS_OK && effect != EFFECT_INDUSTRY && sent->user_sequence != 0)
        status =
            wire_append_integer(buf, FIELD_USER_SEQUENCE, sent->user_sequence + frames_before(sent, effect));
    return status == STATUS_OK ? append_first(sent, effect, buf) : status;
}

enum status delivery_update_frame(const char *user_id, const struct delivery_value *value, struct buf *data,
                                  Pollen8__OutboundFrame *frame)
{
    char number[VALUE_TEXT_SIZE];
    value_format(value->sum, number);
    frame->event = update_name;
    set_policy(frame, update_policy);
    frame->user_id = unconst(user_id);
    frame->epoch = value->epoch;
    frame->version = value->version;
    buf_clear(data);
    enum status status = buf_append_string(data, "{\"userId\":");
    if (status == STATUS_OK)
        status = buf_append_json_string(data, slice_from_string(user_id));
    if (status == STATUS_OK)
        status = buf_append_format(data, ",\"newValue\":%s}", number);
    frame->data.data = (uint8_t *)data->data;
    frame->data.len = data->length;
    return status;
}

/* ---- publishing ------------------------------------------------------------------------------------- */

/* Publishes delivery->frame. */
static enum status publish(struct delivery *delivery, const char *subject)
{
    enum status status = bus_publish(delivery->bus, subject, delivery->frame.data, delivery->frame.length);
    if (status == STATUS_OK)
        metric_add(delivery->published, 1);
    return status;
}

enum status delivery_publish_industry(struct delivery *delivery, const struct delivery_sent *sent,
                                      struct slice frame)
{
    uint64_t before = lane_heard(&delivery->lane, delivery_number_of(sent, EFFECT_INDUSTRY));
    buf_clear(&delivery->frame);
    enum status status = buf_append(&delivery->frame, frame.data, frame.length);
    if (status == STATUS_OK)
        status = wire_append_integer(&delivery->frame, FIELD_PUBLISHED_AT, (uint64_t)clock_wall_us());
    if (status == STATUS_OK)
        status = wire_append_integer(&delivery->frame, FIELD_LANE_PREVIOUS, before);
    return status == STATUS_OK ? publish(delivery, SUBJECT_OUT_INDUSTRY) : status;
}

/* Publishes delivery->frame, which lacks its numbers. */
static enum status publish_to_user(struct delivery *delivery, const char *user_id,
                                   const struct delivery_sent *sent, enum event_effect effect)
{
    char subject[SUBJECT_SIZE];
    enum status status = subject_make(subject, SUBJECT_OUT_USER, slice_from_string(user_id));
    if (status == STATUS_OK)
        status = delivery_pack_sent(sent, effect, &delivery->frame);
    if (status == STATUS_OK)
        status = wire_append_integer(&delivery->frame, FIELD_PUBLISHED_AT, (uint64_t)clock_wall_us());
    return status == STATUS_OK ? publish(delivery, subject) : status;
}

enum status delivery_publish_user(struct delivery *delivery, const char *user_id,
                                  const struct delivery_sent *sent, struct slice frame)
{
    buf_clear(&delivery->frame);
    enum status status = buf_append(&delivery->frame, frame.data, frame.length);
    return status == STATUS_OK ? publish_to_user(delivery, user_id, sent, EFFECT_USER) : status;
}

enum status delivery_publish_update(struct delivery *delivery, const char *user_id, const char *key,
                                    const struct delivery_sent *sent, int64_t sum, uint64_t version)
{
    const struct delivery_value value = {.sum = sum, .epoch = sent->epoch, .version = version};
    Pollen8__OutboundFrame frame = POLLEN8__OUTBOUND_FRAME__INIT;
    enum status status = delivery_update_frame(user_id, &value, &delivery->data, &frame);
    metric_add(delivery->calculated, 1);
    frame.event_id = delivery_event_id(key, EFFECT_UPDATE, sent->epoch);
    buf_clear(&delivery->frame);
    if (status == STATUS_OK)
        status = wire_pack(&delivery->frame, &frame.base);
    return status == STATUS_OK ? publish_to_user(delivery, user_id, sent, EFFECT_UPDATE) : status;
}

void delivery_abandon(struct delivery *delivery)
{
    lane_renew(&delivery->lane);
}

void delivery_mark(struct delivery *delivery, uint64_t epoch)
{
    if (clock_monotonic_ms() - delivery->lane.heard_ms < MARK_AFTER_MS || !bus_connected(delivery->bus))
        return;
    Pollen8__OutboundFrame mark = POLLEN8__OUTBOUND_FRAME__INIT;
    mark.lane = delivery->lane.id;
    mark.history_epoch = epoch;
    mark.lane_sequence = lane_take(&delivery->lane, 1);
    mark.lane_previous = lane_heard(&delivery->lane, mark.lane_sequence);
    mark.published_at_us = clock_wall_us();
    buf_clear(&delivery->frame);
    enum status status = wire_pack(&delivery->frame, &mark.base);
    if (status == STATUS_OK)
        status = bus_publish(delivery->bus, SUBJECT_OUT_LANE, delivery->frame.data, delivery->frame.length);
    if (status != STATUS_OK)
        delivery_abandon(delivery);
}
