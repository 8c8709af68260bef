/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * a turn: Redis' memory -> stream -> position -> sweep -> totals. Each step is skipped while Redis or the
 * broker, if it needs them, is unreachable.
 */
#include "upkeep/keeper.h"

#include "common/bus/bus_stream.h"
#include "common/bus/subject.h"
#include "common/check.h"
#include "common/clock.h"
#include "common/log.h"
#include "query/presence.h"
#include "service/stream.h"
#include "store/store_memory.h"

#define TURN_MS     500
#define SOON_MS     50 /* while Redis cannot be used: service_store_ready waits instead */
#define TOTALS_MS   1000
#define MEMORY_MS   5000 /* between checks of what Redis evicts */

#define SWEEP_STEPS 16 /* at once, and no longer than: */
#define SWEEP_MS    200
/* Rounds over all keys for users of the previous version: the second round starts when no instance of it can
 * run any more. */
#define FIND_ROUNDS     2
#define FIND_PAUSE_MS   (60u * 60 * 1000)
#define SAMPLES_MAXIMUM 256

struct keeper {
    struct service *service;
    struct store *store;
    struct bus_consumer *consumer; /* for its state only; NULL: to be made */
    uint64_t losses;               /* service->stream_losses when the streams were last looked at */
    /* Samples: up to which sequence, stored at which time, the stream had been handed out. Once the ack floor
     * passes a sample, no event older than its time is unacknowledged. */
    struct store_position samples[SAMPLES_MAXIMUM];
    size_t sample_count;
    uint64_t epoch;                 /* the store's epoch, to which all of these belong */
    struct store_position position; /* the last sample that the floor passed */
    bool position_noted;            /* in Redis */
    uint64_t noted;                 /* the least sequence noted there */
    int64_t
        settled_ms; /* all events stored before this are acknowledged, by the broker's clock; 0: unknown */
    uint64_t swept_ms;
    unsigned rounds; /* of finding, that are done */
    uint64_t cursor; /* of the one that is not */
    uint64_t find_ms;
    uint64_t totals_ms;
    uint64_t floor;    /* the last ack floor */
    uint64_t moved_ms; /* monotonic: when it last moved, or nothing was open */
    bool waiting;      /* events wait or are worked on, or that is not known */
    uint64_t memory_ms;
    uint64_t memory_epoch;      /* in which it was looked at: another Redis is looked at at once */
    struct store_memory memory; /* as it was then */
};

static void keep_stream(struct keeper *keeper)
{
    struct service *service = keeper->service;
    uint64_t losses = atomic_load(&service->stream_losses);
    if (keeper->consumer && losses == keeper->losses)
        return;
    bus_consumer_free(keeper->consumer);
    keeper->consumer = NULL;
    if (stream_consume(service, keeper->store, &keeper->consumer) != STATUS_OK) {
        atomic_store(&service->stream_ready, false);
        return;
    }
    keeper->losses = losses;
    if (!atomic_exchange(&service->stream_ready, true))
        log_event(LOG_INFO, "stream and consumer are ready");
}

static void add_sample(struct keeper *keeper)
{
    struct store_position sample = service_progress(keeper->service, keeper->epoch);
    if (sample.sequence == 0 || keeper->sample_count == SAMPLES_MAXIMUM)
        return; /* full: keeps the oldest ones; the position then moves in larger steps */
    if (keeper->sample_count > 0 && keeper->samples[keeper->sample_count - 1].sequence >= sample.sequence)
        return;
    keeper->samples[keeper->sample_count++] = sample;
}

/* Takes the samples that the floor has passed; the next epoch would begin at the last of them. Its time is
 * the broker's, because this host's clock may differ. */
static bool take_passed(struct keeper *keeper, uint64_t ack_floor, struct store_position *ret_position)
{
    size_t passed = 0;
    while (passed < keeper->sample_count && keeper->samples[passed].sequence <= ack_floor)
        passed++;
    if (passed == 0)
        return false;
    *ret_position = keeper->samples[passed - 1];
    keeper->sample_count -= passed;
    memmove(keeper->samples, keeper->samples + passed, keeper->sample_count * sizeof(keeper->samples[0]));
    return true;
}

/* In another epoch sequences may start again. */
static void forget(struct keeper *keeper)
{
    keeper->sample_count = 0;
    keeper->settled_ms = 0;
    keeper->position = (struct store_position){0};
    keeper->position_noted = true;
    keeper->noted = 0;
    bus_consumer_free(keeper->consumer);
    keeper->consumer = NULL;
}

/* Nothing is unacknowledged: the position is the stream's end, even without a sample (it was handed out
 * before this process started, or before the epoch). */
