/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * What is known about this Redis as a whole: the epoch, the replay's lock, how far the stream was handled.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/clock.h"
#include "store_internal.h"

#define KEY_EPOCH    "p8:epoch"
#define KEY_REPLAY   "p8:replay"
#define KEY_POSITION "p8:position"

uint64_t store_epoch(const struct store *store)
{
    return store->epoch;
}

bool store_replayed(const struct store *store)
{
    return store->replayed;
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

static enum status learn_epoch(struct store *store)
{
    char now[24];
    char known[24];
    redisReply *reply = NULL;
    enum status status;

    snprintf(now, sizeof now, "%" PRId64, clock_wall_ms());
    snprintf(known, sizeof known, "%" PRIu64, store->epoch);
    status = store_send_script(store, SCRIPT_EPOCH,
                               (const char *const[]){"1", KEY_EPOCH, store->run_id, now, known, NULL});
    if (status == STATUS_OK)
        status = store_receive(store, &reply);
    if (status != STATUS_OK)
        return status;
    if (reply->type == REDIS_REPLY_ARRAY && reply->elements == 2) {
        store->epoch = (uint64_t)store_integer(reply->element[0]);
        store->replayed = store_integer(reply->element[1]) == 1;
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

enum status store_replay_lock(struct store *store, const char *holder, int64_t hold_ms, bool *ret_held)
{
    char hold[24];
    int64_t held;
    enum status status;

    snprintf(hold, sizeof hold, "%" PRId64, hold_ms);
    status =
        run_integer(store, SCRIPT_LOCK, (const char *const[]){"1", KEY_REPLAY, holder, hold, NULL}, &held);
    if (status == STATUS_OK)
        *ret_held = held == 1;
    return status;
}

enum status store_replay_done(struct store *store, uint64_t epoch)
{
    char text[24];
    int64_t noted;
    enum status status;

    snprintf(text, sizeof text, "%" PRIu64, epoch);
    status =
        run_integer(store, SCRIPT_EPOCH_REPLAYED, (const char *const[]){"1", KEY_EPOCH, text, NULL}, &noted);
    if (status == STATUS_OK && noted == 1 && store->epoch == epoch)
        store->replayed = true;
    return status;
}

enum status store_position_put(struct store *store, const struct store_position *position)
{
    char sequence[24];
    char time[24];
    redisReply *reply = NULL;
    enum status status;

    snprintf(sequence, sizeof sequence, "%" PRIu64, position->sequence);
    snprintf(time, sizeof time, "%" PRId64, position->time_ms);
    status = store_send(
        store, (const char *const[]){"HSET", KEY_POSITION, "sequence", sequence, "time", time, NULL});
    if (status == STATUS_OK)
        status = store_receive(store, &reply);
    if (status != STATUS_OK)
        return status;
    store_measure(store);
    freeReplyObject(reply);
    return STATUS_OK;
}

enum status store_position_get(struct store *store, struct store_position *ret_position)
{
    redisReply *reply = NULL;
    enum status status =
        store_send(store, (const char *const[]){"HMGET", KEY_POSITION, "sequence", "time", NULL});

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
