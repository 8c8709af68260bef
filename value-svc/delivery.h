/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * What clients are to get of an event: frames for its industries and its user, published for the gateways.
 * A `struct delivery` is one lane: its frames carry a random lane number and a running number, so that
 * gateways notice a gap. One thread; every worker has its own.
 */
#ifndef POLLEN8_VALUE_DELIVERY_H
#define POLLEN8_VALUE_DELIVERY_H

#include "common/bus.h"
#include "common/metrics.h"
#include "event.h"
#include "frame.pb-c.h"

struct delivery; /* opaque */

#define DELIVERY_UPDATE_EVENT "network.update"

/* `published` and `calculated` are counted; all are borrowed. */
enum status delivery_create(struct bus *bus, struct metric_cell *published, struct metric_cell *calculated,
                            struct delivery **ret_delivery);
void delivery_free(struct delivery *delivery); /* NULL is accepted */

struct delivery_value {
    int64_t sum;    /* signed */
    uint64_t epoch; /* (epoch, version) order values; a version without its epoch means nothing */
    uint64_t version;
};

/* Publishes the event's frames for those of its effects that are in `effects`. Publishing again gives the
 * same event ids, so that gateways drop what they delivered lately. A status other than STATUS_OK: some may
 * be missing, publish all again. */
enum status delivery_publish(struct delivery *delivery, const struct event *event, const char *key,
                             const struct delivery_value *value, unsigned effects);

/* Fills a network.update frame whose data is appended to `data` (cleared first), both of which must outlive
 * its packing. The frame borrows user_id. For snapshots: no lane, no event id, the version says it all. */
enum status delivery_update_frame(const char *user_id, const struct delivery_value *value, struct buf *data,
                                  Pollen8__OutboundFrame *frame);

#endif
