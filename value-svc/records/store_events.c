/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * Events and values: a batch is one pipeline, one round trip.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/clock.h"
#include "records/store_history.h"
#include "store/store_internal.h"

#define FIND_KEYS     "1000" /* asked of one SCAN */
#define SWEEP_ENTRIES "500"  /* most entries forgotten of one user in a step */

/* ---- applying --------------------------------------------------------------------------------------- */

#define NUMBER_SIZE     24
#define GIFT_SIZE       96
#define FOR_EVER        "9007199254740991"
#define APPLY_ARGUMENTS 25 /* the number of keys, 6 keys, 18 others */

/* What is the same for all events of a batch. */
struct rules_text {
    char window[NUMBER_SIZE];
    char retention[NUMBER_SIZE];
    char ack_floor[NUMBER_SIZE];
    char history_oldest[NUMBER_SIZE];
    char history_length[NUMBER_SIZE];
    char history_expiry[NUMBER_SIZE];
    char stream_created[NUMBER_SIZE];
};

/* The script's arguments for one event. */
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
        snprintf(text->change, sizeof(text->change), "%" PRId64, event->change);
    snprintf(text->sequence, sizeof(text->sequence), "%" PRIu64, event->sequence);
    snprintf(text->time, sizeof(text->time), "%" PRId64, event->time_ms);
    snprintf(text->stamp, sizeof(text->stamp), "%s%" PRIu32 " %" PRIu64 "/%" PRIu64, event->replay ? "-" : "",
             event->lane, event->user_number, event->industry_number);
    write_gift(text->update, event, &event->update);
    write_gift(text->payload, event, &event->payload);
    text->keep[0] = '\0';
    if (event->keep)
        snprintf(text->keep, sizeof(text->keep), "%" PRIu64 " %s", event->keep_id, event->keep);
}

static enum status send_event(struct store *store, const struct rules_text *rules,
                              const struct store_event *event)
{
    struct event_text text;
    write_event(&text, event);
    return store_send_script_slices(
        store, SCRIPT_APPLY_EVENT,
        (const struct slice[]){
            SLICE_LITERAL("6"),
            slice_from_string(text.net),
            slice_from_string(text.seen),
            slice_from_string(text.order),
            slice_from_string(text.history),
            slice_from_string(text.kept),
            SLICE_LITERAL(STORE_KEY_DUE),
            slice_from_string(event->key),
            slice_from_string(text.change),
            slice_from_string(text.sequence),
            slice_from_string(text.time),
            event->anew ? SLICE_LITERAL(FOR_EVER) : slice_from_string(rules->window),
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
            slice_from_string(rules->stream_created),
        },
        APPLY_ARGUMENTS);
}

/* "<number on users' subjects>/<number on the subjects of all>" */
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

/* The text goes into a header and a log. */
static void note_why(struct store_event *event, const char *text)
{
    size_t length = 0;
    for (; text[length] != '\0' && length + 1 < STORE_WHY_SIZE; length++)
        event->why[length] = text[length] >= ' ' && text[length] <= '~' ? text[length] : '?';
    event->why[length] = '\0';
}

static enum status take_error(struct store *store, struct store_event *event, const redisReply *reply)
{
    enum store_fault fault = store_fault_of(reply);
    if (fault == FAULT_REDIS)
        return store_refuse_reply(store, reply);
    event->outcome = STORE_FAILED;
    event->history_broken = false;
    event->broken = fault == FAULT_KEYS;
    if (event->why)
        note_why(event, reply->str);
    snprintf(store->error, sizeof(store->error), "%.150s", reply->str);
    return STATUS_OK;
}

/* If Redis applied no event of the batch, and blames no user's keys for it, then the fault is Redis'. */
static enum status judge(struct store *store, const struct store_event *events, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (events[i].outcome != STORE_FAILED || events[i].broken)
            return STATUS_OK;
    }
    char why[sizeof(store->error)];
    snprintf(why, sizeof(why), "%s", store->error);
    return count > 0 ? store_fail(store, "Redis refuses: %.150s", why) : STATUS_OK;
}

