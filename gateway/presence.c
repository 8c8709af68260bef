/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * rooms -> counts by industry and user -> metric, and heartbeats of at most PART_ENTRIES entries each. A user
 * that left -> SessionClosed.
 */
#include "presence.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdlib.h>
#include <time.h>

#include "presence.pb-c.h"

#include "../common/log.h"
#include "../common/subject.h"
#include "../common/wire.h"
#include "gateway.h"
#include "loop.h"
#include "rooms.h"
#include "sender.h"
#include "wheel.h"

#define REFRESH_WAIT_MS  500
#define FIRST_MS         500
#define LAST_INTERVAL_MS 1 /* of an ending gateway: forgotten as soon as may be */
#define LARGEST          100
#define PART_ENTRIES     2048
#define PART_BYTES       (1024u * 1024)

struct presence {
    struct gateway *gateway;
    struct wheel_timer timer;
    char subject[SUBJECT_SIZE];
    atomic_bool asked; /* the metric is wanted */
    pthread_mutex_t lock;
    pthread_cond_t served;
    uint64_t times_served; /* lock */
};

/* Rooms of one kind, gathered; the pointers are good within this turn. */
struct counts {
    const struct room **rooms;
    size_t count;
    size_t capacity;
    bool failed;
};

static void gather_one(void *context, const struct room *room)
{
    struct counts *counts = context;
    if (counts->count == counts->capacity) {
        size_t capacity = counts->capacity ? counts->capacity * 2 : 64;
        const struct room **rooms = realloc(counts->rooms, capacity * sizeof(const struct room *));
        if (!rooms) {
            counts->failed = true;
            return;
        }
        counts->rooms = rooms;
        counts->capacity = capacity;
    }
    counts->rooms[counts->count++] = room;
}

static void set_connections(const struct gateway *gateway, const struct counts *counts)
{
    struct metric_sample *samples = calloc(counts->count + 1, sizeof(*samples));
    char *names = malloc(counts->count * 257 + 1);
    if (samples && names) {
        for (size_t i = 0; i < counts->count; i++) {
            char *name = names + i * 257;
            struct slice key = room_key(counts->rooms[i]);
            memcpy(name, key.data, key.length);
            name[key.length] = '\0';
            samples[i] = (struct metric_sample){.label_value = name, .value = counts->rooms[i]->count};
        }
        (void)metrics_replace(gateway->metrics, METRIC_CONNECTIONS, samples, counts->count, LARGEST);
    }
    free(samples);
    free(names);
}

/* ---- heartbeat ---------------------------------------------------------------------------------------- */

struct part {
    Pollen8__GatewayHeartbeat message;
    Pollen8__IndustryCount industries[PART_ENTRIES];
    Pollen8__UserCount users[PART_ENTRIES];
    Pollen8__IndustryCount *industry_list[PART_ENTRIES];
    Pollen8__UserCount *user_list[PART_ENTRIES];
    char names[PART_ENTRIES][257];
};

static void add_entry(struct part *part, const struct room *room, size_t at)
{
    struct slice key = room_key(room);
    memcpy(part->names[at], key.data, key.length);
    part->names[at][key.length] = '\0';
    if (room->kind == ROOM_INDUSTRY) {
        size_t i = part->message.n_industries++;
        pollen8__industry_count__init(&part->industries[i]);
        part->industries[i].industry = part->names[at];
        part->industries[i].sessions = room->count;
        part->industry_list[i] = &part->industries[i];
    } else {
        size_t i = part->message.n_users++;
        pollen8__user_count__init(&part->users[i]);
        part->users[i].user_id = part->names[at];
        part->users[i].sessions = room->count;
        part->user_list[i] = &part->users[i];
    }
}

static void tell(const struct presence *presence, const char *const *headers, const ProtobufCMessage *message)
{
    struct buf packed;
    buf_init(&packed, PART_BYTES);
    if (wire_pack(&packed, message) != STATUS_OK ||
        sender_publish(presence->gateway->sender, presence->subject, headers, buf_slice(&packed)) !=
            STATUS_OK)
        log_event_limited(LOG_WARN, "a report of presence was not sent");
    buf_done(&packed);
}

