/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * metric:    rooms -> counts by industry
 * heartbeat: rooms of industries, then the users of SLOTS_A_TURN sessions each turn -> parts of at most
 *            PART_ENTRIES entries -> published together, so that no user is between two parts for long
 * Sessions that ended -> SessionsEnded, those of a second together.
 */
#include "presence.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <time.h>

#include "presence.pb-c.h"

#include "base/gateway.h"
#include "base/timer_wheel.h"
#include "broker/sender.h"
#include "common/bus/subject.h"
#include "common/log.h"
#include "common/wire.h"
#include "net/loop.h"
#include "rooms/membership.h"
#include "rooms/rooms.h"
#include "session/session.h"
#include "session/sessions.h"

#define REFRESH_WAIT_MS  500
#define FIRST_MS         500
#define LAST_INTERVAL_MS 1 /* of an ending gateway: forgotten as soon as possible */
#define LARGEST          100
#define SLOTS_A_TURN     512
#define PART_ENTRIES     2048
#define PART_BYTES       (1024u * 1024)
#define ENTRY_BYTES      512
#define ENDED_MS         1000
#define ENDED_ENTRIES    512

/* Numbers of the fields of GatewayHeartbeat, and of an entry of its lists. */
#define FIELD_INDUSTRIES 3
#define FIELD_USERS      4
#define FIELD_NAME       1
#define FIELD_SESSIONS   2

/* The same of SessionsEnded. */
#define FIELD_ENDED   8
#define FIELD_SESSION 1
#define FIELD_PID     2

/* A heartbeat in progress. */
struct report {
    struct buf *parts; /* owned: entries, packed */
    struct buf entry;  /* the one being packed */
    size_t count;      /* of parts */
    size_t entries;    /* in the last part */
    size_t next_slot;  /* of sessions */
    bool gathering;
    bool failed;
};

struct presence {
    struct gateway *gateway;
    struct wheel_timer timer;
    struct wheel_timer ended_timer;
    struct buf ended; /* entries, packed */
    size_t ended_count;
    struct report report;
    uint32_t number; /* of heartbeats begun: which rooms are in this one */
    char subject[SUBJECT_SIZE];
    atomic_bool asked; /* the metric is requested */
    pthread_mutex_t lock;
    pthread_cond_t served;
    uint64_t times_served; /* lock */
};

/* Rooms of industries; the pointers are valid within this turn. */
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

static void report_clear(struct report *report)
{
    for (size_t i = 0; i < report->count; i++)
        buf_done(&report->parts[i]);
    free(report->parts);
    buf_done(&report->entry);
    *report = (struct report){0};
}

static struct buf *last_part(struct report *report)
{
    if (report->count > 0 && report->entries < PART_ENTRIES)
        return &report->parts[report->count - 1];
    struct buf *parts = realloc(report->parts, (report->count + 1) * sizeof(*parts));
    if (!parts)
        return NULL;
    report->parts = parts;
    report->entries = 0;
    buf_init(&parts[report->count], PART_BYTES);
    return &parts[report->count++];
}

/* Appends {name, sessions} to one of the two lists. */
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

static void report_room(void *context, const struct room *room)
{
    struct report *report = context;
    struct buf *part = report->failed ? NULL : last_part(report);
    if (!part || append_entry(part, &report->entry, room) != STATUS_OK)
        report->failed = true;
    report->entries++;
}

/* A user is found through each of its sessions, but is in the heartbeat only once. */
static void report_user(struct presence *presence, const struct session *session)
{
    if (session->membership_count <= MEMBERSHIP_USER)
        return;
    struct room *room = session->memberships[MEMBERSHIP_USER].room;
    if (room->reported == presence->number)
        return;
    room->reported = presence->number;
    report_room(&presence->report, room);
}

/* Static, because the sender reads them later. */
static const char *const heartbeat_headers[] = {"Pollen8-Type", "GatewayHeartbeat", NULL};
static const char *const ended_headers[] = {"Pollen8-Type", "SessionsEnded", NULL};

static void publish(const struct presence *presence, const char *const *headers, struct slice message)
{
    if (sender_publish(presence->gateway->sender, presence->subject, headers, message) != STATUS_OK)
        log_event_limited(LOG_WARN, "a report of presence was not sent");
}

/* Fields that are not lists follow the entries: the order of fields is free. */
static void publish_parts(struct presence *presence, int64_t interval_ms)
{
    const struct gateway *gateway = presence->gateway;
    const struct room *everyone = rooms_find(gateway->rooms, ROOM_EVERYONE, (struct slice){0});
    struct report *report = &presence->report;
    Pollen8__GatewayHeartbeat head = POLLEN8__GATEWAY_HEARTBEAT__INIT;
    if (report->count == 0) /* nobody is here: one without entries */
        report->failed |= !last_part(report);
    head.gateway = gateway->settings->gateway_name;
    head.sessions = everyone ? everyone->count : 0;
    head.interval_ms = (uint32_t)interval_ms;
    head.parts = (uint32_t)report->count;
    for (; !report->failed && head.part < head.parts; head.part++) {
        struct buf *part = &report->parts[head.part];
        report->failed = wire_pack(part, &head.base) != STATUS_OK;
        if (!report->failed)
            publish(presence, heartbeat_headers, buf_slice(part));
    }
    if (report->failed)
        log_event_limited(LOG_WARN, "out of memory for a report of presence");
    report_clear(report);
}