/* Sets *missing if the server has lost the script. */
static enum status receive_event(struct store *store, struct store_event *event, bool *missing)
{
    redisReply *reply = NULL;
    enum status status = store_receive_any(store, &reply);
    if (status != STATUS_OK)
        return status;
    if (reply->type == REDIS_REPLY_ARRAY && (reply->elements == 6 || reply->elements == 7)) {
        take_outcome(event, reply->element);
        event->history_broken = reply->elements == 7;
    } else if (reply->type != REDIS_REPLY_ERROR) {
        status = store_fail(store, "the event's script gave an unexpected reply");
    } else if (strncmp(reply->str, "NOSCRIPT", 8) == 0) {
        *missing = true;
    } else {
        status = take_error(store, event, reply);
    }
    freeReplyObject(reply);
    return status;
}

static enum status apply_once(struct store *store, const struct rules_text *rules, struct store_event *events,
                              size_t count, bool *missing)
{
    bool wait = store->options.wait_replicas > 0;
    enum status status = STATUS_OK;
    for (size_t i = 0; i < count && status == STATUS_OK; i++)
        status = send_event(store, rules, &events[i]);
    if (wait && status == STATUS_OK)
        status = store_send_wait(store);
    for (size_t i = 0; i < count && status == STATUS_OK; i++)
        status = receive_event(store, &events[i], missing);
    if (wait && status == STATUS_OK)
        status = store_receive_wait(store);
    if (status == STATUS_OK)
        store_measure(store);
    return status;
}

enum status store_apply(struct store *store, const struct store_rules *rules, struct store_event *events,
                        size_t count)
{
    struct rules_text text;
    snprintf(text.window, sizeof(text.window), "%" PRId64, rules->window_ms);
    snprintf(text.retention, sizeof(text.retention), "%" PRId64, rules->retention_ms);
    snprintf(text.ack_floor, sizeof(text.ack_floor), "%" PRIu64, rules->ack_floor);
    snprintf(text.stream_created, sizeof(text.stream_created), "%" PRId64,
             store->world.position.stream_created_ms);
    snprintf(text.history_oldest, sizeof(text.history_oldest), "%" PRId64,
             clock_wall_ms() - rules->history_window_ms - HISTORY_MARGIN_MS);
    snprintf(text.history_length, sizeof(text.history_length), "%" PRId64, rules->history_length + 1);
    snprintf(text.history_expiry, sizeof(text.history_expiry), "%" PRId64,
             rules->history_window_ms + HISTORY_MARGIN_MS);
    bool missing = false;
    enum status status = apply_once(store, &text, events, count, &missing);
    if (status != STATUS_OK || !missing)
        return status == STATUS_OK ? judge(store, events, count) : status;
    /* SCRIPT FLUSH: events of the batch that were already applied will be found in `seen`. */
    missing = false;
    status = store_load_scripts(store);
    if (status == STATUS_OK)
        status = apply_once(store, &text, events, count, &missing);
    if (missing && status == STATUS_OK)
        status = store_fail(store, "Redis keeps forgetting its scripts");
    return status == STATUS_OK ? judge(store, events, count) : status;
}

/* ---- reading ---------------------------------------------------------------------------------------- */

/* A decimal integer, or nothing, which is 0. */
static bool read_number(const redisReply *reply, int64_t *ret_number)
{
    *ret_number = 0;
    if (reply->type == REDIS_REPLY_NIL)
        return true;
    if (reply->type != REDIS_REPLY_STRING)
        return false;
    char *end = NULL;
    *ret_number = strtoll(reply->str, &end, 10);
    return end != reply->str && *end == '\0';
}

