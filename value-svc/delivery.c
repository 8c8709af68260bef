/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * event + value -> payload JSON -> OutboundFrame -> pollen8.out.industry, pollen8.out.user.<token>
 */
#include "delivery.h"

#include <stdlib.h>

#include "common/clock.h"
#include "common/names.h"
#include "common/rng.h"
#include "common/subject.h"
#include "value.h"

#define FRAME_MAXIMUM_BYTES 65536 /* 32 industries of 64 bytes, escaped sixfold, and normalised: < 25 KB */
#define PURPOSE_INDUSTRY    1     /* what event ids of one key differ by */
#define PURPOSE_USER        2
#define PURPOSE_UPDATE      3
#define PURPOSE_BITS        2

struct delivery {
    struct bus *bus;
    struct metric_cell *published;
    struct metric_cell *calculated;
    uint32_t lane;     /* random, not 0 */
    uint64_t sequence; /* of the last frame */
    struct buf data;   /* the payload, reused */
    struct buf frame;  /* the packed frame, reused */
};

enum status delivery_create(struct bus *bus, struct metric_cell *published, struct metric_cell *calculated,
                            struct delivery **ret_delivery)
{
    struct delivery *delivery = calloc(1, sizeof *delivery);

    if (!delivery)
        return STATUS_NO_MEMORY;
    delivery->bus = bus;
    delivery->published = published;
    delivery->calculated = calculated;
    while (delivery->lane == 0)
        delivery->lane = (uint32_t)rng_u64();
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

static uint64_t delivery_id(const char *key, uint64_t seed)
{
    uint64_t id = hash64(key, strlen(key), seed);

    return id != 0 ? id : 1; /* 0 means: never a repeat */
}

static enum status publish(struct delivery *delivery, const char *subject, Pollen8__OutboundFrame *frame)
{
    enum status status;

    frame->data.data = (uint8_t *)delivery->data.data;
    frame->data.len = delivery->data.length;
    frame->lane = delivery->lane;
    frame->lane_sequence = ++delivery->sequence;
    frame->published_at_us = clock_wall_us();
    buf_clear(&delivery->frame);
    status = wire_pack(&delivery->frame, &frame->base);
    if (status == STATUS_OK)
        status = bus_publish(delivery->bus, subject, delivery->frame.data, delivery->frame.length);
    if (status == STATUS_OK)
        metric_add(delivery->published, 1);
    return status;
}

/* The event's own payload, under its own name. */
static enum status payload_frame(struct delivery *delivery, const struct event *event,
                                 Pollen8__OutboundFrame *frame)
{
    /* protobuf-c's fields are not const; packing does not write to them. */
    frame->event = (char *)(uintptr_t)event->definition->name;
    buf_clear(&delivery->data);
    return event_append_payload(event, &delivery->data);
}

static enum status publish_industry(struct delivery *delivery, const struct event *event, const char *key)
{
    Pollen8__OutboundFrame frame = POLLEN8__OUTBOUND_FRAME__INIT;
    char *rooms[INDUSTRIES_MAXIMUM];
    enum status status;

    if (event->room_count == 0)
        return STATUS_OK;
    for (size_t i = 0; i < event->room_count; i++)
        rooms[i] = (char *)(uintptr_t)event->rooms[i];
    frame.industries = rooms;
    frame.n_industries = event->room_count;
    frame.event_id = delivery_id(key, PURPOSE_INDUSTRY);
    status = payload_frame(delivery, event, &frame);
    return status == STATUS_OK ? publish(delivery, SUBJECT_OUT_INDUSTRY, &frame) : status;
}

static enum status publish_to_user(struct delivery *delivery, Pollen8__OutboundFrame *frame)
{
    char subject[SUBJECT_SIZE];
    enum status status = subject_make(subject, SUBJECT_OUT_USER, slice_from_string(frame->user_id));

    return status == STATUS_OK ? publish(delivery, subject, frame) : status;
}

static enum status publish_user(struct delivery *delivery, const struct event *event, const char *key)
{
    Pollen8__OutboundFrame frame = POLLEN8__OUTBOUND_FRAME__INIT;
    enum status status = payload_frame(delivery, event, &frame);

    frame.user_id = (char *)(uintptr_t)event->user_id;
    frame.policy = POLLEN8__DELIVERY_POLICY__DELIVERY_KEEP;
    frame.event_id = delivery_id(key, PURPOSE_USER);
    return status == STATUS_OK ? publish_to_user(delivery, &frame) : status;
}

enum status delivery_update_frame(const char *user_id, const struct delivery_value *value, struct buf *data,
                                  Pollen8__OutboundFrame *frame)
{
    static char name[] = DELIVERY_UPDATE_EVENT;
    char number[VALUE_TEXT_SIZE];
    enum status status;

    value_format(value->sum, number);
    frame->event = name;
    frame->coalesce_key = name;
    frame->policy = POLLEN8__DELIVERY_POLICY__DELIVERY_LATEST;
    frame->user_id = (char *)(uintptr_t)user_id;
    frame->epoch = value->epoch;
    frame->version = value->version;
    buf_clear(data);
    status = buf_append_string(data, "{\"userId\":");
    if (status == STATUS_OK)
        status = buf_append_json_string(data, slice_from_string(user_id));
    if (status == STATUS_OK)
        status = buf_append_format(data, ",\"newValue\":%s}", number);
    frame->data.data = (uint8_t *)data->data;
    frame->data.len = data->length;
    return status;
}

static enum status publish_update(struct delivery *delivery, const struct event *event, const char *key,
                                  const struct delivery_value *value)
{
    Pollen8__OutboundFrame frame = POLLEN8__OUTBOUND_FRAME__INIT;
    enum status status = delivery_update_frame(event->user_id, value, &delivery->data, &frame);

    metric_add(delivery->calculated, 1);
    /* A value of another epoch is another delivery, even of the same event: it corrects what was shown. */
    frame.event_id = delivery_id(key, (value->epoch << PURPOSE_BITS) | PURPOSE_UPDATE);
    return status == STATUS_OK ? publish_to_user(delivery, &frame) : status;
}

enum status delivery_publish(struct delivery *delivery, const struct event *event, const char *key,
                             const struct delivery_value *value, unsigned effects)
{
    unsigned wanted = event->definition->effects & effects;
    enum status status = STATUS_OK;

    if (wanted & EFFECT_INDUSTRY)
        status = publish_industry(delivery, event, key);
    if (status == STATUS_OK && (wanted & EFFECT_USER))
        status = publish_user(delivery, event, key);
    if (status == STATUS_OK && (wanted & EFFECT_UPDATE))
        status = publish_update(delivery, event, key, value);
    return status;
}
