/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * The steps of a rebuild. Its note in Redis is "<snapshot> <phase> <chunk> <users>": phases in their order.
 */
#include "upkeep/rebuild.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base64url.h"
#include "common/bus/bus_stream.h"
#include "common/bus/subject.h"
#include "common/check.h"
#include "common/clock.h"
#include "common/ops/lifecycle.h"
#include "common/rng.h"
#include "consume/consumer.h"
#include "epoch/epoch.h"
#include "records/store_rebuild.h"
#include "service/stream.h"
#include "upkeep/keeper.h"
#include "upkeep/rebuild_source.h"
#include "upkeep/rebuild_tell.h"

#define WAIT_MS       30000 /* for broker, Redis and another rebuild's lock */
#define PAUSE_MS      200
#define TELL_MS       2000
#define LOCK_HOLD_MS  6000
#define LOCK_RENEW_MS 1500
#define HOLDER_BYTES  12
#define WORKERS_MOST  32
#define END_TRIES     50  /* against an instance with another Redis that begins epochs */
#define WHOLE_STREAM  "-" /* in place of a snapshot's id */

enum phase { PHASE_CLEAR, PHASE_RESTORE };

struct rebuild {
    struct service *service;
    struct store *store;
    bool accept_loss;
    char holder[BASE64URL_LENGTH(HOLDER_BYTES) + 1];
    struct rebuild_source source;
    enum phase phase;
    uint32_t chunk;
    uint64_t users;
    uint64_t began_ms;
    uint64_t renewed_ms;
    uint64_t told_ms;
};

static int fail(const char *reason, const char *detail)
{
    fprintf(stderr, "value-svc: %s%s%s\n", reason, detail && detail[0] ? ": " : "", detail ? detail : "");
    return 1;
}

/* Whether it is time to report progress. */
static bool telling(struct rebuild *rebuild)
{
    uint64_t now = clock_monotonic_ms();
    if (now - rebuild->told_ms < TELL_MS)
        return false;
    rebuild->told_ms = now;
    return true;
}

/* ---- waiting ----------------------------------------------------------------------------------------- */

/* Waits for Redis as long as it takes, and keeps the lock. STATUS_AGAIN: a stop was requested, or another
 * rebuild has the lock. */
static enum status go_on(struct rebuild *rebuild)
{
    uint64_t now = clock_monotonic_ms();
    enum status status = store_connect(rebuild->store);
    while (status != STATUS_OK) {
        fprintf(stderr, "value-svc: waiting for Redis: %s\n", store_error(rebuild->store));
        if (lifecycle_wait(store_retry_ms(rebuild->store)) == LIFECYCLE_STOP)
            return STATUS_AGAIN;
        status = store_connect(rebuild->store);
    }
    if (lifecycle_wait(0) == LIFECYCLE_STOP)
        return STATUS_AGAIN;
    bool held = true;
    if (now - rebuild->renewed_ms >= LOCK_RENEW_MS) {
        rebuild->renewed_ms = now;
        status = store_lock(rebuild->store, STORE_LOCK_REBUILD, rebuild->holder, LOCK_HOLD_MS, &held);
    }
    return status == STATUS_OK && !held ? STATUS_AGAIN : status;
}

static int wait_for_servers(struct rebuild *rebuild)
{
    uint64_t until = clock_monotonic_ms() + WAIT_MS;
    while (!bus_connected(rebuild->service->bus)) {
        if (clock_monotonic_ms() > until)
            return fail("NATS cannot be reached", "see NATS_URL");
        if (lifecycle_wait(PAUSE_MS) == LIFECYCLE_STOP)
            return fail("stopped", NULL);
    }
    while (store_connect(rebuild->store) != STATUS_OK) {
        if (clock_monotonic_ms() > until)
            return fail("Redis cannot be used", store_error(rebuild->store));
        if (lifecycle_wait(store_retry_ms(rebuild->store)) == LIFECYCLE_STOP)
            return fail("stopped", NULL);
    }
    return 0;
}

