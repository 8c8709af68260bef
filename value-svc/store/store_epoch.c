/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * State of this Redis as a whole: the epoch, locks, how far the stream was handled. It is stored in the hash
 * p8:epoch:
 *
 *   epoch, identity     which epoch, and of which data
 *   run_id, replid      the process it began on. The replication id changes if a server is made a primary
 *                       again after it had been a replica: its data was another's in between
 *   state, replayed     whole, lost or rebuild; the epoch whose replay is done
 *   quiet, target       events up to it were delivered before; the stream reached to it
 *   at, at_time, stream how far the stream was acknowledged, and which stream
 *   anchor...           an earlier position, and the one that will be it
 *   whole_from          histories are whole for readers of later positions, Unix ms
 *   rebuild, who        how far a rebuild is, and whose it is
 *   sequence, time      at and at_time for versions before 0.2, or theirs if there is no `at`
 */
#include <inttypes.h>
#include <stdio.h>

#include "store/store_internal.h"

static const char *const state_names[] = {
    [STORE_WHOLE] = "whole", [STORE_NEW] = "new", [STORE_LOST] = "lost", [STORE_REBUILD] = "rebuild"};

static const char *const lock_keys[] = {[STORE_LOCK_RAISE] = "p8:raise",
                                        [STORE_LOCK_SNAPSHOT] = "p8:snapshot",
                                        [STORE_LOCK_REBUILD] = "p8:rebuild"};

/* In the order in which they are asked for. */
enum field {
    FIELD_EPOCH,
    FIELD_RUN_ID,
    FIELD_REPLID,
    FIELD_IDENTITY,
    FIELD_STATE,
    FIELD_REPLAYED,
    FIELD_QUIET,
    FIELD_TARGET,
    FIELD_AT,
    FIELD_AT_TIME,
    FIELD_STREAM,
    FIELD_ANCHOR,
    FIELD_ANCHOR_TIME,
    FIELD_ANCHOR_NEXT,
    FIELD_ANCHOR_NEXT_TIME,
    FIELD_WHOLE_FROM,
    FIELD_SEQUENCE,
    FIELD_TIME,
    FIELD_COUNT
};

const struct store_world *store_world(const struct store *store)
{
    return &store->world;
}

uint64_t store_epoch(const struct store *store)
{
    return store->world.epoch;
}

/* ---- learning --------------------------------------------------------------------------------------- */

static enum status receive_info(struct store *store, redisReply **ret_reply)
{
    enum status status = store_receive(store, ret_reply);
    if (status != STATUS_OK)
        return status;
    if ((*ret_reply)->type == REDIS_REPLY_STRING)
        return STATUS_OK;
    freeReplyObject(*ret_reply);
    *ret_reply = NULL;
    (void)store_fail(store, "INFO gave an unexpected reply");
    return STATUS_DISCONNECTED;
}

/* "<run_id>:<replication id>" */
static enum status take_server(struct store *store, const char *server, const char *replication)
{
    char run_id[48] = "";
    char role[16] = "";
    if (!store_info_field(server, "\nrun_id:", run_id, sizeof(run_id)) ||
        !store_info_field(replication, "\nrole:", role, sizeof(role)))
        return store_fail(store, "INFO lacks run_id or role");
    if (strcmp(role, "master") != 0)
        return store_fail(store, "the server is a replica, or is becoming one");
    char replid[48] = "";
    store_info_field(replication, "\nmaster_replid:", replid, sizeof(replid));
    snprintf(store->world.server, sizeof(store->world.server), "%s:%s", run_id, replid);
    return STATUS_OK;
}

static enum status learn_server(struct store *store)
{
    redisReply *server = NULL;
    enum status status = receive_info(store, &server);
    redisReply *replication = NULL;
    if (status == STATUS_OK)
        status = receive_info(store, &replication);
    if (status == STATUS_OK && server && replication)
        status = take_server(store, server->str, replication->str);
    freeReplyObject(server);
    freeReplyObject(replication);
    return status;
}

static const char *text_of(const redisReply *reply)
{
    return reply->type == REDIS_REPLY_STRING ? reply->str : "";
}

static enum store_state state_named(const char *name)
{
    for (size_t i = 0; i < sizeof(state_names) / sizeof(state_names[0]); i++)
        if (strcmp(name, state_names[i]) == 0)
            return (enum store_state)i;
    return name[0] == '\0' ? STORE_WHOLE : STORE_LOST; /* of a newer version: nothing is assumed */
}

