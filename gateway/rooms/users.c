/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * First session -> subscribed to the user's frames. Last session gone -> linger timer: a report that the user
 * left -> unsubscribed. A new connection to the broker -> every user subscribed again.
 */
#include "rooms/users.h"

#include <stdlib.h>

#include "presence.pb-c.h"

#include "base/gateway.h"
#include "base/timer_wheel.h"
#include "broker/delivery.h"
#include "broker/reader.h"
#include "broker/sender.h"
#include "common/bus/subject.h"
#include "common/log.h"
#include "rooms/rooms.h"
#include "session/identity.h"

#define LEAVE_WAIT_MS 3000 /* a reconnect is not a leave */

struct user {
    struct room *room;         /* pinned while the user lives */
    struct identity *identity; /* the latest, to share; may be NULL */
    struct reader_feed feed;
    struct wheel_timer linger; /* fires twice: the user left; the subscription ends */
    uint64_t epoch;            /* of its history */
    uint64_t sequence;         /* the newest received number in it; 0: none yet */
    uint64_t seen;             /* bit n: the number n before that one was received */
    bool missing;              /* an earlier one than those was not */
};
_Static_assert(sizeof(struct user) <= 96, "stated in users.h");

static void user_free(struct gateway *gateway, struct user *user)
{
    timer_wheel_cancel(gateway->wheel, &user->linger);
    reader_leave(gateway->reader, &user->feed);
    identity_unref(user->identity);
    rooms_pin(gateway->rooms, user->room, NULL);
    free(user);
    metric_subtract(metrics_cell(gateway->metrics, METRIC_USERS, NULL), 1);
}

static void linger_over(void *context, struct wheel_timer *timer)
{
    struct user *user = TIMER_OWNER(timer, struct user, linger);
    user_free(context, user);
}

static void publish_left(const struct gateway *gateway, const struct room *room)
{
    /* the sender keeps a pointer to them */
    static const char *const headers[] = {"Pollen8-Type", "SessionClosed", NULL};
    Pollen8__SessionClosed message = POLLEN8__SESSION_CLOSED__INIT;
    char subject[SUBJECT_SIZE];
    message.gateway = gateway->settings->gateway_name;
    message.user_id = (char *)(uintptr_t)room->key;
    enum status status = subject_make(subject, SUBJECT_SESSION, slice_from_string(message.gateway));
    if (status == STATUS_OK)
        status = sender_publish_message(gateway->sender, subject, headers, &message.base);
    if (status != STATUS_OK)
        log_event_limited(LOG_WARN, status == STATUS_NO_MEMORY ? "out of memory for a report of presence"
                                                               : "a report of presence was not sent");
}

static void on_left(void *context, struct wheel_timer *timer)
{
    struct gateway *gateway = context;
    struct user *user = TIMER_OWNER(timer, struct user, linger);
    uint64_t linger_ms = (uint64_t)gateway->settings->user_linger;
    publish_left(gateway, user->room);
    timer->fire = linger_over;
    timer_wheel_arm(gateway->wheel, timer,
                    gateway->now_ms + (linger_ms > LEAVE_WAIT_MS ? linger_ms - LEAVE_WAIT_MS : 0));
}

enum status users_enter(struct gateway *gateway, struct room *room)
{
    if (room->user) {
        timer_wheel_cancel(gateway->wheel, &room->user->linger);
        return STATUS_OK;
    }
    struct user *user = calloc(1, sizeof(*user));
    if (!user)
        return STATUS_NO_MEMORY;
    enum status status = reader_enter(gateway->reader, room_key(room), &user->feed);
    if (status != STATUS_OK) {
        free(user);
        return status;
    }
    user->room = room;
    rooms_pin(gateway->rooms, room, user);
    metrics_add(gateway->metrics, METRIC_USERS, 1);
    return STATUS_OK;
}

void users_exit(struct gateway *gateway, struct room *room)
{
    if (room->count > 0 || !room->user)
        return;
    room->user->linger.fire = on_left;
    timer_wheel_arm(gateway->wheel, &room->user->linger, gateway->now_ms + LEAVE_WAIT_MS);
}

bool users_missed(struct room *room, const struct delivery *delivery)
{
    struct user *user = room->user;
    uint64_t sequence = delivery->user_sequence;
    if (!user)
        return false;
    if (user->sequence == 0 || delivery->mark.epoch > user->epoch) {
        user->epoch = delivery->mark.epoch;
        user->sequence = sequence;
        user->seen = UINT64_MAX;
        return false;
    }
    if (delivery->mark.epoch < user->epoch)
        return false;
    if (sequence <= user->sequence) {
        uint64_t before = user->sequence - sequence;
        user->seen |= before < 64 ? 1ULL << before : 0;
        return false;
    }
    uint64_t step = sequence - user->sequence;
    bool whole = users_whole(room);
    uint64_t behind = step < 64 ? user->seen >> (64 - step) : 0; /* the numbers that leave the 64 bits */
    user->missing |= step >= 64 || ~behind << (64 - step);
    user->seen = (step < 64 ? user->seen << step : 0) | 1;
    user->sequence = sequence;
    return step > 1 && whole;
}

bool users_whole(const struct room *room)
{
    return !room->user || (room->user->seen == UINT64_MAX && !room->user->missing);
}

uint64_t users_newest(const struct room *room)
{
    return room->user ? room->user->sequence : 0;
}

void users_forget(struct room *room)
{
    if (!room->user)
        return;
    room->user->seen = UINT64_MAX;
    room->user->missing = false;
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

static void renew_one(void *context, const struct room *room)
{
    struct gateway *gateway = context;
    if (room->user) /* it has a number and a valid name, so nothing else can fail */
        (void)reader_enter(gateway->reader, room_key(room), &room->user->feed);
}

void users_renew(struct gateway *gateway)
{
    rooms_each_pinned(gateway->rooms, renew_one, gateway);
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