static enum status receive_value(struct store *store, struct store_value *value)
{
    redisReply *reply = NULL;
    enum status status = store_receive_any(store, &reply);
    if (status != STATUS_OK)
        return status;
    value->sum = 0;
    int64_t version = 0;
    value->broken =
        !(reply->type == REDIS_REPLY_ARRAY && reply->elements == 2 &&
          read_number(reply->element[0], &value->sum) && read_number(reply->element[1], &version));
    value->version = (uint64_t)version;
    if (reply->type == REDIS_REPLY_ERROR && store_fault_of(reply) != FAULT_KEYS)
        status = store_refuse_reply(store, reply);
    freeReplyObject(reply);
    return status;
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

/* ---- sweeping --------------------------------------------------------------------------------------- */

struct sweep {
    char oldest[NUMBER_SIZE];
    char ack_floor[NUMBER_SIZE];
    char stream_created[NUMBER_SIZE];
};

static enum status prune_user(struct store *store, const struct sweep *sweep, const redisReply *user)
{
    char seen[STORE_KEY_SIZE];
    snprintf(seen, sizeof(seen), "p8:{u.%s}:seen", user->str);
    char order[STORE_KEY_SIZE];
    snprintf(order, sizeof(order), "p8:{u.%s}:seen.order", user->str);
    return store_send_script(store, SCRIPT_PRUNE_SEEN,
                             (const char *const[]){"3", seen, order, STORE_KEY_DUE, sweep->oldest,
                                                   sweep->ack_floor, SWEEP_ENTRIES, user->str,
                                                   sweep->stream_created, NULL});
}

static enum status prune_users(struct store *store, const struct sweep *sweep, const redisReply *users,
                               uint64_t *forgotten)
{
    enum status status = STATUS_OK;
    for (size_t i = 0; i < users->elements && status == STATUS_OK; i++)
        status = prune_user(store, sweep, users->element[i]);
    redisReply *reply = NULL;
    for (size_t i = 0; i < users->elements && status == STATUS_OK; i++) {
        status = store_receive_any(store, &reply);
        if (status != STATUS_OK)
            break;
        if (reply->type == REDIS_REPLY_INTEGER)
            *forgotten += (uint64_t)reply->integer;
        freeReplyObject(reply);
    }
    return status;
}

enum status store_sweep(struct store *store, int64_t oldest_ms, uint64_t ack_floor, size_t *ret_users,
                        uint64_t *ret_forgotten)
{
    struct sweep sweep;
    snprintf(sweep.oldest, sizeof(sweep.oldest), "%" PRId64, oldest_ms);
    snprintf(sweep.ack_floor, sizeof(sweep.ack_floor), "%" PRIu64, ack_floor);
    snprintf(sweep.stream_created, sizeof(sweep.stream_created), "%" PRId64,
             store->world.position.stream_created_ms);
    char before[NUMBER_SIZE + 1];
    snprintf(before, sizeof(before), "(%s", sweep.oldest);
    char most[NUMBER_SIZE];
    snprintf(most, sizeof(most), "%d", STORE_SWEEP_USERS);
    enum status status = store_send(store, (const char *const[]){"ZRANGEBYSCORE", STORE_KEY_DUE, "-inf",
                                                                 before, "LIMIT", "0", most, NULL});
    redisReply *users = NULL;
    if (status == STATUS_OK)
        status = store_receive(store, &users);
    if (status != STATUS_OK)
        return status;
    uint64_t forgotten = 0;
    if (users->type == REDIS_REPLY_ARRAY)
        status = prune_users(store, &sweep, users, &forgotten);
    *ret_users = users->elements;
    *ret_forgotten = forgotten;
    freeReplyObject(users);
    store_measure(store);
    return status;
}

/* "p8:{u.<user>}:seen.order" -> the user; empty for any other key. */
static struct slice user_of(const redisReply *key)
{
    static const char prefix[] = "p8:{u.";
    const char *user = key->str + sizeof(prefix) - 1;
    const char *end = key->type == REDIS_REPLY_STRING ? strchr(key->str, '}') : NULL;
    return end && (size_t)key->len < STORE_KEY_SIZE && end > user ? slice_make(user, (size_t)(end - user))
                                                                  : slice_make("", 0);
}

/* Due at once: the sweep then notes the right time. */
static enum status add_due(struct store *store, const redisReply *keys)
{
    size_t count = 3;
    struct slice *arguments = calloc(count + 2 * keys->elements, sizeof(*arguments));
    if (!arguments)
        return store_fail(store, "out of memory for a step of the sweep");
    arguments[0] = SLICE_LITERAL("ZADD");
    arguments[1] = SLICE_LITERAL(STORE_KEY_DUE);
    arguments[2] = SLICE_LITERAL("NX");
    for (size_t i = 0; i < keys->elements; i++) {
        struct slice user = user_of(keys->element[i]);
        if (user.length == 0)
            continue;
        arguments[count++] = SLICE_LITERAL("0");
        arguments[count++] = user;
    }
    enum status status = STATUS_OK;
    if (count > 3)
        status = store_send_slices(store, arguments, count);
    redisReply *reply = NULL;
    if (count > 3 && status == STATUS_OK)
        status = store_receive(store, &reply);
    freeReplyObject(reply);
    free(arguments);
    return status;
}

enum status store_sweep_find(struct store *store, uint64_t *cursor)
{
    redisReply *reply = NULL;
    enum status status = store_scan(store, cursor, "p8:{u.*}:seen.order", FIND_KEYS, &reply);
    if (status != STATUS_OK)
        return status;
    status = add_due(store, reply->element[1]);
    freeReplyObject(reply);
    store_measure(store);
    return status;
}