static void take_positions(struct store_world *world, redisReply *const *fields)
{
    bool older = fields[FIELD_AT]->type != REDIS_REPLY_STRING;
    bool anchored = fields[FIELD_ANCHOR]->type == REDIS_REPLY_STRING;
    world->position = (struct store_position){
        .sequence = (uint64_t)store_integer(fields[older ? FIELD_SEQUENCE : FIELD_AT]),
        .time_ms = store_integer(fields[older ? FIELD_TIME : FIELD_AT_TIME]),
        .stream_created_ms = store_integer(fields[FIELD_STREAM])};
    world->anchor = (struct store_position){
        .sequence = (uint64_t)store_integer(fields[anchored ? FIELD_ANCHOR : FIELD_ANCHOR_NEXT]),
        .time_ms = store_integer(fields[anchored ? FIELD_ANCHOR_TIME : FIELD_ANCHOR_NEXT_TIME]),
        .stream_created_ms = world->position.stream_created_ms};
}

static void take_world(struct store_world *world, redisReply *const *fields)
{
    world->epoch = (uint64_t)store_integer(fields[FIELD_EPOCH]);
    char made_on[STORE_SERVER_SIZE];
    snprintf(made_on, sizeof(made_on), "%.47s:%.47s", text_of(fields[FIELD_RUN_ID]),
             text_of(fields[FIELD_REPLID]));
    world->of_server = world->epoch != 0 && strcmp(made_on, world->server) == 0;
    snprintf(world->identity, sizeof(world->identity), "%s", text_of(fields[FIELD_IDENTITY]));
    world->state = world->epoch == 0 ? STORE_NEW : state_named(text_of(fields[FIELD_STATE]));
    world->replayed = world->epoch != 0 && (uint64_t)store_integer(fields[FIELD_REPLAYED]) == world->epoch;
    world->quiet = (uint64_t)store_integer(fields[FIELD_QUIET]);
    world->target = (uint64_t)store_integer(fields[FIELD_TARGET]);
    world->whole_from_ms = store_integer(fields[FIELD_WHOLE_FROM]);
    take_positions(world, fields);
}

static enum status receive_world(struct store *store)
{
    redisReply *reply = NULL;
    enum status status = store_receive(store, &reply);
    if (status != STATUS_OK)
        return status;
    if (reply->type == REDIS_REPLY_ARRAY && reply->elements == FIELD_COUNT)
        take_world(&store->world, reply->element);
    else
        status = store_fail(store, "HMGET gave an unexpected reply");
    freeReplyObject(reply);
    return status;
}

enum status store_learn_epoch(struct store *store)
{
    static const char *const ask[] = {"HMGET",
                                      STORE_KEY_EPOCH,
                                      "epoch",
                                      "run_id",
                                      "replid",
                                      "identity",
                                      "state",
                                      "replayed",
                                      "quiet",
                                      "target",
                                      "at",
                                      "at_time",
                                      "stream",
                                      "anchor",
                                      "anchor_time",
                                      "anchor_next",
                                      "anchor_next_time",
                                      "whole_from",
                                      "sequence",
                                      "time",
                                      NULL};
    enum status status = store_send(store, (const char *const[]){"INFO", "server", NULL});
    if (status == STATUS_OK)
        status = store_send(store, (const char *const[]){"INFO", "replication", NULL});
    if (status == STATUS_OK)
        status = store_send(store, ask);
    if (status == STATUS_OK)
        status = learn_server(store);
    if (status == STATUS_OK)
        status = receive_world(store);
    if (status == STATUS_OK && !store->options.any_epoch && !store->world.of_server)
        status = store_fail(store, "the epoch of this Redis is another server's, or not begun yet");
    return status;
}

enum status store_epoch_refresh(struct store *store)
{
    enum status status = store_learn_epoch(store);
    store_measure(store);
    return status;
}

/* The end of a round trip whose last reply is one integer. */
static enum status receive_integer(struct store *store, int64_t *ret_integer)
{
    enum status status = store_receive_integer(store, ret_integer);
    if (status == STATUS_OK)
        store_measure(store);
    return status;
}

