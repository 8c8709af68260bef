/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * purge what earlier ones made superfluous -> due? -> lock -> S -> every user into chunks -> still the same
 * Redis, in time? -> read back -> manifest -> purge. The first step needs no room: it makes room in a full
 * broker before a snapshot is stored. Any failure leaves chunks without a manifest, which are deleted.
 */
#include "snapshot/snapshotter.h"

#include "common/base64url.h"
#include "common/bus/bus_stream.h"
#include "common/bus/subject.h"
#include "common/check.h"
#include "common/clock.h"
#include "common/log.h"
#include "common/rng.h"
#include "epoch/epoch_record.h"
#include "service/service.h"
#include "service/stream.h"
#include "snapshot/snapshot_manifest.h"

#define LOOK_MS        5000 /* between checks whether one is due */
#define LOOK_LEAST_MS  200
#define LOCK_HOLD_MS   30000
#define LOCK_RENEW_MS  5000
#define CLOCK_SLACK_MS 60000 /* clocks of the broker and the instances differ */
#define HOLDER_BYTES   12

struct snapshotter {
    struct service *service;
    struct store *store;
    char holder[BASE64URL_LENGTH(HOLDER_BYTES) + 1];
    struct snapshot_manifest newest; /* body.id "": none is known */
    uint64_t newest_place;
    struct bus_stream_state events; /* as it was looked at last */
    uint64_t renewed_ms;            /* the lock */
    uint64_t ends_ms;               /* monotonic: the running snapshot is given up then */
    struct snapshot_manifest running;
};

/* ---- what is there ----------------------------------------------------------------------------------- */

static void show_newest(struct snapshotter *snapshotter)
{
    struct metrics *metrics = snapshotter->service->metrics;
    metrics_set(metrics, VALUE_SNAPSHOT_TIME, snapshotter->newest.taken_at_ms / 1000);
    metrics_set(metrics, VALUE_SNAPSHOT_USERS, (int64_t)snapshotter->newest.body.users);
}

static void show_stream(struct snapshotter *snapshotter, const char *stream,
                        const struct bus_stream_state *state)
{
    struct metrics *metrics = snapshotter->service->metrics;
    metric_set(metrics_cell(metrics, VALUE_STREAM_BYTES, stream), (int64_t)state->bytes);
    metric_set(metrics_cell(metrics, VALUE_STREAM_MAXIMUM_BYTES, stream),
               state->maximum_bytes > 0 ? state->maximum_bytes : 0);
}

static enum status look(struct snapshotter *snapshotter)
{
    static const char *const streams[] = {STREAM_EVENTS, STREAM_DEAD, STREAM_SNAPSHOT};
    struct service *service = snapshotter->service;
    enum status status = snapshot_newest(service->bus, &snapshotter->newest, &snapshotter->newest_place);
    struct epoch_record newest;
    if (status == STATUS_OK)
        status = epoch_record_get(service->bus, &newest);
    /* If a manifest is not covered, its numbers now belong to other events: nothing may be purged by them. */
    if (status == STATUS_OK &&
        !epoch_record_covers(&newest, snapshotter->newest.epoch, snapshotter->newest.sequence))
        status = STATUS_NOT_FOUND;
    if (status == STATUS_NOT_FOUND || status == STATUS_MALFORMED) {
        snapshotter->newest = (struct snapshot_manifest){0};
        snapshotter->newest_place = 0;
        status = STATUS_OK;
    }
    if (status == STATUS_OK)
        show_newest(snapshotter);
    struct bus_stream_state state;
    for (size_t i = 0; i < sizeof(streams) / sizeof(streams[0]) && status == STATUS_OK; i++) {
        status = bus_stream_state(service->bus, streams[i], &state);
        if (status == STATUS_OK)
            show_stream(snapshotter, streams[i], &state);
        if (status == STATUS_OK && i == 0)
            snapshotter->events = state;
        if (status == STATUS_NOT_FOUND) /* somebody deleted it: the watcher creates it again */
            atomic_fetch_add(&service->stream_losses, 1);
    }
    return status;
}

/* ---- taking one -------------------------------------------------------------------------------------- */

/* Keeps the lock. STATUS_AGAIN: another instance has it, or the time is over. */
static enum status go_on(struct snapshotter *snapshotter)
{
    uint64_t now = clock_monotonic_ms();
    if (service_stopping(snapshotter->service) || now > snapshotter->ends_ms)
        return STATUS_AGAIN;
    bool held = true;
    enum status status = STATUS_OK;
    if (now - snapshotter->renewed_ms >= LOCK_RENEW_MS) {
        snapshotter->renewed_ms = now;
        status =
            store_lock(snapshotter->store, STORE_LOCK_SNAPSHOT, snapshotter->holder, LOCK_HOLD_MS, &held);
    }
    return status == STATUS_OK && !held ? STATUS_AGAIN : status;
}