static void gather_users(struct presence *presence)
{
    const struct gateway *gateway = presence->gateway;
    struct report *report = &presence->report;
    size_t slots = sessions_slots(gateway->sessions);
    size_t end = report->next_slot + SLOTS_A_TURN < slots ? report->next_slot + SLOTS_A_TURN : slots;
    for (; report->next_slot < end; report->next_slot++) {
        const struct session *session = sessions_at(gateway->sessions, report->next_slot);
        if (session)
            report_user(presence, session);
    }
    if (report->next_slot == slots)
        publish_parts(presence, gateway->settings->heartbeat_interval);
}

static void tick(void *context, struct wheel_timer *timer)
{
    struct gateway *gateway = context;
    struct presence *presence = TIMER_OWNER(timer, struct presence, timer);
    if (!presence->report.gathering) { /* else the previous one is still on its way */
        presence->number++;
        presence->report.gathering = true;
        buf_init(&presence->report.entry, ENTRY_BYTES);
        rooms_each(gateway->rooms, ROOM_INDUSTRY, report_room, &presence->report);
    }
    timer_wheel_arm(gateway->wheel, timer, gateway->now_ms + (uint64_t)gateway->settings->heartbeat_interval);
}

static void publish_ended(struct presence *presence)
{
    Pollen8__SessionsEnded head = POLLEN8__SESSIONS_ENDED__INIT;
    head.gateway = presence->gateway->settings->gateway_name;
    if (presence->ended_count > 0 && wire_pack(&presence->ended, &head.base) == STATUS_OK)
        publish(presence, ended_headers, buf_slice(&presence->ended));
    buf_done(&presence->ended);
    buf_init(&presence->ended, PART_BYTES);
    presence->ended_count = 0;
    timer_wheel_cancel(presence->gateway->wheel, &presence->ended_timer);
}

static void ended_due(void *context, struct wheel_timer *timer)
{
    (void)context;
    publish_ended(TIMER_OWNER(timer, struct presence, ended_timer));
}

void presence_ended(struct gateway *gateway, const struct session *session)
{
    struct presence *presence = gateway->presence;
    struct buf entry;
    if (!presence || !session->pid || session->fresh_pid)
        return;
    buf_init(&entry, ENTRY_BYTES);
    enum status status = wire_append_bytes(&entry, FIELD_SESSION, slice_from_string(session->id));
    if (status == STATUS_OK)
        status = wire_append_bytes(&entry, FIELD_PID, slice_from_string(session->pid));
    if (status == STATUS_OK)
        status = wire_append_bytes(&presence->ended, FIELD_ENDED, buf_slice(&entry));
    buf_done(&entry);
    if (status != STATUS_OK)
        return;
    if (++presence->ended_count == ENDED_ENTRIES)
        publish_ended(presence);
    else if (presence->ended_count == 1)
        timer_wheel_arm(gateway->wheel, &presence->ended_timer, gateway->now_ms + ENDED_MS);
}

void presence_end(struct gateway *gateway)
{
    publish_ended(gateway->presence);
    timer_wheel_cancel(gateway->wheel, &gateway->presence->timer);
    report_clear(&gateway->presence->report);
    publish_parts(gateway->presence, LAST_INTERVAL_MS);
}

static void refresh(struct presence *presence)
{
    const struct gateway *gateway = presence->gateway;
    struct counts counts = {0};
    rooms_each(gateway->rooms, ROOM_INDUSTRY, gather_one, &counts);
    if (!counts.failed)
        set_connections(gateway, &counts);
    free(counts.rooms);
    pthread_mutex_lock(&presence->lock);
    presence->times_served++;
    pthread_cond_broadcast(&presence->served);
    pthread_mutex_unlock(&presence->lock);
}

bool presence_turn(struct gateway *gateway)
{
    struct presence *presence = gateway->presence;
    if (!presence)
        return false;
    if (atomic_load_explicit(&presence->asked, memory_order_relaxed)) {
        atomic_store(&presence->asked, false);
        refresh(presence);
    }
    if (presence->report.gathering)
        gather_users(presence);
    return presence->report.gathering;
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
    presence->ended_timer.fire = ended_due;
    buf_init(&presence->ended, PART_BYTES);
    enum status status =
        subject_make(presence->subject, SUBJECT_SESSION, slice_from_string(gateway->settings->gateway_name));
    if (status != STATUS_OK) {
        free(presence);
        return status;
    }
    pthread_mutex_init(&presence->lock, NULL);
    pthread_cond_init(&presence->served, NULL);
    timer_wheel_arm(gateway->wheel, &presence->timer, gateway->now_ms + FIRST_MS);
    *ret_presence = presence;
    return STATUS_OK;
}

void presence_free(struct gateway *gateway, struct presence *presence)
{
    if (!presence)
        return;
    timer_wheel_cancel(gateway->wheel, &presence->timer);
    timer_wheel_cancel(gateway->wheel, &presence->ended_timer);
    buf_done(&presence->ended);
    report_clear(&presence->report);
    pthread_cond_destroy(&presence->served);
    pthread_mutex_destroy(&presence->lock);
    free(presence);
}
