/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * Events and values: a batch is one pipeline, one round trip.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/clock.h"
#include "store_history.h"
#include "store_internal.h"

#define SWEEP_KEYS    "200" /* asked of one SCAN */
#define SWEEP_ENTRIES "500" /* most entries forgotten of one user in a step */

/* ---- Applying --------------------------------------------------------------------------------------- */

#define NUMBER_SIZE     24
#define GIFT_SIZE       96
#define APPLY_ARGUMENTS 23 /* the number of keys, 5 keys, 17 others */

/* What is the same for all events of a batch. */
struct rules_text {
    char window[NUMBER_SIZE];
    char retention[NUMBER_SIZE];
    char ack_floor[NUMBER_SIZE];
    char history_oldest[NUMBER_SIZE];
    char history_length[NUMBER_SIZE];
    char history_expiry[NUMBER_SIZE];
};

/* What the script is told of one event. */
struct event_text {
    char net[STORE_KEY_SIZE];
    char seen[STORE_KEY_SIZE];
    char order[STORE_KEY_SIZE];
    char history[STORE_KEY_SIZE];
    char kept[STORE_KEY_SIZE];
    char change[NUMBER_SIZE];
    char sequence[NUMBER_SIZE];
    char time[NUMBER_SIZE];
    char stamp[3 * NUMBER_SIZE];
    char update[GIFT_SIZE];
    char payload[GIFT_SIZE];
    char keep[NUMBER_SIZE + ID_MAXIMUM_BYTES];
};

static void write_gift(char out[GIFT_SIZE], const struct store_event *event, const struct store_gift *gift)
{
    out[0] = '\0';
    if (gift->number != 0)
        snprintf(out, GIFT_SIZE, "%" PRIu32 " %" PRIu64 " %" PRIu64 " %" PRId64, event->lane, gift->number,
                 gift->event_id, event->stamp_us);
}

static void write_event(struct event_text *text, const struct store_event *event)
{
    store_user_key(text->net, event->user_id, ":net");
    store_user_key(text->seen, event->user_id, ":seen");
    store_user_key(text->order, event->user_id, ":seen.order");
    store_user_key(text->history, event->user_id, ":history");
    store_user_key(text->kept, event->user_id, ":kept");
    text->change[0] = '\0';
    if (event->counts)
        snprintf(text->change, sizeof text->change, "%" PRId64, event->change);
    snprintf(text->sequence, sizeof text->sequence, "%" PRIu64, event->sequence);
    snprintf(text->time, sizeof text->time, "%" PRId64, event->time_ms);
    snprintf(text->stamp, sizeof text->stamp, "%s%" PRIu32 " %" PRIu64 "/%" PRIu64, event->replay ? "-" : "",
             event->lane, event->user_number, event->industry_number);
    write_gift(text->update, event, &event->update);
    write_gift(text->payload, event, &event->payload);
    text->keep[0] = '\0';
    if (event->keep)
        snprintf(text->keep, sizeof text->keep, "%" PRIu64 " %s", event->keep_id, event->keep);
}

static enum status send_event(struct store *store, const struct rules_text *rules,
                              const struct store_event *event)
{
    struct event_text text;

    write_event(&text, event);
    return store_send_script_slices(store, SCRIPT_APPLY_EVENT,
                                    (const struct slice[]){
                                        SLICE_LITERAL("5"),
                                        slice_from_string(text.net),
                                        slice_from_string(text.seen),
                                        slice_from_string(text.order),
                                        slice_from_string(text.history),
                                        slice_from_string(text.kept),
                                        slice_from_string(event->key),
                                        slice_from_string(text.change),
                                        slice_from_string(text.sequence),
                                        slice_from_string(text.time),
                                        slice_from_string(rules->window),
                                        slice_from_string(rules->retention),
                                        slice_from_string(rules->ack_floor),
                                        slice_from_string(text.stamp),
                                        slice_from_string(rules->history_oldest),
                                        slice_from_string(rules->history_length),
                                        slice_from_string(rules->history_expiry),
                                        slice_from_string(text.update),
                                        slice_from_string(text.payload),
                                        event->frame.data ? event->frame : SLICE_LITERAL(""),
                                        slice_from_string(text.keep),
                                        event->replay ? SLICE_LITERAL("") : SLICE_LITERAL("1"),
                                        event->once ? SLICE_LITERAL("1") : SLICE_LITERAL(""),
                                    },
                                    APPLY_ARGUMENTS);
}

/* "<number on users' subjects>/<number on those that all hear>" */
static void take_first(struct store_event *event, const char *text)
{
    char *end = NULL;

    event->first_user = strtoull(text, &end, 10);
    if (*end == '/')
        event->first_industry = strtoull(end + 1, NULL, 10);
}

