/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * First session -> feed made -> (sender thread) SUB of frames and controls. Last session gone -> linger timer
 * -> (sender thread) UNSUB, feed freed. A feed's subscriptions are touched on the sender's thread only.
 */
#include "users.h"

#include <stddef.h>
#include <stdlib.h>

#include "../common/log.h"
#include "../common/subject.h"
#include "gateway.h"
#include "identity.h"
#include "intake.h"
#include "rooms.h"
#include "sender.h"
#include "wheel.h"

struct feed {
    struct gateway *gateway;           /* for the callbacks, which touch its mailbox only */
    struct bus_subscription *frames;   /* sender thread */
    struct bus_subscription *controls; /* sender thread */
    size_t length;
    char user[];
};

struct user {
    struct room *room;         /* pinned while the user lives */
    struct feed *feed;         /* handed to the sender thread at the end */
    struct identity *identity; /* the latest, to share; may be NULL */
    struct wheel_timer linger;
};

static enum status subscribe_one(struct feed *feed, struct bus *bus, enum subject_kind kind,
                                 bus_message_fn *callback, struct bus_subscription **ret_subscription)
{
    char subject[SUBJECT_SIZE];
    enum status status = subject_make(subject, kind, slice_make(feed->user, feed->length));
    return status ? status : bus_subscribe(bus, subject, NULL, callback, feed->gateway, ret_subscription);
}

static void subscribe(void *context, struct bus *bus)
{
    struct feed *feed = context;
    enum status status = subscribe_one(feed, bus, SUBJECT_OUT_USER, intake_user_frame, &feed->frames);
    if (status == STATUS_OK)
        status = subscribe_one(feed, bus, SUBJECT_CTL_USER, intake_control, &feed->controls);
    if (status != STATUS_OK)
        log_event_limited(LOG_ERROR, "a user's subscription failed", LOG_S("status", status_code(status)));
}

static void unsubscribe(void *context, struct bus *bus)
{
    struct feed *feed = context;
    (void)bus;
    bus_unsubscribe(feed->frames);
    bus_unsubscribe(feed->controls);
    free(feed);
}

static enum status feed_create(struct gateway *gateway, struct slice user, struct feed **ret_feed)
{
    struct feed *feed = calloc(1, sizeof(*feed) + user.length);
    if (!feed)
        return STATUS_NO_MEMORY;
    feed->gateway = gateway;
    feed->length = user.length;
    memcpy(feed->user, user.data, user.length);
    enum status status = sender_call(gateway->sender, subscribe, feed);
    if (status != STATUS_OK) {
        free(feed);
        return status;
    }
    *ret_feed = feed;
    return STATUS_OK;
}

static void user_free(struct gateway *gateway, struct user *user)
{
    wheel_cancel(gateway->wheel, &user->linger);
    if (sender_call(gateway->sender, unsubscribe, user->feed) != STATUS_OK)
        log_event_limited(LOG_ERROR, "a user's subscription stays: out of memory");
    identity_unref(user->identity);
    rooms_pin(gateway->rooms, user->room, NULL);
    free(user);
    metric_subtract(metrics_cell(gateway->metrics, METRIC_USERS, NULL), 1);
}

static void linger_over(void *context, struct wheel_timer *timer)
{
    struct user *user = (struct user *)(void *)((char *)timer - offsetof(struct user, linger));
    user_free(context, user);
}

enum status users_enter(struct gateway *gateway, struct room *room)
{
    if (room->user) {
        wheel_cancel(gateway->wheel, &room->user->linger);
        return STATUS_OK;
    }
    struct user *user = calloc(1, sizeof(*user));
    if (!user)
        return STATUS_NO_MEMORY;
    enum status status = feed_create(gateway, room_key(room), &user->feed);
    if (status != STATUS_OK) {
        free(user);
        return status;
    }
    user->room = room;
    user->linger.fire = linger_over;
    rooms_pin(gateway->rooms, room, user);
    metrics_add(gateway->metrics, METRIC_USERS, 1);
    return STATUS_OK;
}

void users_exit(struct gateway *gateway, struct room *room)
{
    if (room->count == 0 && room->user)
        wheel_arm(gateway->wheel, &room->user->linger,
                  gateway->now_ms + (uint64_t)gateway->settings->user_linger);
}

struct identity *users_share(struct room *room, struct identity *identity)
{
    struct user *user = room->user;
    if (user->identity && identity_equal(user->identity, identity)) {
        identity_unref(identity);
        return identity_ref(user->identity);
    }
    identity_unref(user->identity);
    user->identity = identity_ref(identity);
    return identity;
}

static void end_one(void *context, const struct room *room)
{
    if (room->user)
        user_free(context, room->user);
}

void users_end(struct gateway *gateway)
{
    rooms_each_pinned(gateway->rooms, end_one, gateway);
    rooms_collect(gateway->rooms);
}