/* A killed run leaves its lock behind for some seconds. */
static int take_lock(struct rebuild *rebuild)
{
    uint64_t until = clock_monotonic_ms() + WAIT_MS;
    bool held = false;
    for (;;) {
        enum status status =
            store_lock(rebuild->store, STORE_LOCK_REBUILD, rebuild->holder, LOCK_HOLD_MS, &held);
        if (status != STATUS_OK) /* a rebuild that starts closes all other connections */
            status = store_connect(rebuild->store);
        if (status == STATUS_OK && held)
            break;
        if (clock_monotonic_ms() > until)
            return fail("another rebuild is running in this Redis", NULL);
        if (telling(rebuild))
            fprintf(stderr, "value-svc: waiting for another rebuild's lock\n");
        if (lifecycle_wait(PAUSE_MS) == LIFECYCLE_STOP)
            return fail("stopped", NULL);
    }
    rebuild->renewed_ms = clock_monotonic_ms();
    return 0;
}

/* ---- which, and from where on ------------------------------------------------------------------------ */

static const char *source_id(const struct rebuild *rebuild)
{
    return rebuild->source.snapshot ? rebuild->source.manifest.body.id : WHOLE_STREAM;
}

static int find_source(struct rebuild *rebuild)
{
    const struct rebuild_source *source = &rebuild->source;
    enum status status = rebuild_find_source(rebuild->service->bus, &rebuild->source);
    if (status == STATUS_NOT_FOUND)
        return fail("there is no stream " STREAM_EVENTS, "nothing was ever counted here");
    if (status != STATUS_OK)
        return fail("the streams cannot be read", status_message(status));
    if (source->snapshot)
        fprintf(stderr,
                "value-svc: snapshot %s has %" PRIu64 " users and all events up to %" PRIu64
                "; the stream reaches %" PRIu64 "\n",
                source->manifest.body.id, source->manifest.body.users, source->position.sequence,
                source->last_sequence);
    else
        fprintf(stderr, "value-svc: there is no verified snapshot; the stream reaches %" PRIu64 "\n",
                source->last_sequence);
    if (source->missing[0] == '\0')
        return 0;
    fprintf(stderr, "value-svc: %s\n", source->missing);
    if (rebuild->accept_loss)
        return 0;
    return fail("nothing was changed, because counts would be wrong",
                "--rebuild-accept-loss makes them from what is available");
}

/* How far an earlier run from the same source came. */
static void read_note(struct rebuild *rebuild, const char *note)
{
    const char *id = source_id(rebuild);
    size_t length = strlen(id);
    if (strncmp(note, id, length) != 0 || note[length] != ' ')
        return;
    char *at = NULL;
    rebuild->phase = strtoul(note + length + 1, &at, 10) == PHASE_RESTORE ? PHASE_RESTORE : PHASE_CLEAR;
    rebuild->chunk = (uint32_t)strtoul(at, &at, 10);
    rebuild->users = strtoull(at, &at, 10);
    fprintf(stderr, "value-svc: resuming an interrupted rebuild, %" PRIu64 " users are restored\n",
            rebuild->users);
}

static enum status write_note(struct rebuild *rebuild)
{
    char note[STORE_REBUILD_NOTE_SIZE];
    snprintf(note, sizeof(note), "%s %d %" PRIu32 " %" PRIu64, source_id(rebuild), (int)rebuild->phase,
             rebuild->chunk, rebuild->users);
    return store_rebuild_note(rebuild->store, rebuild->holder, note);
}

static enum status begin(struct rebuild *rebuild)
{
    char note[STORE_REBUILD_NOTE_SIZE] = "";
    enum status status = store_rebuild_begin(rebuild->store, rebuild->holder, note);
    if (status == STATUS_OK)
        read_note(rebuild, note);
    return status;
}

/* ---- forgetting and putting back --------------------------------------------------------------------- */

static enum status clear(struct rebuild *rebuild)
{
    uint64_t cursor = 0;
    uint64_t deleted = 0;
    uint64_t total = 0;
    enum status status;
    do {
        status = go_on(rebuild);
        if (status == STATUS_OK)
            status = store_clear_step(rebuild->store, &cursor, &deleted);
        if (status == STATUS_DISCONNECTED) {
            cursor = 0; /* another server's cursor is meaningless */
            status = STATUS_OK;
            deleted = 1;
            continue;
        }
        total += deleted;
        if (telling(rebuild))
            fprintf(stderr, "value-svc: deleting existing data: %" PRIu64 " keys\n", total);
    } while (status == STATUS_OK && (cursor != 0 || !store_connected(rebuild->store)));
    rebuild->phase = PHASE_RESTORE;
    return status == STATUS_OK ? write_note(rebuild) : status;
}