enum status store_epoch_now(struct store *store, uint64_t *ret_epoch)
{
    int64_t epoch = 0;
    enum status status = store_send(store, (const char *const[]){"HGET", STORE_KEY_EPOCH, "epoch", NULL});
    if (status == STATUS_OK)
        status = receive_integer(store, &epoch);
    if (status == STATUS_OK)
        *ret_epoch = (uint64_t)epoch;
    return status;
}

/* ---- changing --------------------------------------------------------------------------------------- */

/* Runs a script whose reply is one integer. */
static enum status run_integer(struct store *store, enum store_script script, const char *const *arguments,
                               int64_t *ret_integer)
{
    enum status status = store_send_script(store, script, arguments);
    return status == STATUS_OK ? receive_integer(store, ret_integer) : status;
}

enum status store_lock(struct store *store, enum store_lock lock, const char *holder, int64_t hold_ms,
                       bool *ret_held)
{
    char hold[24];
    snprintf(hold, sizeof(hold), "%" PRId64, hold_ms);
    int64_t held;
    enum status status = run_integer(store, SCRIPT_LOCK,
                                     (const char *const[]){"1", lock_keys[lock], holder, hold, NULL}, &held);
    if (status == STATUS_OK)
        *ret_held = held == 1;
    return status;
}

enum status store_raise(struct store *store, const struct store_world *next, const char *who)
{
    const char *replid = strchr(store->world.server, ':');
    char numbers[8][24];
    snprintf(numbers[0], sizeof(numbers[0]), "%" PRIu64, store->world.epoch);
    snprintf(numbers[1], sizeof(numbers[1]), "%" PRIu64, next->epoch);
    snprintf(numbers[2], sizeof(numbers[2]), "%" PRIu64, next->quiet);
    snprintf(numbers[3], sizeof(numbers[3]), "%" PRIu64, next->target);
    snprintf(numbers[4], sizeof(numbers[4]), "%" PRIu64, next->position.sequence);
    snprintf(numbers[5], sizeof(numbers[5]), "%" PRId64, next->position.time_ms);
    snprintf(numbers[6], sizeof(numbers[6]), "%" PRId64, next->position.stream_created_ms);
    snprintf(numbers[7], sizeof(numbers[7]), "%" PRId64, next->whole_from_ms);
    char run_id[STORE_SERVER_SIZE];
    snprintf(run_id, sizeof(run_id), "%.*s", (int)strcspn(store->world.server, ":"), store->world.server);
    int64_t begun = 0;
    enum status status = run_integer(
        store, SCRIPT_EPOCH_RAISE,
        (const char *const[]){"1", STORE_KEY_EPOCH, numbers[0], numbers[1], run_id, replid ? replid + 1 : "",
                              next->identity, state_names[next->state], numbers[2], numbers[3], numbers[4],
                              numbers[5], numbers[6], who, numbers[7], NULL},
        &begun);
    if (status == STATUS_OK)
        status = store_epoch_refresh(store);
    return status == STATUS_OK && begun != 1 ? STATUS_AGAIN : status;
}

enum status store_replay_done(struct store *store, uint64_t epoch, bool *ret_first)
{
    char text[24];
    snprintf(text, sizeof(text), "%" PRIu64, epoch);
    int64_t noted;
    enum status status = run_integer(store, SCRIPT_EPOCH_REPLAYED,
                                     (const char *const[]){"1", STORE_KEY_EPOCH, text, NULL}, &noted);
    if (status == STATUS_OK)
        *ret_first = noted == 1;
    return status == STATUS_OK ? store_epoch_refresh(store) : status;
}

enum status store_position_put(struct store *store, const struct store_position *position, int64_t anchor_ms,
                               bool *ret_noted)
{
    char texts[5][24];
    snprintf(texts[0], sizeof(texts[0]), "%" PRIu64, position->sequence);
    snprintf(texts[1], sizeof(texts[1]), "%" PRId64, position->time_ms);
    snprintf(texts[2], sizeof(texts[2]), "%" PRId64, position->stream_created_ms);
    snprintf(texts[3], sizeof(texts[3]), "%" PRIu64, store->world.epoch);
    snprintf(texts[4], sizeof(texts[4]), "%" PRId64, anchor_ms);
    int64_t noted;
    enum status status = run_integer(
        store, SCRIPT_POSITION,
        (const char *const[]){"1", STORE_KEY_EPOCH, texts[0], texts[1], texts[2], texts[3], texts[4], NULL},
        &noted);
    if (status == STATUS_OK)
        *ret_noted = noted == 1;
    return status;
}