/* Sets S, and when the snapshot must be finished. At its end `seen` must still have the keys of events after
 * S, and of events up to one window older, of which a later one may be a duplicate. */
static enum status begin(struct snapshotter *snapshotter)
{
    struct service *service = snapshotter->service;
    struct snapshot_manifest *running = &snapshotter->running;
    int64_t allowed_ms = service_retention_ms(service) - service->config.dedupe_window_ms - CLOCK_SLACK_MS;
    struct bus_stream_state stream;
    enum status status = bus_stream_state(service->bus, STREAM_EVENTS, &stream);
    char name[STREAM_DURABLE_SIZE];
    stream_durable(name, store_epoch(snapshotter->store));
    struct bus_consumer_state durable;
    if (status == STATUS_OK)
        status = bus_durable_state(service->bus, STREAM_EVENTS, name, &durable);
    if (status != STATUS_OK)
        return status;
    *running = (struct snapshot_manifest){.sequence = durable.ack_floor_stream_sequence,
                                          .taken_at_ms = clock_wall_ms(),
                                          .epoch = store_epoch(snapshotter->store),
                                          .stream_created_ms = stream.created_ms,
                                          .previous = snapshotter->newest_place};
    struct bus_stored *stored = NULL;
    if (running->sequence < stream.last_sequence) {
        status = bus_stored_get(service->bus, STREAM_EVENTS, running->sequence + 1, &stored);
        if (status == STATUS_OK && bus_stored_time_ms(stored) < running->taken_at_ms)
            allowed_ms -= running->taken_at_ms - bus_stored_time_ms(stored);
        bus_stored_free(stored);
    }
    if (status == STATUS_NOT_FOUND || allowed_ms <= 0)
        return STATUS_AGAIN; /* the workers are too far behind */
    snapshotter->ends_ms = clock_monotonic_ms() + (uint64_t)allowed_ms;
    return status;
}

static enum status write_users(struct snapshotter *snapshotter, struct snapshot_writer *writer)
{
    struct store_walk *walk = NULL;
    enum status status = store_walk_create(&walk);
    bool done = false;
    while (status == STATUS_OK && !done) {
        status = go_on(snapshotter);
        if (status == STATUS_OK)
            status = store_walk_step(snapshotter->store, walk, snapshot_write, writer, &done);
    }
    store_walk_free(walk);
    return status == STATUS_OK ? snapshot_writer_finish(writer, &snapshotter->running.body) : status;
}

/* Checks that the Redis that was read is the one for which S holds, that it forgot nothing in the meantime,
 * and that the broker has no newer epoch: a server left behind by a failover still answers as before. */
static enum status confirm(struct snapshotter *snapshotter, uint64_t epoch)
{
    enum status status =
        store_connected(snapshotter->store) ? store_epoch_refresh(snapshotter->store) : STATUS_DISCONNECTED;
    struct epoch_record newest;
    if (status == STATUS_OK)
        status = epoch_record_get(snapshotter->service->bus, &newest);
    if (status == STATUS_OK && (newest.epoch != epoch || store_epoch(snapshotter->store) != epoch ||
                                store_world(snapshotter->store)->state != STORE_WHOLE))
        status = STATUS_AGAIN;
    return status == STATUS_OK ? go_on(snapshotter) : status;
}

static enum status verify(struct snapshotter *snapshotter)
{
    struct snapshot_reader *reader = NULL;
    enum status status =
        snapshot_reader_create(snapshotter->service->bus, &snapshotter->running.body, 0, &reader);
    uint32_t next;
    while (status == STATUS_OK) {
        status = snapshot_read(reader, NULL, NULL, &next);
        if (status == STATUS_OK && service_stopping(snapshotter->service))
            status = STATUS_AGAIN;
    }
    snapshot_reader_free(reader);
    return status == STATUS_NOT_FOUND ? STATUS_OK : status;
}

/* ---- what it makes superfluous ----------------------------------------------------------------------- */

