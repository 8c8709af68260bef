/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * The room service/: what all threads share. Input: settings (config.def) and signals to stop. Output: the
 * bus, the metrics, stores in the right epoch, the streams (stream.h), and the tries of events (tries.h).
 *
 * This file is the map of the process. Its threads:
 *
 *   main      config -> build -> wait for a signal -> drain
 *   delivery  the bus's callbacks: intake.c (checks, hands to the stream), query.c (puts into the queue)
 *   workers   consumer.c: fetch -> batch.c (decode, apply, deliver, bury) -> acknowledge
 *   reader    query.c: snapshots, value.get, heartbeats
 *   history   history.c: what gateways missed
 *   watcher   epoch.c: whether this Redis is the one in which the stream is counted, and since when
 *   keeper    keeper.c: streams, ack floor, sweep, totals
 *   snapshots snapshotter.c: every user's state into the broker, now and then
 *   ops       the ops port
 *
 * Every thread that uses Redis has its own `struct store`. Fields are set before threads start, except the
 * atomics and what a lock guards.
 */
#ifndef POLLEN8_VALUE_SVC_SERVICE_SERVICE_H
#define POLLEN8_VALUE_SVC_SERVICE_SERVICE_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>

#include "common/bus/bus.h"
#include "common/ops/config.h"
#include "common/ops/metrics.h"
#include "event/event.h"
#include "store/store.h"

struct value_config {
#define SETTING(field, type, name, default_text, minimum, maximum, help) CONFIG_FIELD_##type field;
#include "common/ops/config_common.def"
#include "service/config.def"
#undef SETTING
};

enum value_metric {
#define METRIC(id, kind, name, label, help) VALUE_##id,
#include "service/metrics.def"
#undef METRIC
    VALUE_METRIC_COUNT
};

struct tries; /* tries.h */

/* A durable of a past epoch: its events after `above` and up to `to` are delivered from it. */
struct service_drain {
    uint64_t epoch;
    uint64_t above;
    uint64_t to;
};

#define SERVICE_DRAINS_MAXIMUM 64 /* epochs that end while an earlier one still has something to deliver */

struct service {
    struct value_config config;
    struct store_url redis_url;
    struct metrics *metrics;   /* owned */
    struct bus *bus;           /* owned */
    struct epoch_peers *peers; /* borrowed: who else counts; NULL in a rebuild */
    struct tries *tries;       /* owned */

    /* Looked up once: a labelled series takes a lock. */
    struct metric_cell *processing[EVENT_COUNT];
    struct metric_cell *applied[EVENT_COUNT];

    _Atomic uint64_t epoch;       /* the newest at the broker and in Redis, as the watcher found; 0: none */
    atomic_bool look;             /* somebody saw another epoch: the watcher checks at once */
    _Atomic uint64_t lost_epoch;  /* in which Redis lacks counts until a rebuild; 0: none. Watcher writes */
    _Atomic uint64_t bus_returns; /* reconnects of the bus */
    _Atomic uint64_t
        stream_losses; /* times that a stream or the durable was missing or the bus reconnected */
    _Atomic bool redis_ready;
    _Atomic bool blocked; /* the last batch of events could not be applied */
    _Atomic bool stream_ready;

    pthread_mutex_t progress_lock;
    struct store_position progress; /* guarded by progress_lock: the last event handed to any worker... */
    uint64_t progress_epoch;        /* ...in this epoch */
    uint64_t ack_floor;             /* so is this: every event up to it was acknowledged... */
    uint64_t ack_floor_epoch;       /* ...in this epoch */

    struct service_drain drains[SERVICE_DRAINS_MAXIMUM]; /* guarded by progress_lock; oldest first */
    size_t drain_count;
    atomic_bool drainer; /* a worker reads them */

    pthread_mutex_t stop_lock;
    pthread_cond_t stop_changed; /* monotonic clock */
    bool stopping;               /* guarded by stop_lock */
};

enum keep_until { KEEP_UNTIL_WRITTEN, KEEP_UNTIL_SEEN }; /* INVITE_KEEP */

/* What the command line asked for. */
enum service_task { SERVICE_RUN = -1, SERVICE_REBUILD, SERVICE_REBUILD_ACCEPT_LOSS };

/* Reads the environment into the fields above, makes metrics and bus; ends the process on a bad setting. */
enum service_task service_init(struct service *service, int argc, char **argv);
void service_close_bus(struct service *service); /* no callback of the bus runs after it */
void service_done(struct service *service);

/* Notes how far the stream was handed out in this epoch; returns how far it was in the given epoch, sequence
 * 0 if nothing was yet. Any thread. */
void service_note_progress(struct service *service, uint64_t epoch, const struct store_position *position);
struct store_position service_progress(struct service *service, uint64_t epoch);

/* The durables of earlier epochs that still have events to deliver. The watcher sets them; service_next_drain
 * gives each in turn, false if there is none. */
void service_set_drains(struct service *service, const struct service_drain *drains, size_t count);
bool service_next_drain(struct service *service, size_t turn, struct service_drain *ret_drain);

/* Notes, for this epoch of the store, that every event up to `sequence` is acknowledged; returns it for the
 * given epoch, 0 if not known yet. It is kept per epoch because a rebuild goes back in the stream and begins
 * another epoch, in which an earlier floor would let keys be forgotten that are still needed. Any thread. */
void service_note_ack_floor(struct service *service, uint64_t epoch, uint64_t sequence);
uint64_t service_ack_floor(struct service *service, uint64_t epoch);

/* Whether service_stop was called; service_wait waits up to wait_ms for it. Any thread. */
bool service_stopping(struct service *service);
bool service_wait(struct service *service, int64_t wait_ms);
void service_stop(struct service *service);

/* REDIS_WAIT_REPLICAS as a number. */
int service_wait_replicas(const struct service *service);

/* A store for the calling thread, with the service's settings; NULL when out of memory. `any_epoch`: for
 * threads that begin epochs (store.h). */
struct store *service_store(struct service *service, bool any_epoch);

/* Connects if needed. STATUS_OK only if the connection is in the epoch that the watcher found to be the
 * newest: no other Redis is read or written. */
enum status service_store_try(struct service *service, struct store *store);

/* The same for threads that can wait: on failure logs (limited) and waits store_retry_ms or
 * until the stop. */
enum status service_store_ready(struct service *service, struct store *store);

/* The same for threads that apply events: after a batch that could not be applied it also waits, and finds
 * out whether Redis takes writes again. */
enum status service_store_writable(struct service *service, struct store *store);
void service_note_applied(struct service *service, struct store *store, bool applied);

/* Logs that a history is not a stream or takes no more entries; kind is "industry" or "user". */
void service_tell_broken(const char *kind, const char *name);

/* Whether values read on this connection would be wrong, because Redis lacks counts until a rebuild is done.
 * No value is given out in the meantime. */
bool service_withholds(struct service *service, const struct store *store);

/* How long event keys are kept in Redis, so that a replay of the stream's last window never counts twice. A
 * replay begins one window back. The oldest event in it may be a duplicate of one that is up to one window
 * older, whose key must still exist. It must also survive while the replay runs and new events age the keys:
 * half a window more, at least five minutes. */
int64_t service_retention_ms(const struct service *service);

/* For a connection that is in `epoch`. */
struct store_rules service_rules(struct service *service, uint64_t epoch);

#endif