static void take_outcome(struct store_event *event, redisReply *const *elements)
{
    int64_t lane = store_integer(elements[4]);

    event->outcome = (enum store_outcome)store_integer(elements[0]);
    event->sum = store_integer(elements[1]);
    event->version = (uint64_t)store_integer(elements[2]);
    event->user_sequence = (uint64_t)store_integer(elements[3]);
    event->first_user = event->first_industry = 0;
    if (elements[5]->type == REDIS_REPLY_STRING)
        take_first(event, elements[5]->str);
    event->first_lane = lane > 0 ? (uint32_t)lane : 0;
    event->replayed = lane < 0;
    event->mine = event->lane != 0 &&
                  lane == (event->replay ? -(int64_t)event->lane : (int64_t)event->lane) &&
                  event->first_user == event->user_number && event->first_industry == event->industry_number;
}

/* *missing is set where the server has lost the script. */
static enum status receive_event(struct store *store, struct store_event *event, bool *missing)
{
    redisReply *reply = NULL;
    enum status status = store_receive_any(store, &reply);

    if (status != STATUS_OK)
        return status;
    if (reply->type == REDIS_REPLY_ARRAY && reply->elements == 6) {
        take_outcome(event, reply->element);
    } else if (reply->type != REDIS_REPLY_ERROR) {
        status = store_fail(store, "the event's script gave an unexpected reply");
    } else if (strncmp(reply->str, "NOSCRIPT", 8) == 0) {
        *missing = true;
    } else if (strstr(reply->str, "WRONGTYPE") || strstr(reply->str, "not an integer")) {
        event->outcome = STORE_FAILED;
        snprintf(store->error, sizeof store->error, "%.150s", reply->str);
    } else {
        status = store_refuse_reply(store, reply);
    }
    freeReplyObject(reply);
    return status;
}

static enum status send_wait(struct store *store)
{
    char replicas[16];
    char limit[24];

    snprintf(replicas, sizeof replicas, "%d", store->options.wait_replicas);
    snprintf(limit, sizeof limit, "%" PRId64, store->options.timeout_ms / 2);
    return store_send(store, (const char *const[]){"WAIT", replicas, limit, NULL});
}

static enum status receive_wait(struct store *store)
{
    redisReply *reply = NULL;
    enum status status = store_receive(store, &reply);
    int64_t replicas;

    if (status != STATUS_OK)
        return status;
    replicas = store_integer(reply);
    freeReplyObject(reply);
    if (replicas >= store->options.wait_replicas)
        return STATUS_OK;
    return store_fail(store, "only %" PRId64 " of %d replicas have the batch (REDIS_WAIT_REPLICAS)", replicas,
                      store->options.wait_replicas);
}

static enum status apply_once(struct store *store, const struct rules_text *rules, struct store_event *events,
                              size_t count, bool *missing)
{
    bool wait = store->options.wait_replicas > 0;
    enum status status = STATUS_OK;

    for (size_t i = 0; i < count && status == STATUS_OK; i++)
        status = send_event(store, rules, &events[i]);
    if (wait && status == STATUS_OK)
        status = send_wait(store);
    for (size_t i = 0; i < count && status == STATUS_OK; i++)
        status = receive_event(store, &events[i], missing);
    if (wait && status == STATUS_OK)
        status = receive_wait(store);
    if (status == STATUS_OK)
        store_measure(store);
    return status;
}

enum status store_apply(struct store *store, const struct store_rules *rules, struct store_event *events,
                        size_t count)
{
    struct rules_text text;
    bool missing = false;
    enum status status;

    snprintf(text.window, sizeof text.window, "%" PRId64, rules->window_ms);
    snprintf(text.retention, sizeof text.retention, "%" PRId64, rules->retention_ms);
    snprintf(text.ack_floor, sizeof text.ack_floor, "%" PRIu64, rules->ack_floor);
    snprintf(text.history_oldest, sizeof text.history_oldest, "%" PRId64,
             clock_wall_ms() - rules->history_window_ms - HISTORY_MARGIN_MS);
    snprintf(text.history_length, sizeof text.history_length, "%" PRId64, rules->history_length + 1);
    snprintf(text.history_expiry, sizeof text.history_expiry, "%" PRId64,
             rules->history_window_ms + HISTORY_MARGIN_MS);
    status = apply_once(store, &text, events, count, &missing);
    if (status != STATUS_OK || !missing)
        return status;
    /* SCRIPT FLUSH: those of the batch that were applied will be found in `seen`. */
    missing = false;
    status = store_load_scripts(store);
    if (status == STATUS_OK)
        status = apply_once(store, &text, events, count, &missing);
    return missing && status == STATUS_OK ? store_fail(store, "Redis keeps forgetting its scripts") : status;
}