/* Remembers the previous snapshot as a place up to which events may be purged once they are old enough. */
static void add_mark(struct snapshotter *snapshotter)
{
    struct snapshot_manifest *running = &snapshotter->running;
    const struct snapshot_manifest *newest = &snapshotter->newest;
    if (newest->body.id[0] == '\0' || newest->stream_created_ms != running->stream_created_ms)
        return;
    size_t drop = 0;
    /* If full, drops the oldest mark; a later mark covers its events. */
    if (newest->mark_count == SNAPSHOT_MARKS_MAXIMUM)
        drop = 1;
    for (size_t i = drop; i < newest->mark_count; i++)
        running->marks[running->mark_count++] = newest->marks[i];
    running->marks[running->mark_count++] =
        (struct snapshot_mark){.sequence = newest->sequence, .taken_at_ms = newest->taken_at_ms};
}

/* How many marks of a manifest are old enough at `now_ms`. */
static size_t due_marks(const struct snapshotter *snapshotter, const struct snapshot_manifest *manifest,
                        int64_t now_ms)
{
    const struct value_config *config = &snapshotter->service->config;
    int64_t keep_ms = config->events_keep_ms;
    if (keep_ms < 2 * config->dedupe_window_ms)
        keep_ms = 2 * config->dedupe_window_ms; /* what a replay needs */
    size_t count = 0;
    while (count < manifest->mark_count && manifest->marks[count].taken_at_ms <= now_ms - keep_ms)
        count++;
    return count;
}

/* The newest mark that is old enough; older ones are done with. */
static uint64_t take_due_mark(struct snapshotter *snapshotter)
{
    struct snapshot_manifest *running = &snapshotter->running;
    size_t gone = due_marks(snapshotter, running, running->taken_at_ms);
    uint64_t due = gone > 0 ? running->marks[gone - 1].sequence : 0;
    running->mark_count -= gone;
    memmove(running->marks, running->marks + gone, running->mark_count * sizeof(running->marks[0]));
    return due;
}

/* The last event that is in both the newest snapshot and the one before it, and is old enough; 0: none.
 * EVENTS_KEEP may be lower than when the marks were made. */
static uint64_t superfluous(const struct snapshotter *snapshotter)
{
    const struct snapshot_manifest *newest = &snapshotter->newest;
    size_t count = due_marks(snapshotter, newest, clock_wall_ms());
    uint64_t sequence = count > 0 ? newest->marks[count - 1].sequence : 0;
    if (snapshotter->service->config.snapshot_interval_ms == 0 ||
        newest->stream_created_ms != snapshotter->events.created_ms ||
        sequence < snapshotter->events.first_sequence || sequence > snapshotter->events.last_sequence)
        return 0;
    return sequence;
}

static void purge_events(struct snapshotter *snapshotter, uint64_t sequence)
{
    struct service *service = snapshotter->service;
    struct bus_stream_state before;
    struct bus_stream_state after;
    if (sequence == 0 || bus_stream_state(service->bus, STREAM_EVENTS, &before) != STATUS_OK ||
        bus_stream_purge(service->bus, STREAM_EVENTS, NULL, sequence + 1) != STATUS_OK ||
        bus_stream_state(service->bus, STREAM_EVENTS, &after) != STATUS_OK)
        return;
    if (after.first_sequence > before.first_sequence)
        metrics_add(service->metrics, VALUE_EVENTS_PURGED, after.first_sequence - before.first_sequence);
    /* A limit that was below the stream's size may be possible now. */
    if (service->config.events_max_bytes > 0 && after.maximum_bytes != service->config.events_max_bytes)
        stream_ensure(service);
}

/* Keeps this snapshot and the one before it. */
static void purge_snapshots(struct snapshotter *snapshotter)
{
    const struct snapshot_manifest *kept = &snapshotter->newest;
    uint64_t first = kept->body.first_sequence ? kept->body.first_sequence : snapshotter->newest_place;
    if (kept->body.id[0] != '\0' && first > 0)
        bus_stream_purge(snapshotter->service->bus, STREAM_SNAPSHOT, NULL, first);
}

/* ---- the thread -------------------------------------------------------------------------------------- */

