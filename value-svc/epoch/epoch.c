/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * every second: Redis -> the newest record -> the sentinels -> the stream -> settled, or begin, or wait.
 */
#include "epoch/epoch.h"

#include <stdio.h>
#include <string.h>

#include "common/base64url.h"
#include "common/bus/subject.h"
#include "common/check.h"
#include "common/clock.h"
#include "common/log.h"
#include "common/rng.h"
#include "epoch/epoch_peers.h"
#include "epoch/epoch_plan.h"
#include "service/stream.h"

#define WATCH_MS       1000
#define STEP_MS        100   /* between two checks whether somebody wants the next turn at once */
#define LOCK_HOLD_MS   5000  /* how long others wait if the instance that begins an epoch dies */
#define FORGET_MS      60000 /* between two checks for durables that nobody reads... */
#define FORGET_SOON_MS 15000 /* ...but at each turn for that long after an epoch began */
#define HOLDER_BYTES   12
#define IDENTITY_BYTES 18

struct watcher {
    struct service *service;
    struct store *store;
    char holder[BASE64URL_LENGTH(HOLDER_BYTES) + 1];
    const char *why;    /* the reason for waiting that was logged last; NULL: it does not wait */
    bool ensured;       /* the streams exist */
    bool checked;       /* since the last reconnect the stream was found to have what Redis noted */
    uint64_t losses;    /* service->stream_losses then */
    uint64_t settled;   /* the last epoch found to be the newest */
    uint64_t begun_ms;  /* monotonic: when it settled on its epoch */
    uint64_t forgot_ms; /* monotonic */
    /* As of this turn. */
    struct epoch_record record;
    struct bus_stream_state stream;
    bool elected; /* the sentinels name this Redis */
    bool tail_lost;
    const struct store_position *held; /* of the store's world */
};

/* ---- looking ---------------------------------------------------------------------------------------- */

static enum status look_at_redis(struct watcher *watcher)
{
    bool was_connected = store_connected(watcher->store);
    enum status status = store_connect(watcher->store);
    if (status == STATUS_OK && was_connected)
        status = store_epoch_refresh(watcher->store);
    if (status != STATUS_OK)
        log_event_limited(LOG_WARN, "Redis cannot be used", LOG_S("error", store_error(watcher->store)));
    return status;
}

static enum status look_at_streams(struct watcher *watcher)
{
    struct service *service = watcher->service;
    uint64_t losses = atomic_load(&service->stream_losses);
    if (losses != watcher->losses)
        watcher->ensured = watcher->checked = false;
    enum status status = STATUS_OK;
    if (!watcher->ensured)
        status = stream_ensure(service);
    if (status != STATUS_OK)
        return status;
    watcher->ensured = true;
    watcher->losses = losses;
    status = epoch_record_get(service->bus, &watcher->record);
    if (status == STATUS_OK && watcher->record.place == 0) /* was it deleted? */
        status = stream_ensure(service);
    if (status == STATUS_MALFORMED)
        log_event_limited(LOG_ERROR,
                          "the newest epoch record cannot be read: was it written by a newer version?",
                          LOG_S("stream", STREAM_EPOCH));
    if (status == STATUS_OK)
        status = bus_stream_state(service->bus, STREAM_EVENTS, &watcher->stream);
    if (status == STATUS_NOT_FOUND)
        watcher->ensured = false; /* somebody deleted it */
    return status;
}

/* Whether the stream has the position's event under its number. A purged event counts as present. */
static enum status find(const struct watcher *watcher, const struct store_position *position, bool *ret_there)
{
    *ret_there = position->sequence <= watcher->stream.last_sequence &&
                 (position->sequence < watcher->stream.first_sequence || position->time_ms == 0);
    if (*ret_there || position->sequence > watcher->stream.last_sequence)
        return STATUS_OK;
    struct bus_stored *stored = NULL;
    enum status status = bus_stored_get(watcher->service->bus, STREAM_EVENTS, position->sequence, &stored);
    *ret_there = status == STATUS_NOT_FOUND ||
                 (status == STATUS_OK && bus_stored_time_ms(stored) == position->time_ms);
    bus_stored_free(stored);
    return status == STATUS_NOT_FOUND ? STATUS_OK : status;
}

/* After a restart the broker may have lost the stream's tail and reused its numbers. Checks the last position
 * handed to this process, the one noted by Redis, and an earlier one: the newest of the last two that the
 * stream still has shows from where on it may differ. */