static enum status on_rebuild_piece(void *context, const struct store_piece *piece)
{
    struct rebuild *rebuild = context;
    rebuild->users += piece->last;
    return store_restore(rebuild->store, piece);
}

static enum status restore_chunks(struct rebuild *rebuild, struct snapshot_reader *reader)
{
    const struct snapshot_body *body = &rebuild->source.manifest.body;
    uint32_t next = rebuild->chunk;
    enum status status = STATUS_OK;
    while (status == STATUS_OK) {
        status = go_on(rebuild);
        if (status == STATUS_OK)
            status = snapshot_read(reader, on_rebuild_piece, rebuild, &next);
        if (status == STATUS_OK)
            status = store_restored(rebuild->store);
        if (status != STATUS_OK)
            break;
        rebuild->chunk = next;
        status = write_note(rebuild);
        if (telling(rebuild))
            fprintf(stderr, "value-svc: %" PRIu64 " of %" PRIu64 " users restored\n", rebuild->users,
                    body->users);
    }
    return status;
}

/* STATUS_OK at the end. After a lost connection it resumes with the last chunk noted. */
static enum status restore(struct rebuild *rebuild)
{
    struct snapshot_reader *reader = NULL;
    uint64_t users = 0;
    enum status status = STATUS_DISCONNECTED;
    while (status == STATUS_DISCONNECTED) {
        status = go_on(rebuild);
        users = rebuild->users;
        if (status == STATUS_OK)
            status = snapshot_reader_create(rebuild->service->bus, &rebuild->source.manifest.body,
                                            rebuild->chunk, &reader);
        if (status == STATUS_OK)
            status = restore_chunks(rebuild, reader);
        snapshot_reader_free(reader);
        reader = NULL;
        if (status == STATUS_DISCONNECTED) {
            rebuild->users = users;
            if (lifecycle_wait(PAUSE_MS) == LIFECYCLE_STOP)
                return STATUS_AGAIN;
        }
    }
    return status == STATUS_NOT_FOUND && rebuild->chunk >= rebuild->source.manifest.body.chunks ? STATUS_OK
                                                                                                : status;
}

/* From here on the stream is counted in this Redis. If an instance with a different Redis was faster at the
 * broker, it is overruled. */
static enum status end(struct rebuild *rebuild)
{
    enum status status = go_on(rebuild);
    for (int tries = 0; status == STATUS_OK; tries++) {
        status = epoch_rebuilt(rebuild->service, rebuild->store, &rebuild->source.position, rebuild->holder);
        if (status == STATUS_OK || (status == STATUS_AGAIN && tries == END_TRIES))
            return status;
        if (status == STATUS_AGAIN || status == STATUS_DISCONNECTED)
            status = lifecycle_wait(PAUSE_MS) == LIFECYCLE_STOP ? STATUS_AGAIN : go_on(rebuild);
    }
    return status;
}

/* ---- counting on ------------------------------------------------------------------------------------- */

/* If Redis is restarted in the meantime, a running instance begins another epoch, in which all
 * continue to count. */
static void follow_epoch(struct rebuild *rebuild)
{
    struct store *store = rebuild->store;
    enum status status = store_connected(store) ? store_epoch_refresh(store) : store_connect(store);
    if (status == STATUS_OK && store_world(store)->of_server)
        atomic_store(&rebuild->service->epoch, store_epoch(store));
    else if (telling(rebuild))
        fprintf(stderr, "value-svc: Redis is unreachable or was restarted: waiting for it, and for a running "
                        "value-svc to continue\n");
}