static void tell(struct snapshotter *snapshotter, enum status status, uint64_t began_ns)
{
    struct metrics *metrics = snapshotter->service->metrics;
    uint64_t took_ns = clock_monotonic_ns() - began_ns;
    const char *result = status == STATUS_OK ? "ok" : status == STATUS_MALFORMED ? "corrupt" : "abandoned";
    metric_add(metrics_cell(metrics, VALUE_SNAPSHOTS, result), 1);
    if (status == STATUS_OK) {
        metric_observe_ns(metrics_cell(metrics, VALUE_SNAPSHOT_SECONDS, NULL), took_ns);
        log_event(LOG_INFO, "snapshot taken and verified", LOG_U("users", snapshotter->running.body.users),
                  LOG_U("bytes", snapshotter->running.body.bytes),
                  LOG_U("sequence", snapshotter->running.sequence), LOG_U("took_ms", took_ns / 1000000));
    } else if (!service_stopping(snapshotter->service)) {
        log_event(LOG_WARN, "snapshot given up; it will be retried", LOG_S("reason", status_message(status)),
                  LOG_S("redis", store_error(snapshotter->store)));
    }
}

static enum status finish(struct snapshotter *snapshotter)
{
    add_mark(snapshotter);
    uint64_t due = take_due_mark(snapshotter);
    enum status status = snapshot_publish(snapshotter->service->bus, &snapshotter->running);
    if (status != STATUS_OK)
        return status;
    purge_events(snapshotter, due);
    purge_snapshots(snapshotter);
    return STATUS_OK;
}

static void take(struct snapshotter *snapshotter)
{
    uint64_t began_ns = clock_monotonic_ns();
    uint64_t epoch = store_epoch(snapshotter->store);
    enum status status = begin(snapshotter);
    struct snapshot_writer *writer = NULL;
    if (status == STATUS_OK)
        status = snapshot_writer_create(snapshotter->service->bus, &writer);
    if (status == STATUS_OK)
        status = write_users(snapshotter, writer);
    if (status == STATUS_OK)
        status = confirm(snapshotter, epoch);
    if (status == STATUS_OK)
        status = verify(snapshotter);
    if (status == STATUS_OK)
        status = finish(snapshotter);
    if (status != STATUS_OK && writer)
        snapshot_writer_discard(writer);
    snapshot_writer_free(writer);
    tell(snapshotter, status, began_ns);
    if (status == STATUS_OK)
        look(snapshotter);
}

static bool due(const struct snapshotter *snapshotter)
{
    int64_t interval_ms = snapshotter->service->config.snapshot_interval_ms;
    int64_t now_ms = clock_wall_ms();
    return interval_ms > 0 && (snapshotter->newest.taken_at_ms + interval_ms <= now_ms ||
                               snapshotter->newest.taken_at_ms > now_ms + interval_ms);
}

/* Whether all of Redis can be read now. */
static bool whole(struct snapshotter *snapshotter)
{
    return service_store_ready(snapshotter->service, snapshotter->store) == STATUS_OK &&
           store_epoch_refresh(snapshotter->store) == STATUS_OK &&
           store_world(snapshotter->store)->state == STORE_WHOLE && store_world(snapshotter->store)->replayed;
}

static bool anything_to_do(const struct snapshotter *snapshotter)
{
    return superfluous(snapshotter) > 0 || due(snapshotter);
}

static void turn(struct snapshotter *snapshotter)
{
    struct service *service = snapshotter->service;
    if (!bus_connected(service->bus) || !atomic_load(&service->stream_ready) ||
        look(snapshotter) != STATUS_OK || !anything_to_do(snapshotter) || !whole(snapshotter))
        return;
    bool held = false;
    if (store_lock(snapshotter->store, STORE_LOCK_SNAPSHOT, snapshotter->holder, LOCK_HOLD_MS, &held) !=
            STATUS_OK ||
        !held)
        return;
    snapshotter->renewed_ms = clock_monotonic_ms();
    /* Another instance may just have finished one. */
    if (look(snapshotter) == STATUS_OK) {
        purge_events(snapshotter, superfluous(snapshotter));
        if (due(snapshotter))
            take(snapshotter);
    }
    if (store_connected(snapshotter->store))
        store_lock(snapshotter->store, STORE_LOCK_SNAPSHOT, snapshotter->holder, 0, &held);
}

static int64_t pause_ms(const struct service *service)
{
    int64_t tenth = service->config.snapshot_interval_ms / 10;
    if (tenth == 0 || tenth > LOOK_MS)
        return LOOK_MS;
    return tenth < LOOK_LEAST_MS ? LOOK_LEAST_MS : tenth;
}

void *snapshotter_run(void *context)
{
    struct service *service = context;
    struct snapshotter snapshotter = {.service = service, .store = service_store(service, false)};
    CHECK(snapshotter.store != NULL);
    rng_id(snapshotter.holder, HOLDER_BYTES);
    while (!service_wait(service, pause_ms(service)))
        turn(&snapshotter);
    store_free(snapshotter.store);
    return NULL;
}