static void send_heartbeat(struct presence *presence, const struct counts *counts, int64_t interval_ms)
{
    static const char *const headers[] = {"Pollen8-Type", "GatewayHeartbeat", NULL};
    const struct settings *settings = presence->gateway->settings;
    const struct room *everyone = rooms_find(presence->gateway->rooms, ROOM_EVERYONE, (struct slice){0});
    struct part *part = calloc(1, sizeof(*part));
    size_t parts = counts->count ? (counts->count + PART_ENTRIES - 1) / PART_ENTRIES : 1;
    for (size_t p = 0; part && p < parts; p++) {
        pollen8__gateway_heartbeat__init(&part->message);
        part->message.gateway = settings->gateway_name;
        part->message.sessions = everyone ? everyone->count : 0;
        part->message.interval_ms = (uint32_t)interval_ms;
        part->message.part = (uint32_t)p;
        part->message.parts = (uint32_t)parts;
        part->message.industries = part->industry_list;
        part->message.users = part->user_list;
        for (size_t i = 0; i < PART_ENTRIES && p * PART_ENTRIES + i < counts->count; i++)
            add_entry(part, counts->rooms[p * PART_ENTRIES + i], i);
        tell(presence, headers, &part->message.base);
    }
    free(part);
}

static void tick(void *context, struct wheel_timer *timer)
{
    struct gateway *gateway = context;
    struct presence *presence = (struct presence *)(void *)((char *)timer - offsetof(struct presence, timer));
    struct counts counts = {0};
    rooms_each(gateway->rooms, ROOM_INDUSTRY, gather_one, &counts);
    rooms_each(gateway->rooms, ROOM_USER, gather_one, &counts);
    if (!counts.failed)
        send_heartbeat(presence, &counts, gateway->settings->heartbeat_interval);
    free(counts.rooms);
    wheel_arm(gateway->wheel, timer, gateway->now_ms + (uint64_t)gateway->settings->heartbeat_interval);
}

void presence_left(struct gateway *gateway, struct slice user_id)
{
    static const char *const headers[] = {"Pollen8-Type", "SessionClosed", NULL};
    Pollen8__SessionClosed message = POLLEN8__SESSION_CLOSED__INIT;
    char name[257];
    if (!gateway->presence || user_id.length >= sizeof(name))
        return;
    memcpy(name, user_id.data, user_id.length);
    name[user_id.length] = '\0';
    message.gateway = gateway->settings->gateway_name;
    message.user_id = name;
    tell(gateway->presence, headers, &message.base);
}

void presence_end(struct gateway *gateway)
{
    const struct counts none = {0};
    wheel_cancel(gateway->wheel, &gateway->presence->timer);
    send_heartbeat(gateway->presence, &none, LAST_INTERVAL_MS);
}

void presence_turn(struct gateway *gateway)
{
    struct presence *presence = gateway->presence;
    struct counts counts = {0};
    if (!presence || !atomic_load_explicit(&presence->asked, memory_order_relaxed))
        return;
    atomic_store(&presence->asked, false);
    rooms_each(gateway->rooms, ROOM_INDUSTRY, gather_one, &counts);
    if (!counts.failed)
        set_connections(gateway, &counts);
    free(counts.rooms);
    pthread_mutex_lock(&presence->lock);
    presence->times_served++;
    pthread_cond_broadcast(&presence->served);
    pthread_mutex_unlock(&presence->lock);
}

void presence_refresh(struct presence *presence)
{
    struct timespec until;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_nsec += REFRESH_WAIT_MS * 1000000L;
    until.tv_sec += until.tv_nsec / 1000000000L;
    until.tv_nsec %= 1000000000L;
    pthread_mutex_lock(&presence->lock);
    uint64_t before = presence->times_served;
    atomic_store(&presence->asked, true);
    loop_wake(presence->gateway->loop);
    int waited = 0;
    while (presence->times_served == before && waited == 0)
        waited = pthread_cond_timedwait(&presence->served, &presence->lock, &until);
    pthread_mutex_unlock(&presence->lock);
}

enum status presence_create(struct gateway *gateway, struct presence **ret_presence)
{
    struct presence *presence = calloc(1, sizeof(*presence));
    if (!presence)
        return STATUS_NO_MEMORY;
    presence->gateway = gateway;
    presence->timer.fire = tick;
    enum status status =
        subject_make(presence->subject, SUBJECT_SESSION, slice_from_string(gateway->settings->gateway_name));
    if (status != STATUS_OK) {
        free(presence);
        return status;
    }
    pthread_mutex_init(&presence->lock, NULL);
    pthread_cond_init(&presence->served, NULL);
    wheel_arm(gateway->wheel, &presence->timer, gateway->now_ms + FIRST_MS);
    *ret_presence = presence;
    return STATUS_OK;
}

void presence_free(struct gateway *gateway, struct presence *presence)
{
    if (!presence)
        return;
    wheel_cancel(gateway->wheel, &presence->timer);
    pthread_cond_destroy(&presence->served);
    pthread_mutex_destroy(&presence->lock);
    free(presence);
}