static enum status check_tail(struct watcher *watcher)
{
    const struct store_world *world = store_world(watcher->store);
    const struct store_position progress = service_progress(watcher->service, world->epoch);
    const struct store_position *const noted[] = {&world->position, &world->anchor};
    watcher->tail_lost = false;
    watcher->held = NULL;
    if (world->epoch == 0 || epoch_stream_anew(world, &watcher->stream) ||
        (watcher->checked && watcher->stream.last_sequence >= world->position.sequence))
        return STATUS_OK;
    /* Its earlier state does not cover what was stored and handed out since. */
    enum status status = bus_stream_state(watcher->service->bus, STREAM_EVENTS, &watcher->stream);
    if (status != STATUS_OK || epoch_stream_anew(world, &watcher->stream))
        return status;
    bool there = true;
    if (progress.sequence > world->position.sequence)
        status = find(watcher, &progress, &there);
    watcher->tail_lost = !there;
    for (size_t i = 0; i < 2 && status == STATUS_OK && !watcher->held && noted[i]->sequence > 0; i++) {
        status = find(watcher, noted[i], &there);
        if (there)
            watcher->held = noted[i];
        else
            watcher->tail_lost = true;
    }
    watcher->checked = status == STATUS_OK && !watcher->tail_lost;
    return status;
}

/* ---- beginning an epoch ----------------------------------------------------------------------------- */

/* Whether an epoch's durable still has events up to a sequence to hand out, or unacknowledged ones. */
static enum status is_open(struct service *service, uint64_t epoch, uint64_t to, bool *ret_there,
                           bool *ret_open)
{
    char durable[STREAM_DURABLE_SIZE];
    stream_durable(durable, epoch);
    struct bus_consumer_state state;
    enum status status = bus_durable_state(service->bus, STREAM_EVENTS, durable, &state);
    *ret_there = status == STATUS_OK;
    *ret_open = *ret_there && state.ack_floor_stream_sequence < to && state.pending + state.ack_pending > 0;
    return status == STATUS_NOT_FOUND ? STATUS_OK : status;
}

/* Removes those that are done. */
static enum status prune_drains(struct service *service, struct epoch_record *record)
{
    size_t left = 0;
    enum status status = STATUS_OK;
    for (size_t i = 0; i < record->drain_count && status == STATUS_OK; i++) {
        const struct service_drain drain = record->drains[i];
        bool there;
        bool open;
        status = is_open(service, drain.epoch, drain.to, &there, &open);
        if (status == STATUS_OK && open)
            record->drains[left++] = drain;
    }
    if (status == STATUS_OK)
        record->drain_count = left;
    return status;
}

static enum status find_drains(struct service *service, struct epoch_record *record, bool *ret_drained)
{
    bool open;
    enum status status = is_open(service, record->epoch, UINT64_MAX, ret_drained, &open);
    return status == STATUS_OK ? prune_drains(service, record) : status;
}

/* The record first, then how far the stream reaches, then Redis. */
static enum status begin(struct service *service, struct store *store, const struct epoch_record *known,
                         const struct epoch_record *record, struct store_world *next, const char *who)
{
    char error[256] = "";
    enum status status = epoch_record_put(service->bus, record, known->place, error, sizeof(error));
    if (status == STATUS_UNAVAILABLE) {
        log_event_limited(LOG_WARN, "an epoch cannot be begun now", LOG_S("error", error));
        return STATUS_AGAIN;
    }
    struct bus_stream_state stream;
    if (status == STATUS_OK)
        status = bus_stream_state(service->bus, STREAM_EVENTS, &stream);
    if (status != STATUS_OK)
        return status;
    next->target = stream.last_sequence;
    status = store_raise(store, next, who);
    if (status == STATUS_OK) {
        service_set_drains(service, record->drains, record->drain_count);
        atomic_store(&service->epoch, next->epoch);
    }
    return status;
}

