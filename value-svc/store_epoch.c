/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * What is known about this Redis as a whole: the epoch, the replay's lock, how far the stream was handled.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/clock.h"
#include "store_internal.h"

static const char *const state_names[] = {
    [STORE_WHOLE] = "whole", [STORE_NEW] = "new", [STORE_LOST] = "lost", [STORE_REBUILD] = "rebuild"};

static const char *const lock_keys[] = {[STORE_LOCK_REPLAY] = "p8:replay",
                                        [STORE_LOCK_SNAPSHOT] = "p8:snapshot",
                                        [STORE_LOCK_REBUILD] = "p8:rebuild"};

uint64_t store_epoch(const struct store *store)
{
    return store->epoch;
}

bool store_replayed(const struct store *store)
{
    return store->replayed;
}

enum store_state store_state(const struct store *store)
{
    return store->state;
}

uint64_t store_quiet(const struct store *store)
{
    return store->quiet;
}

uint64_t store_behind(const struct store *store)
{
    return store->behind;
}

static enum status learn_run_id(struct store *store)
{
    redisReply *reply = NULL;
    const char *at;
    enum status status = store_send(store, (const char *const[]){"INFO", "server", NULL});

    if (status == STATUS_OK)
        status = store_receive(store, &reply);
    if (status != STATUS_OK)
        return status;
    at = reply->type == REDIS_REPLY_STRING ? strstr(reply->str, "\nrun_id:") : NULL;
    if (!at || sscanf(at, "\nrun_id:%63[0-9a-zA-Z]", store->run_id) != 1)
        status = store_fail(store, "INFO server tells no run_id");
    freeReplyObject(reply);
    return status;
}

static enum store_state state_named(const redisReply *name)
{
    for (size_t i = 0; i < sizeof state_names / sizeof state_names[0]; i++)
        if (name->type == REDIS_REPLY_STRING && strcmp(name->str, state_names[i]) == 0)
            return (enum store_state)i;
    return STORE_LOST; /* of a newer version: nothing is taken for granted */
}

static enum status learn_epoch(struct store *store)
{
    char now[24];
    char known[24];
    redisReply *reply = NULL;
    enum status status;

    snprintf(now, sizeof now, "%" PRId64, clock_wall_ms());
    snprintf(known, sizeof known, "%" PRIu64, store->epoch);
    status = store_send_script(store, SCRIPT_EPOCH,
                               (const char *const[]){"1", STORE_KEY_EPOCH, store->run_id, now, known, NULL});
    if (status == STATUS_OK)
        status = store_receive(store, &reply);
    if (status != STATUS_OK)
        return status;
    if (reply->type == REDIS_REPLY_ARRAY && reply->elements == 5) {
        store->epoch = (uint64_t)store_integer(reply->element[0]);
        store->replayed = store_integer(reply->element[1]) == 1;
        store->state = state_named(reply->element[2]);
        store->quiet = (uint64_t)store_integer(reply->element[3]);
        store->behind = (uint64_t)store_integer(reply->element[4]);
    } else {
        status = store_fail(store, "the epoch's script gave an unexpected reply");
    }
    freeReplyObject(reply);
    return status;
}

enum status store_learn_epoch(struct store *store)
{
    enum status status = learn_run_id(store);

    return status == STATUS_OK ? learn_epoch(store) : status;
}

enum status store_epoch_refresh(struct store *store)
{
    enum status status = learn_epoch(store);

    store_measure(store);
    return status;
}

enum status store_epoch_now(struct store *store, uint64_t *ret_epoch)
{
    redisReply *reply = NULL;
    enum status status = store_send(store, (const char *const[]){"HGET", STORE_KEY_EPOCH, "epoch", NULL});

    if (status == STATUS_OK)
        status = store_receive(store, &reply);
    if (status != STATUS_OK)
        return status;
    store_measure(store);
    *ret_epoch = (uint64_t)store_integer(reply);
    freeReplyObject(reply);
    return STATUS_OK;
}

/* Runs a script whose reply is one integer. */
static enum status run_integer(struct store *store, enum store_script script, const char *const *arguments,
                               int64_t *ret_integer)
{
    redisReply *reply = NULL;
    enum status status = store_send_script(store, script, arguments);

    if (status == STATUS_OK)
        status = store_receive(store, &reply);
    if (status != STATUS_OK)
        return status;
    store_measure(store);
    *ret_integer = store_integer(reply);
    freeReplyObject(reply);
    return STATUS_OK;
}

enum status store_lock(struct store *store, enum store_lock lock, const char *holder, int64_t hold_ms,
                       bool *ret_held)
{
    char hold[24];
    int64_t held;
    enum status status;

    snprintf(hold, sizeof hold, "%" PRId64, hold_ms);
    status = run_integer(store, SCRIPT_LOCK, (const char *const[]){"1", lock_keys[lock], holder, hold, NULL},
                         &held);
    if (status == STATUS_OK)
        *ret_held = held == 1;
    return status;
}

enum status store_replay_progress(struct store *store, uint64_t epoch, uint64_t sequence)
{
    char text[24];
    char number[24];
    int64_t noted;

    snprintf(text, sizeof text, "%" PRIu64, epoch);
    snprintf(number, sizeof number, "%" PRIu64, sequence);
    return run_integer(store, SCRIPT_REPLAY_PROGRESS,
                       (const char *const[]){"1", STORE_KEY_EPOCH, text, number, NULL}, &noted);
}

enum status store_replay_done(struct store *store, uint64_t epoch, enum store_state state)
{
    char text[24];
    int64_t noted;
    enum status status;

    snprintf(text, sizeof text, "%" PRIu64, epoch);
    status = run_integer(store, SCRIPT_EPOCH_REPLAYED,
                         (const char *const[]){"1", STORE_KEY_EPOCH, text, state_names[state], NULL}, &noted);
    if (status == STATUS_OK && noted == 1 && store->epoch == epoch) {
        store->replayed = true;
        store->state = state;
    }
    return status;
}

enum status store_position_put(struct store *store, const struct store_position *position)
{
    char sequence[24];
    char time[24];
    char epoch[24];
    int64_t noted;

    snprintf(sequence, sizeof sequence, "%" PRIu64, position->sequence);
    snprintf(time, sizeof time, "%" PRId64, position->time_ms);
    snprintf(epoch, sizeof epoch, "%" PRIu64, store->epoch);
    return run_integer(store, SCRIPT_POSITION,
                       (const char *const[]){"1", STORE_KEY_EPOCH, sequence, time, epoch, NULL}, &noted);
}

enum status store_position_get(struct store *store, struct store_position *ret_position)
{
    redisReply *reply = NULL;
    enum status status =
        store_send(store, (const char *const[]){"HMGET", STORE_KEY_EPOCH, "sequence", "time", NULL});

    if (status == STATUS_OK)
        status = store_receive(store, &reply);
    if (status != STATUS_OK)
        return status;
    store_measure(store);
    *ret_position = (struct store_position){0};
    if (reply->type == REDIS_REPLY_ARRAY && reply->elements == 2) {
        ret_position->sequence = (uint64_t)store_integer(reply->element[0]);
        ret_position->time_ms = store_integer(reply->element[1]);
    }
    freeReplyObject(reply);
    return STATUS_OK;
}
