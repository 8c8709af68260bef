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
#define ENTRY_BYTES      512

/* Numbers of the fields of GatewayHeartbeat, and of an entry of its lists. */
#define FIELD_INDUSTRIES 3
#define FIELD_USERS      4
#define FIELD_NAME       1
#define FIELD_SESSIONS   2

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

/* {name, sessions} as a further member of one of the two lists. */
static enum status append_entry(struct buf *packed, struct buf *entry, const struct room *room)
{
    buf_clear(entry);
    enum status status = wire_append_bytes(entry, FIELD_NAME, room_key(room));
    if (status == STATUS_OK)
        status = wire_append_integer(entry, FIELD_SESSIONS, room->count);
    if (status == STATUS_OK)
        status = wire_append_bytes(packed, room->kind == ROOM_INDUSTRY ? FIELD_INDUSTRIES : FIELD_USERS,
                                   buf_slice(entry));
    return status;
}

/* The message is packed by its descriptor; rooms, as the lists of a heartbeat, entry by entry behind it: they
 * are many. */
static void tell(const struct presence *presence, const char *const *headers, const ProtobufCMessage *message,
                 const struct room *const *rooms, size_t count)
{
    struct buf packed;
    struct buf entry;
    buf_init(&packed, PART_BYTES);
    buf_init(&entry, ENTRY_BYTES);
    enum status status = wire_pack(&packed, message);
    for (size_t i = 0; status == STATUS_OK && i < count; i++)
        status = append_entry(&packed, &entry, rooms[i]);
    if (status == STATUS_OK)
        status = sender_publish(presence->gateway->sender, presence->subject, headers, buf_slice(&packed));
    if (status != STATUS_OK)
        log_event_limited(LOG_WARN, "a report of presence was not sent");
    buf_done(&entry);
    buf_done(&packed);
}

static void send_heartbeat(struct presence *presence, const struct counts *counts, int64_t interval_ms)
{
    static const char *const headers[] = {"Pollen8-Type", "GatewayHeartbeat", NULL};
    const struct gateway *gateway = presence->gateway;
    const struct room *everyone = rooms_find(gateway->rooms, ROOM_EVERYONE, (struct slice){0});
    size_t parts = counts->count ? (counts->count + PART_ENTRIES - 1) / PART_ENTRIES : 1;
    for (size_t p = 0; p < parts; p++) {
        Pollen8__GatewayHeartbeat head = POLLEN8__GATEWAY_HEARTBEAT__INIT;
        size_t from = p * PART_ENTRIES;
        size_t left = counts->count - from;
        const struct room *const *rooms = counts->count ? counts->rooms + from : NULL;
        head.gateway = gateway->settings->gateway_name;
        head.sessions = everyone ? everyone->count : 0;
        head.interval_ms = (uint32_t)interval_ms;
        head.part = (uint32_t)p;
        head.parts = (uint32_t)parts;
        tell(presence, headers, &head.base, rooms, left < PART_ENTRIES ? left : PART_ENTRIES);
    }
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
    tell(gateway->presence, headers, &message.base, NULL, 0);
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
