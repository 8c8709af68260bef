/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * What clients receive for an event: frames for its industries and its user. A `struct delivery` has one lane
 * (lane.h). In this order:
 *
 *   delivery_number_user,       take the numbers of the event's frames, before the event is applied
 *   delivery_number_industry
 *   delivery_pack               a payload's frame without numbers: for the user's history and kept frames
 *   delivery_pack_sent          appends its numbers: for an industry's history
 *   delivery_publish_*          to the gateways, in the order of the numbers
 *   delivery_abandon            instead, if publishing failed: the next event begins a new lane
 *
 * In a batch all frames to users are numbered before all frames to industries, because histories get them in
 * that order. So if a history has a number, all earlier numbers are in histories too, even if they are never
 * published.
 *
 * An event that is redelivered is published under new numbers and the same event ids, and names its first
 * numbers: gateways drop what they have delivered. One thread; every worker has its own.
 */
#ifndef POLLEN8_VALUE_SVC_EVENT_DELIVERY_H
#define POLLEN8_VALUE_SVC_EVENT_DELIVERY_H

#include "common/bus/bus.h"
#include "common/ops/metrics.h"
#include "event/event.h"
#include "frame.pb-c.h"

struct delivery; /* opaque */

/* `published` and `calculated` are counted; all are borrowed. */
enum status delivery_create(struct bus *bus, struct metric_cell *published, struct metric_cell *calculated,
                            struct delivery **ret_delivery);
void delivery_free(struct delivery *delivery); /* NULL is accepted */

/* ---- numbers ---------------------------------------------------------------------------------------- */

/* What one event's frames are published as. */
struct delivery_sent {
    uint32_t lane;
    uint64_t user;     /* number of the first frame to the user, in the order of enum event_effect; 0: none */
    uint64_t industry; /* number of the frame to industries; 0: there is none */
    unsigned effects;  /* those that give a frame */

    /* Known when it is applied. */
    int64_t stamp_us;       /* Unix microseconds: delivery_stamp */
    uint64_t epoch;         /* of the store: versions and histories are within it */
    uint64_t user_sequence; /* of the first frame to the user; 0: in no history */
    uint32_t first_lane;    /* repeated: its first publishing; 0: none, or not known */
    uint64_t first_user;
    uint64_t first_industry;
};

void delivery_number_user(struct delivery *delivery, const struct event *event, unsigned effects,
                          struct delivery_sent *ret_sent);
void delivery_number_industry(struct delivery *delivery, struct delivery_sent *sent);

/* Unix microseconds. Call it in the order of the numbers: stamps then have that order, in which
 * histories are read. */
int64_t delivery_stamp(struct delivery *delivery);

/* Of the frame of one effect; 0: there is none. */
uint64_t delivery_number_of(const struct delivery_sent *sent, enum event_effect effect);

/* Identifies the frame, however often it is published. A network.update in a different epoch gets a different
 * id, even for the same event: it corrects the value shown. */
uint64_t delivery_event_id(const char *key, enum event_effect effect, uint64_t epoch);

/* ---- frames ----------------------------------------------------------------------------------------- */

/* Appends the packed frame of EFFECT_INDUSTRY or EFFECT_USER. */
enum status delivery_pack(struct delivery *delivery, const struct event *event, const char *key,
                          enum event_effect effect, struct buf *buf);

/* Appends the numbers to a frame packed by delivery_pack. */
enum status delivery_pack_sent(const struct delivery_sent *sent, enum event_effect effect, struct buf *buf);

struct delivery_value {
    int64_t sum;    /* signed */
    uint64_t epoch; /* (epoch, version) orders values; a version without its epoch means nothing */
    uint64_t version;
};

/* Fills a network.update frame; its data is written to `data` (cleared first). `data` and user_id, which the
 * frame borrows, must outlive its packing. No numbers and no event id: the version is enough. */
enum status delivery_update_frame(const char *user_id, const struct delivery_value *value, struct buf *data,
                                  Pollen8__OutboundFrame *frame);

/* ---- publishing ------------------------------------------------------------------------------------- */

/* `frame` is packed with its numbers. */
enum status delivery_publish_industry(struct delivery *delivery, const struct delivery_sent *sent,
                                      struct slice frame);

/* `frame` is packed without. */
enum status delivery_publish_user(struct delivery *delivery, const char *user_id,
                                  const struct delivery_sent *sent, struct slice frame);

enum status delivery_publish_update(struct delivery *delivery, const char *user_id, const char *key,
                                    const struct delivery_sent *sent, int64_t sum, uint64_t version);

void delivery_abandon(struct delivery *delivery);

/* Publishes a mark that the lane lives, if nothing of it went to all gateways for a while. Between batches
 * only. `epoch`: the epoch of the store's connection, as far as known; 0: it has not been connected yet. */
void delivery_mark(struct delivery *delivery, uint64_t epoch);

#endif