/* ---- Reading ---------------------------------------------------------------------------------------- */

static enum status receive_value(struct store *store, struct store_value *value)
{
    redisReply *reply = NULL;
    enum status status = store_receive(store, &reply);

    if (status != STATUS_OK)
        return status;
    value->sum = 0;
    value->version = 0;
    if (reply->type == REDIS_REPLY_ARRAY && reply->elements == 2) {
        value->sum = store_integer(reply->element[0]);
        value->version = (uint64_t)store_integer(reply->element[1]);
    }
    freeReplyObject(reply);
    return STATUS_OK;
}

enum status store_values(struct store *store, struct store_value *values, size_t count)
{
    enum status status = STATUS_OK;
    char key[STORE_KEY_SIZE];

    for (size_t i = 0; i < count && status == STATUS_OK; i++) {
        store_user_key(key, values[i].user_id, ":net");
        status = store_send(store, (const char *const[]){"HMGET", key, "connections", "n", NULL});
    }
    for (size_t i = 0; i < count && status == STATUS_OK; i++)
        status = receive_value(store, &values[i]);
    if (status == STATUS_OK)
        store_measure(store);
    return status;
}

/* ---- Sweeping --------------------------------------------------------------------------------------- */

struct sweep {
    char oldest[24];
    char ack_floor[24];
    uint64_t forgotten;
};

static enum status prune_user(struct store *store, const struct sweep *sweep, const redisReply *key)
{
    static const char suffix[] = ".order";
    char seen[STORE_KEY_SIZE];

    /* SCAN's pattern made sure of the suffix; a foreign key may be longer than any of ours. */
    if (key->type != REDIS_REPLY_STRING || (size_t)key->len >= sizeof seen ||
        (size_t)key->len < sizeof suffix)
        return STATUS_NOT_FOUND;
    memcpy(seen, key->str, key->len);
    seen[key->len - (sizeof suffix - 1)] = '\0';
    return store_send_script(
        store, SCRIPT_PRUNE_SEEN,
        (const char *const[]){"2", seen, key->str, sweep->oldest, sweep->ack_floor, SWEEP_ENTRIES, NULL});
}

static enum status prune_users(struct store *store, struct sweep *sweep, const redisReply *keys)
{
    size_t sent = 0;
    redisReply *reply = NULL;
    enum status status = STATUS_OK;

    for (size_t i = 0; i < keys->elements; i++) {
        status = prune_user(store, sweep, keys->element[i]);
        if (status == STATUS_OK)
            sent++;
        else if (status != STATUS_NOT_FOUND)
            return status;
    }
    for (size_t i = 0; i < sent; i++) {
        status = store_receive_any(store, &reply);
        if (status != STATUS_OK)
            return status;
        if (reply->type == REDIS_REPLY_INTEGER)
            sweep->forgotten += (uint64_t)reply->integer;
        freeReplyObject(reply);
    }
    return STATUS_OK;
}

enum status store_sweep(struct store *store, uint64_t *cursor, int64_t oldest_ms, uint64_t ack_floor,
                        uint64_t *ret_forgotten)
{
    struct sweep sweep = {.forgotten = 0};
    char from[24];
    redisReply *reply = NULL;
    enum status status;

    snprintf(sweep.oldest, sizeof sweep.oldest, "%" PRId64, oldest_ms);
    snprintf(sweep.ack_floor, sizeof sweep.ack_floor, "%" PRIu64, ack_floor);
    snprintf(from, sizeof from, "%" PRIu64, *cursor);
    status = store_send(store, (const char *const[]){"SCAN", from, "MATCH", "p8:{u.*}:seen.order", "COUNT",
                                                     SWEEP_KEYS, NULL});
    if (status == STATUS_OK)
        status = store_receive(store, &reply);
    if (status != STATUS_OK)
        return status;
    if (reply->type == REDIS_REPLY_ARRAY && reply->elements == 2 &&
        reply->element[0]->type == REDIS_REPLY_STRING) {
        *cursor = strtoull(reply->element[0]->str, NULL, 10);
        status = prune_users(store, &sweep, reply->element[1]);
    } else {
        status = store_fail(store, "SCAN gave an unexpected reply");
    }
    freeReplyObject(reply);
    store_measure(store);
    *ret_forgotten = sweep.forgotten;
    return status;
}