/* Waits until every event that the stream held when the users were restored is counted. */
static enum status wait_counted(struct rebuild *rebuild, uint64_t until)
{
    uint64_t from = rebuild->source.position.sequence;
    struct bus_consumer_state durable = {0};
    char name[STREAM_DURABLE_SIZE];
    enum status status;
    for (;;) {
        follow_epoch(rebuild);
        stream_durable(name, atomic_load(&rebuild->service->epoch));
        status = bus_durable_state(rebuild->service->bus, STREAM_EVENTS, name, &durable);
        if (status == STATUS_OK && (durable.ack_floor_stream_sequence >= until ||
                                    (durable.pending == 0 && durable.ack_pending == 0)))
            return STATUS_OK;
        if (status == STATUS_OK && telling(rebuild) && durable.ack_floor_stream_sequence >= from)
            fprintf(stderr, "value-svc: %" PRIu64 " of %" PRIu64 " events counted\n",
                    durable.ack_floor_stream_sequence - from, until - from);
        if (lifecycle_wait(PAUSE_MS) == LIFECYCLE_STOP)
            return STATUS_AGAIN;
    }
}

/* This process counts too, so it does not depend on another one. */
static enum status count_on(struct rebuild *rebuild)
{
    struct service *service = rebuild->service;
    size_t count = (size_t)service->config.workers;
    struct bus_stream_state stream = {0};
    enum status status = bus_stream_state(service->bus, STREAM_EVENTS, &stream);
    if (status != STATUS_OK)
        return status;
    pthread_t keeper;
    CHECK(pthread_create(&keeper, NULL, keeper_run, service) == 0);
    pthread_t workers[WORKERS_MOST];
    for (size_t i = 0; i < count; i++)
        CHECK(pthread_create(&workers[i], NULL, consumer_run, service) == 0);
    status = wait_counted(rebuild, stream.last_sequence);
    service_stop(service);
    for (size_t i = 0; i < count; i++)
        pthread_join(workers[i], NULL);
    pthread_join(keeper, NULL);
    rebuild->source.last_sequence = stream.last_sequence;
    return status;
}

/* ---- all of it --------------------------------------------------------------------------------------- */

static int end_early(struct rebuild *rebuild, enum status status)
{
    if (status == STATUS_NOT_FOUND)
        return fail("Redis was emptied, or another rebuild took over", "run it again");
    if (status == STATUS_AGAIN)
        return fail("stopped; events wait until a rebuild is run to its end", NULL);
    if (status == STATUS_DISCONNECTED)
        return fail("interrupted; events wait until a rebuild is run to its end",
                    store_connected(rebuild->store) ? "disconnected from NATS" : store_error(rebuild->store));
    return fail("interrupted; events wait until a rebuild is run to its end", status_message(status));
}

static int run(struct rebuild *rebuild)
{
    const struct rebuild_source *source = &rebuild->source;
    enum status status = begin(rebuild);
    if (status == STATUS_OK && rebuild->phase == PHASE_CLEAR)
        status = clear(rebuild);
    if (status == STATUS_OK && source->snapshot)
        status = restore(rebuild);
    if (status == STATUS_OK)
        status = end(rebuild);
    if (status != STATUS_OK)
        return end_early(rebuild, status);
    fprintf(stderr, "value-svc: every user is restored; counting the later events\n");
    status = count_on(rebuild);
    if (status != STATUS_OK)
        return fail("stopped; running instances count the rest", NULL);
    status = rebuild_tell_users(rebuild->service, rebuild->store);
    if (status != STATUS_OK)
        fprintf(stderr, "value-svc: not every session was sent its value; it gets it with the next event\n");
    printf("%" PRIu64 " users from the snapshot, %" PRIu64 " events after it, %.1f s\n", rebuild->users,
           source->last_sequence - source->position.sequence,
           (double)(clock_monotonic_ms() - rebuild->began_ms) / 1000);
    return 0;
}

int rebuild_run(struct service *service, bool accept_loss)
{
    struct rebuild *rebuild = calloc(1, sizeof(*rebuild));
    CHECK(rebuild != NULL);
    rebuild->service = service;
    rebuild->accept_loss = accept_loss;
    rebuild->store = service_store(service, true);
    rebuild->began_ms = clock_monotonic_ms();
    CHECK(rebuild->store != NULL);
    rng_id(rebuild->holder, HOLDER_BYTES);
    int result = wait_for_servers(rebuild);
    if (result == 0)
        result = take_lock(rebuild);
    if (result == 0)
        result = find_source(rebuild);
    if (result == 0)
        result = run(rebuild);
    bool held;
    if (store_connected(rebuild->store))
        store_lock(rebuild->store, STORE_LOCK_REBUILD, rebuild->holder, 0, &held);
    store_free(rebuild->store);
    free(rebuild);
    return result;
}
