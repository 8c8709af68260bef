/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * What clients are to get of an event: frames for its industries and its user. A `struct delivery` has one
 * lane (lane.h). In this order:
 *
 *   delivery_number_user, delivery_number_industry   take the numbers of the event's frames, before it is
 * applied delivery_pack        a payload's frame without numbers: what the user's history and kept frames
 * hold delivery_pack_sent   its numbers: with them it is what an industry's history holds delivery_publish_*
 * to the gateways, in the order of the numbers delivery_abandon     instead, where that failed: the next
 * event begins a new lane
 *
 * Of a batch all frames to users are numbered before all frames to industries, for that is the order in which
 * histories get them: what is in a history at some number has everything before it in histories, too, whether
 * or not it will ever be published.
 *
 * An event that the stream hands out again is published under new numbers and the same event ids, and tells
 * the numbers it had first: gateways drop what they delivered. One thread; every worker has its own.
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

/* ---- Numbers ---------------------------------------------------------------------------------------- */

/* What one event's frames are published as. */
struct delivery_sent {
    uint32_t lane;
    uint64_t
        user; /* number of the first frame to the user, in the order of enum event_effect; 0: there is none */
    uint64_t industry; /* number of the frame to industries; 0: there is none */
    unsigned effects;  /* those that give a frame */

    /* Known when it is applied. */
    int64_t stamp_us;       /* Unix microseconds: delivery_stamp */
    uint64_t epoch;         /* of the store: versions and histories are within it */
    uint64_t user_sequence; /* of the first frame to the user; 0: in no history */
    uint32_t first_lane; /* repeated: as what it was first published; 0: it was not, or that is not known */
    uint64_t first_user;
    uint64_t first_industry;
};

void delivery_number_user(struct delivery *delivery, const struct event *event, unsigned effects,
                          struct delivery_sent *ret_sent);
void delivery_number_industry(struct delivery *delivery, struct delivery_sent *sent);

/* Unix microseconds, in the order of the numbers where it is asked in their order: histories are read in it.
 */
int64_t delivery_stamp(struct delivery *delivery);

/* Of the frame of one effect; 0: there is none. */
uint64_t delivery_number_of(const struct delivery_sent *sent, enum event_effect effect);

/* Names the frame: the same however often it is published. A network.update of another epoch is another one,
 * even of the same event: it corrects what was shown. */
uint64_t delivery_event_id(const char *key, enum event_effect effect, uint64_t epoch);

/* ---- Frames ----------------------------------------------------------------------------------------- */

/* Appends the packed frame of EFFECT_INDUSTRY or EFFECT_USER. */
enum status delivery_pack(struct delivery *delivery, const struct event *event, const char *key,
                          enum event_effect effect, struct buf *buf);

/* Appends to a frame so packed what it is published as. */
enum status delivery_pack_sent(const struct delivery_sent *sent, enum event_effect effect, struct buf *buf);

struct delivery_value {
    int64_t sum;    /* signed */
    uint64_t epoch; /* (epoch, version) order values; a version without its epoch means nothing */
    uint64_t version;
};

/* Fills a network.update frame whose data is appended to `data` (cleared first), both of which must outlive
 * its packing. The frame borrows user_id. No numbers, no event id: the version says it all. */
enum status delivery_update_frame(const char *user_id, const struct delivery_value *value, struct buf *data,
                                  Pollen8__OutboundFrame *frame);

/* ---- Publishing ------------------------------------------------------------------------------------- */

/* `frame` is packed with its numbers. */
enum status delivery_publish_industry(struct delivery *delivery, const struct delivery_sent *sent,
                                      struct slice frame);

/* `frame` is packed without. */
enum status delivery_publish_user(struct delivery *delivery, const char *user_id,
                                  const struct delivery_sent *sent, struct slice frame);

enum status delivery_publish_update(struct delivery *delivery, const char *user_id, const char *key,
                                    const struct delivery_sent *sent, int64_t sum, uint64_t version);

void delivery_abandon(struct delivery *delivery);

/* A mark that the lane lives, where every gateway has heard nothing of it for a while; between batches only.
 * `epoch`: that the store's connection is in, as far as it knows; 0: it has not been connected yet. */
void delivery_mark(struct delivery *delivery, uint64_t epoch);

#endif