static void settle_position(struct keeper *keeper, uint64_t ack_floor)
{
    struct bus_stream_state stream;
    if (keeper->position.sequence == ack_floor ||
        bus_stream_state(keeper->service->bus, STREAM_EVENTS, &stream) != STATUS_OK ||
        stream.last_sequence != ack_floor || stream.messages == 0)
        return;
    keeper->settled_ms = stream.last_time_ms;
    keeper->position = (struct store_position){.sequence = ack_floor, .time_ms = stream.last_time_ms};
    keeper->position_noted = false;
}

static void note_position(struct keeper *keeper)
{
    int64_t anchor_ms = service_retention_ms(keeper->service) / 4; /* keys of all events after it exist */
    if (keeper->position_noted || !store_connected(keeper->store))
        return;
    keeper->position.stream_created_ms = store_world(keeper->store)->position.stream_created_ms;
    if (store_position_put(keeper->store, &keeper->position, anchor_ms, &keeper->position_noted) ==
            STATUS_OK &&
        keeper->position_noted)
        keeper->noted = keeper->position.sequence;
}

/* No event key may be forgotten if the next epoch's durable will hand its event out again: that durable
 * begins after the position in Redis. */
static void note_ack_floor(struct keeper *keeper, uint64_t sequence)
{
    service_note_ack_floor(keeper->service, keeper->epoch,
                           sequence < keeper->noted ? sequence : keeper->noted);
}

/* The durable has reached the stream's end as of the beginning of the epoch. */
static void note_replayed(struct keeper *keeper, const struct bus_consumer_state *state)
{
    const struct store_world *world = store_world(keeper->store);
    if (world->replayed || world->epoch != keeper->epoch ||
        (state->ack_floor_stream_sequence < world->target && state->pending + state->ack_pending > 0))
        return;
    bool first = false;
    if (store_replay_done(keeper->store, keeper->epoch, &first) != STATUS_OK || !first)
        return;
    metrics_add(keeper->service->metrics, VALUE_REPLAYS, 1);
    log_event(LOG_INFO, "everything that the stream held when the epoch began is counted",
              LOG_U("epoch", keeper->epoch));
}

/* How long the ack floor has not moved although there was something to acknowledge. */
static void note_standing(struct keeper *keeper, const struct bus_consumer_state *state)
{
    uint64_t now = clock_monotonic_ms();
    keeper->waiting = state->pending > 0 || state->ack_pending > 0;
    if (!keeper->waiting || state->ack_floor_stream_sequence != keeper->floor || keeper->moved_ms == 0)
        keeper->moved_ms = now;
    keeper->floor = state->ack_floor_stream_sequence;
    metrics_set(keeper->service->metrics, VALUE_ACK_FLOOR_STANDS, (int64_t)((now - keeper->moved_ms) / 1000));
}

static void keep_position(struct keeper *keeper)
{
    struct service *service = keeper->service;
    keeper->waiting = true;
    if (!keeper->consumer)
        return;
    add_sample(keeper);
    struct bus_consumer_state state;
    enum status status = bus_consumer_state(keeper->consumer, &state);
    if (status != STATUS_OK) {
        if (status == STATUS_NOT_FOUND) { /* logged once: another is created when Redis can be used */
            atomic_fetch_add(&service->stream_losses, 1);
            bus_consumer_free(keeper->consumer);
            keeper->consumer = NULL;
        }
        return;
    }
    note_standing(keeper, &state);
    metrics_set(service->metrics, VALUE_STREAM_PENDING, (int64_t)state.pending);
    metrics_set(service->metrics, VALUE_STREAM_UNACKED, (int64_t)state.ack_pending);
    if (take_passed(keeper, state.ack_floor_stream_sequence, &keeper->position)) {
        keeper->settled_ms = keeper->position.time_ms;
        keeper->position_noted = false;
    }
    if (state.pending == 0 && state.ack_pending == 0)
        settle_position(keeper, state.ack_floor_stream_sequence);
    note_position(keeper);
    note_ack_floor(keeper, state.ack_floor_stream_sequence);
    if (store_connected(keeper->store))
        note_replayed(keeper, &state);
}