static void tell_begun(struct watcher *watcher, const struct store_world *before,
                       const struct store_world *next)
{
    uint64_t counted = service_progress(watcher->service, before->epoch).sequence;
    if (before->position.sequence > counted)
        counted = before->position.sequence;
    if (watcher->tail_lost) {
        metrics_add(watcher->service->metrics, VALUE_TAIL_LOSSES, 1);
        log_event(LOG_ERROR, "the broker lost the end of the stream: acknowledged events are lost",
                  LOG_S("stream", STREAM_EVENTS), LOG_U("counted_to", counted),
                  LOG_U("reaches_to", watcher->stream.last_sequence));
    }
    log_event(LOG_INFO,
              before->epoch == 0 ? "an epoch begins in an empty Redis"
                                 : "an epoch begins: Redis or the stream may have forgotten something",
              LOG_U("epoch", next->epoch), LOG_U("from_sequence", next->position.sequence + 1),
              LOG_U("to_sequence", next->target));
}

static enum status raise_locked(struct watcher *watcher, struct epoch_facts *facts)
{
    struct store_world before = *store_world(watcher->store);
    enum status status = find_drains(watcher->service, &watcher->record, &facts->drained);
    if (status != STATUS_OK)
        return status;
    char identity[STORE_IDENTITY_SIZE];
    rng_id(identity, IDENTITY_BYTES);
    struct store_world next;
    struct epoch_record record;
    epoch_plan(facts, identity, &next, &record);
    status = begin(watcher->service, watcher->store, &watcher->record, &record, &next, "");
    if (status == STATUS_OK)
        tell_begun(watcher, &before, &next);
    return status;
}

/* One instance does it for all with this Redis, under a lock that expires if its holder dies. */
static enum status raise(struct watcher *watcher, struct epoch_facts *facts)
{
    bool held = false;
    uint64_t epoch = store_epoch(watcher->store);
    enum status status = store_lock(watcher->store, STORE_LOCK_RAISE, watcher->holder, LOCK_HOLD_MS, &held);
    if (status != STATUS_OK || !held)
        return status == STATUS_OK ? STATUS_AGAIN : status;
    status = store_epoch_refresh(watcher->store);
    if (status == STATUS_OK && store_epoch(watcher->store) != epoch)
        status = STATUS_AGAIN; /* another has just done it */
    if (status == STATUS_OK)
        status = raise_locked(watcher, facts);
    if (store_connected(watcher->store))
        store_lock(watcher->store, STORE_LOCK_RAISE, watcher->holder, 0, &held);
    watcher->checked = false;
    return status;
}

enum status epoch_rebuilt(struct service *service, struct store *store, const struct store_position *position,
                          const char *who)
{
    struct epoch_record known;
    struct bus_stream_state stream;
    struct epoch_facts facts = {.world = store_world(store), .record = &known, .stream = &stream};
    enum status status = store_epoch_refresh(store);
    if (status == STATUS_OK)
        status = epoch_record_get(service->bus, &known);
    if (status == STATUS_OK)
        status = bus_stream_state(service->bus, STREAM_EVENTS, &stream);
    if (status == STATUS_OK)
        status = find_drains(service, &known, &facts.drained);
    if (status != STATUS_OK)
        return status;
    facts.now_ms = clock_wall_ms();
    struct store_world next;
    struct epoch_record record;
    epoch_plan(&facts, "", &next, &record);
    if (known.place == 0 || strcmp(next.identity, known.redis) != 0 || facts.world->identity[0] == '\0') {
        /* The stream moves to this Redis: the data in which it was counted until now belongs
         * to another one. */
        rng_id(next.identity, IDENTITY_BYTES);
        snprintf(record.redis, sizeof(record.redis), "%s", next.identity);
    }
    next.state = STORE_WHOLE;
    next.position = *position;
    next.position.stream_created_ms = stream.created_ms;
    return begin(service, store, &known, &record, &next, who);
}

/* ---- a turn ----------------------------------------------------------------------------------------- */

/* A loss that no replay restores needs an operator. */
static void warn(struct watcher *watcher)
{
    const struct store_world *world = store_world(watcher->store);
    bool lost = world->state == STORE_LOST || world->state == STORE_REBUILD;
    atomic_store(&watcher->service->lost_epoch, lost ? world->epoch : 0);
    metrics_set(watcher->service->metrics, VALUE_REBUILD_NEEDED, lost);
    if (world->state == STORE_LOST)
        log_event_limited(
            LOG_ERROR, "Redis lost more than a replay of the stream can restore: counts are withheld until "
                       "value-svc --rebuild has run");
}