static void sweep(struct keeper *keeper)
{
    struct service *service = keeper->service;
    uint64_t now = clock_monotonic_ms();
    int64_t oldest_ms = keeper->settled_ms - service_retention_ms(service);
    if (keeper->settled_ms == 0 || now - keeper->swept_ms < (uint64_t)service->config.sweep_interval_ms)
        return;
    keeper->swept_ms = now;
    size_t users = STORE_SWEEP_USERS;
    for (int step = 0;
         step < SWEEP_STEPS && users == STORE_SWEEP_USERS && clock_monotonic_ms() - now < SWEEP_MS; step++) {
        uint64_t floor = service_ack_floor(service, store_epoch(keeper->store));
        uint64_t forgotten = 0;
        if (store_sweep(keeper->store, oldest_ms, floor, &users, &forgotten) != STATUS_OK)
            return;
        metrics_add(service->metrics, VALUE_SEEN_PRUNED, forgotten);
    }
}

static void find(struct keeper *keeper)
{
    uint64_t now = clock_monotonic_ms();
    if (keeper->rounds == FIND_ROUNDS || now < keeper->find_ms ||
        store_sweep_find(keeper->store, &keeper->cursor) != STATUS_OK || keeper->cursor != 0)
        return;
    keeper->rounds++;
    keeper->find_ms = now + FIND_PAUSE_MS;
}

static void totals(struct keeper *keeper)
{
    uint64_t now = clock_monotonic_ms();
    if (keeper->totals_ms != 0 && now - keeper->totals_ms < TOTALS_MS)
        return;
    keeper->totals_ms = now;
    presence_refresh_totals(keeper->service, keeper->store);
}

/* Logs once per process, and again if something new is found. */
static void warn_of_evictions(const struct store_memory *before, const struct store_memory *now)
{
    if (now->evicts && !before->evicts)
        log_event(LOG_WARN,
                  "Redis evicts keys when its memory is full, and counts are lost with them: set "
                  "maxmemory-policy to noeviction",
                  LOG_S("maxmemory_policy", now->policy));
    if (now->evicted > 0 && before->evicted == 0)
        log_event(LOG_ERROR,
                  "not ready: Redis has evicted keys, counts are wrong; docs/operations.md says how to "
                  "restore them",
                  LOG_U("evicted_keys", now->evicted), LOG_S("maxmemory_policy", now->policy));
}

/* Whether Redis has kept all its keys. */
static bool keeps_keys(struct keeper *keeper)
{
    struct metrics *metrics = keeper->service->metrics;
    uint64_t now_ms = clock_monotonic_ms();
    struct store_memory memory;
    if (keeper->memory_ms == 0 || now_ms - keeper->memory_ms >= MEMORY_MS ||
        keeper->memory_epoch != keeper->epoch) {
        if (store_memory_look(keeper->store, &memory) != STATUS_OK)
            return false;
        warn_of_evictions(&keeper->memory, &memory);
        metrics_set(metrics, VALUE_REDIS_EVICTS, memory.evicts || memory.evicted > 0);
        metrics_set(metrics, VALUE_REDIS_EVICTED, (int64_t)memory.evicted);
        keeper->memory = memory;
        keeper->memory_ms = now_ms;
        keeper->memory_epoch = keeper->epoch;
    }
    return keeper->memory.evicted == 0;
}

static void turn(struct keeper *keeper)
{
    struct service *service = keeper->service;
    bool redis = service_store_ready(service, keeper->store) == STATUS_OK;
    if (redis && store_epoch(keeper->store) != keeper->epoch) {
        keeper->epoch = store_epoch(keeper->store);
        keeper->cursor = 0; /* another server's cursor is meaningless */
        forget(keeper);
    }
    bool kept = false;
    if (redis)
        kept = keeps_keys(keeper);
    redis = redis && store_connected(keeper->store);
    if (redis && bus_connected(service->bus))
        keep_stream(keeper);
    if (bus_connected(service->bus))
        keep_position(keeper);
    if (redis && store_connected(keeper->store))
        sweep(keeper);
    if (redis && store_connected(keeper->store))
        find(keeper);
    if (redis && store_connected(keeper->store))
        totals(keeper);
    redis = redis && store_connected(keeper->store);
    bool blocked = atomic_load(&service->blocked) && keeper->waiting;
    atomic_store(&service->redis_ready, redis && kept && !blocked);
    metrics_set(service->metrics, VALUE_REDIS_CONNECTED, redis);
    metrics_set(service->metrics, VALUE_BLOCKED, blocked);
}

void *keeper_run(void *context)
{
    struct service *service = context;
    struct keeper keeper = {
        .service = service, .store = service_store(service, false), .position_noted = true};
    CHECK(keeper.store != NULL);
    do
        turn(&keeper);
    while (!service_wait(service, atomic_load(&service->redis_ready) ? TURN_MS : SOON_MS));
    bus_consumer_free(keeper.consumer);
    store_free(keeper.store);
    return NULL;
}