/* Deletes the durables of past epochs, once they are done and have no waiting fetch. */
static void forget_durables(struct watcher *watcher)
{
    uint64_t now = clock_monotonic_ms();
    if (prune_drains(watcher->service, &watcher->record) != STATUS_OK)
        return;
    service_set_drains(watcher->service, watcher->record.drains, watcher->record.drain_count);
    if (watcher->record.drain_count > 0) {
        watcher->begun_ms = now;
        return;
    }

    if (now - watcher->forgot_ms < FORGET_MS && now - watcher->begun_ms > FORGET_SOON_MS)
        return;
    watcher->forgot_ms = now;
    char durable[STREAM_DURABLE_SIZE];
    stream_durable(durable, store_epoch(watcher->store));
    bus_durables_forget(watcher->service->bus, STREAM_EVENTS, STREAM_DURABLE, durable);
}

static void settle(struct watcher *watcher)
{
    struct service *service = watcher->service;
    const struct store_world *world = store_world(watcher->store);
    watcher->why = NULL;
    atomic_store(&service->epoch, world->epoch);
    if (world->epoch != watcher->settled) {
        watcher->settled = world->epoch;
        watcher->begun_ms = clock_monotonic_ms();
    }
    metrics_set(service->metrics, VALUE_EPOCH, (int64_t)world->epoch);
    epoch_peers_tell(service->peers, world->epoch, world->identity);
    forget_durables(watcher);
}

/* While a rebuild runs here, everything except counting continues. */
static void wait_for(struct watcher *watcher, const char *why)
{
    const struct store_world *world = store_world(watcher->store);
    atomic_store(&watcher->service->epoch,
                 world->state == STORE_REBUILD && world->of_server ? world->epoch : 0);
    if (why != watcher->why)
        log_event(LOG_ERROR, "not ready", LOG_S("reason", why));
    watcher->why = why;
}

static enum status act(struct watcher *watcher)
{
    struct service *service = watcher->service;
    struct epoch_facts facts = {.world = store_world(watcher->store),
                                .record = &watcher->record,
                                .stream = &watcher->stream,
                                .sentinels = service->redis_url.sentinel,
                                .elected = watcher->elected,
                                .silent_ms = epoch_peers_silent_ms(service->peers, watcher->record.redis),
                                .tail_lost = watcher->tail_lost,
                                .held = watcher->held,
                                .window_ms = service->config.dedupe_window_ms,
                                .now_ms = clock_wall_ms()};
    const char *why = NULL;
    switch (epoch_judge(&facts, &why)) {
    case EPOCH_RAISE: return raise(watcher, &facts);
    case EPOCH_WAIT: wait_for(watcher, why); return STATUS_OK;
    case EPOCH_SETTLED:
    default: settle(watcher); return STATUS_OK;
    }
}

/* Reads the record before asking the sentinels. So if the record names a different server than the sentinels
 * do, the sentinels' answer is the newer one. */
static enum status watch(struct watcher *watcher)
{
    enum status status = look_at_redis(watcher);
    if (status == STATUS_OK)
        status = bus_connected(watcher->service->bus) ? look_at_streams(watcher) : STATUS_DISCONNECTED;
    if (status == STATUS_OK)
        status = store_confirm_primary(watcher->store, &watcher->elected);
    if (status == STATUS_OK)
        status = check_tail(watcher);
    if (status == STATUS_OK)
        status = act(watcher);
    if (store_connected(watcher->store))
        warn(watcher);
    return status;
}

/* Waits for the next turn: a second, or until somebody wants it; less while an epoch is being begun. */
static bool pause_over(struct watcher *watcher, enum status status)
{
    int64_t left_ms = status == STATUS_AGAIN ? STEP_MS : WATCH_MS;
    if (!store_connected(watcher->store))
        left_ms = store_retry_ms(watcher->store);
    bool stopping = false;
    while (!stopping && left_ms > 0 && !atomic_exchange(&watcher->service->look, false)) {
        stopping = service_wait(watcher->service, STEP_MS);
        left_ms -= STEP_MS;
    }
    return stopping || service_stopping(watcher->service);
}

void *epoch_run(void *context)
{
    struct service *service = context;
    struct watcher watcher = {.service = service, .store = service_store(service, true)};
    CHECK(watcher.store != NULL);
    rng_id(watcher.holder, HOLDER_BYTES);
    while (!pause_over(&watcher, watch(&watcher)))
        ;
    store_free(watcher.store);
    return NULL;
}
