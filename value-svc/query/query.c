/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * message -> queue -> reader: whose value? -> one pipeline -> snapshot or {userId,newValue,connections}.
 */
#include "query/query.h"

#include <inttypes.h>
#include <stdlib.h>

#include "common/bus/subject.h"
#include "common/clock.h"
#include "common/log.h"
#include "event/delivery.h"
#include "event/value.h"
#include "presence.pb-c.h"
#include "query/presence.h"
#include "query/query_question.h"
#include "query/query_reader.h"
#include "submit/reply.h"

#define BATCH_MAXIMUM  256
#define ANSWER_MAXIMUM 2048 /* an id of 128 bytes, escaped sixfold */

/* A different name than that of pollen8.session.open, which the wildcard also covers. For the broker, all
 * queue subscriptions of one name are one group, whatever their subjects, and only one member
 * gets a message. */
#define QUEUE_PRESENCE "value-svc-presence"

struct asker {
    enum query_kind kind;
    struct slice reply;
    uint64_t id;
};

struct query {
    struct service *service;
    struct query_reader reader;
    struct bus_subscription *subscriptions[5];

    /* Delivery thread only. */
    struct batch_answers refusals;

    /* Reader thread only. */
    struct batch_answers answers;
    struct wire_arena arena;
    struct buf answer;
    struct question questions[BATCH_MAXIMUM];
    struct store_value values[BATCH_MAXIMUM];
    struct query_item *items[BATCH_MAXIMUM];
    struct store_entered entered[BATCH_MAXIMUM];
    struct store_opening openings[BATCH_MAXIMUM];
    size_t opening_questions[BATCH_MAXIMUM]; /* whose they are */
};

/* ---- delivery thread -------------------------------------------------------------------------------- */

static void refuse(struct query *query, struct batch_answers *answers, const struct asker *asker,
                   enum status refusal, const char *message)
{
    struct bus *bus = query->service->bus;
    metric_add(metrics_cell(query->service->metrics, VALUE_QUERIES, status_code(refusal)), 1);
    if (asker->kind == QUERY_SESSION_OPEN)
        reply_session_refused(answers, asker->reply, asker->id, refusal, message);
    else if (asker->kind == QUERY_VALUE_GET || asker->kind == QUERY_INVITE_SEEN)
        reply_frame_refused(bus, asker->reply, refusal, message);
}

static void put_item(struct query *query, enum query_kind kind, const struct bus_message *message,
                     uint64_t id)
{
    const struct asker asker = {.kind = kind, .reply = message->reply, .id = id};
    struct query_item *item = query_item_copy(kind, message);
    if (item)
        item->id = id;
    if (item && query_queue_put(query->reader.queue, item) == STATUS_OK)
        return;
    free(item);
    log_event_limited(LOG_WARN, "too many queries waiting for Redis");
    refuse(query, &query->refusals, &asker, STATUS_UNAVAILABLE, NULL);
}

static void put(struct query *query, enum query_kind kind, const struct bus_message *message)
{
    put_item(query, kind, message, 0);
}

static void on_query_open(void *context, const struct bus_message *message)
{
    put(context, QUERY_SESSION_OPEN, message);
}

static void on_query_opening(void *context, struct slice reply, uint64_t id, struct slice body)
{
    const struct bus_message message = {.reply = reply, .data = body};
    if (id != 0)
        put_item(context, QUERY_SESSION_OPEN, &message, id);
}

static void on_query_open_batch(void *context, const struct bus_message *message)
{
    struct query *query = context;
    batch_read(&query->refusals, message->reply, message->data, on_query_opening, query);
}

static void on_query_value_get(void *context, const struct bus_message *message)
{
    put(context, QUERY_VALUE_GET, message);
}

static void on_query_invite_seen(void *context, const struct bus_message *message)
{
    put(context, QUERY_INVITE_SEEN, message);
}

static void on_query_news(void *context, const struct bus_message *message)
{
    /* pollen8.session.* also covers the request, which has its own subscription. */
    if (slice_equal_string(message->subject, SUBJECT_SESSION_OPEN))
        return;
    char type[32];
    if (bus_header(message, "Pollen8-Type", type, sizeof(type)) != STATUS_OK)
        type[0] = '\0';
    if (strcmp(type, "SessionClosed") == 0)
        put(context, QUERY_LEFT, message);
    else if (strcmp(type, "FramesWritten") == 0)
        put(context, QUERY_WRITTEN, message);
    else if (strcmp(type, "SessionsEnded") == 0)
        put(context, QUERY_ENDED, message);
    else
        put(context, QUERY_HEARTBEAT, message);
}

/* ---- reader: answers -------------------------------------------------------------------------------- */

static void count_answer(struct query *query, struct question *question)
{
    question->answered = true;
    metric_add(metrics_cell(query->service->metrics, VALUE_QUERIES, "ok"), 1);
    if (question->wants_value)
        metrics_add(query->service->metrics, VALUE_VALUE_CALCULATIONS, 1);
}

static void answer_session(struct query *query, struct question *question, const struct store_opened *opened)
{
    const struct store_value *value = &query->values[question->value];
    const struct delivery_value current = {
        .sum = value->sum, .epoch = store_epoch(query->reader.store), .version = value->version};
    count_answer(query, question);
    Pollen8__OutboundFrame snapshot = POLLEN8__OUTBOUND_FRAME__INIT;
    snapshot.published_at_us = clock_wall_us();
    if (!question->wants_value)
        opening_answer(query->service->bus, &query->answers, &question->opening, opened, current.epoch, NULL);
    else if (delivery_update_frame(question->user_id, &current, &query->answer, &snapshot) == STATUS_OK)
        opening_answer(query->service->bus, &query->answers, &question->opening, opened, current.epoch,
                       &snapshot);
}

static enum status answer_value(struct query *query, const struct question *question)
{
    int64_t sum = query->values[question->value].sum;
    char number[VALUE_TEXT_SIZE];
    value_format(sum, number);
    buf_clear(&query->answer);
    enum status status = buf_append_string(&query->answer, "{\"userId\":");
    if (status == STATUS_OK)
        status = buf_append_json_string(&query->answer, slice_from_string(question->user_id));
    if (status == STATUS_OK)
        status = buf_append_format(&query->answer, ",\"newValue\":%s,\"connections\":%" PRId64 "}", number,
                                   value_connections(sum));
    return status == STATUS_OK
               ? reply_frame(query->service->bus, question->item->reply, buf_slice(&query->answer))
               : status;
}

static void refuse_question(struct query *query, struct question *question)
{
    const struct asker asker = {
        .kind = question->item->kind, .reply = question->item->reply, .id = question->item->id};
    question->answered = true;
    refuse(query, &query->answers, &asker, question->status, question->message);
}

/* Redis could not be read for it. */
static void set_unavailable(struct question *question)
{
    question->status = STATUS_UNAVAILABLE;
    question->message = NULL;
}

/* ---- reader: Redis ---------------------------------------------------------------------------------- */

/* A connection that Redis closed fails at its next use, so try twice. */
static enum status read_values(struct query *query, size_t count)
{
    enum status status = STATUS_DISCONNECTED;
    for (int attempt = 0; attempt < 2 && status != STATUS_OK; attempt++) {
        if (!query_reader_ready(&query->reader) || service_withholds(query->service, query->reader.store))
            return STATUS_DISCONNECTED;
        status = store_values(query->reader.store, query->values, count);
    }
    return status;
}

static void handle_written(struct query *query, const struct query_item *item)
{
    const ProtobufCMessage *message = NULL;
    if (query->service->config.invite_keep != KEEP_UNTIL_WRITTEN ||
        wire_unpack(&query->arena, &pollen8__frames_written__descriptor, item->data, &message) != STATUS_OK)
        return;
    const Pollen8__FramesWritten *written = (const Pollen8__FramesWritten *)message;
    if (id_valid(slice_from_string(written->user_id)))
        store_forget_written(query->reader.store, written->user_id, written->event_ids, written->n_event_ids);
}

/* Handles a message that expects no answer. False: it is a question. */
static bool handle_news(struct query *query, const struct query_item *item)
{
    if (item->kind != QUERY_HEARTBEAT && item->kind != QUERY_LEFT && item->kind != QUERY_WRITTEN &&
        item->kind != QUERY_ENDED)
        return false;
    if (!query_reader_ready(&query->reader))
        return true;
    if (item->kind == QUERY_WRITTEN)
        handle_written(query, item);
    else if (item->kind == QUERY_ENDED)
        opening_ended(query->reader.store, &query->arena, item->data,
                      query->service->config.history_window_ms);
    else if (item->kind == QUERY_HEARTBEAT)
        presence_store(query->reader.store, &query->arena, item->data);
    else
        presence_left(query->service, query->reader.store, &query->arena, item->data);
    return true;
}

/* Best effort: the gateway's next heartbeat repeats it. */
static void note_entered(struct query *query, size_t question_count)
{
    size_t count = 0;
    for (size_t i = 0; i < question_count; i++) {
        const struct question *question = &query->questions[i];
        if (question->status == STATUS_OK && question->item->kind == QUERY_SESSION_OPEN &&
            question->wants_value && question->opening.gateway[0] != '\0')
            query->entered[count++] =
                (struct store_entered){.gateway = question->opening.gateway, .user_id = question->user_id};
    }
    if (count > 0)
        presence_entered(query->reader.store, query->entered, count);
}

static void on_query_opened(void *context, size_t index, const struct store_opened *opened)
{
    struct query *query = context;
    answer_session(query, &query->questions[query->opening_questions[index]], opened);
}

static void open_sessions(struct query *query, size_t question_count)
{
    enum status status = STATUS_DISCONNECTED;
    for (int attempt = 0; attempt < 2 && status != STATUS_OK; attempt++) {
        size_t count = 0;
        for (size_t i = 0; i < question_count; i++) {
            const struct question *question = &query->questions[i];
            if (question->item->kind != QUERY_SESSION_OPEN || question->status != STATUS_OK ||
                question->answered)
                continue;
            opening_ask(&question->opening, query->service->config.history_window_ms,
                        &query->openings[count]);
            query->opening_questions[count++] = i;
        }
        if (count == 0 || !query_reader_ready(&query->reader))
            return;
        status = store_open_sessions(query->reader.store, query->openings, count, on_query_opened, query);
    }
}

static enum status see_invite(struct query *query, const struct question *question)
{
    enum status status = STATUS_DISCONNECTED;
    for (int attempt = 0; attempt < 2 && status != STATUS_OK && query_reader_ready(&query->reader); attempt++)
        status = store_forget_named(query->reader.store, question->user_id, question->invite_id);
    return status;
}

static void settle(struct query *query, struct question *question)
{
    if (question->answered)
        return;
    if (question->status == STATUS_OK && question->item->kind == QUERY_SESSION_OPEN)
        set_unavailable(question);
    if (question->status == STATUS_OK && question->item->kind == QUERY_INVITE_SEEN &&
        see_invite(query, question) != STATUS_OK)
        set_unavailable(question);
    if (question->status != STATUS_OK) {
        refuse_question(query, question);
        return;
    }
    count_answer(query, question);
    if (question->item->kind == QUERY_VALUE_GET)
        answer_value(query, question);
    else
        reply_frame(query->service->bus, question->item->reply, SLICE_LITERAL("{}"));
}

/* Reads the questions; returns how many there are. */
static size_t read_questions(struct query *query, size_t item_count, size_t *ret_value_count)
{
    size_t count = 0;
    size_t value_count = 0;
    for (size_t i = 0; i < item_count; i++) {
        struct question *question = &query->questions[count];
        if (handle_news(query, query->items[i]))
            continue;
        question_read(&query->arena, query->items[i], question);
        if (question->status == STATUS_OK && question->wants_value) {
            question->value = value_count;
            query->values[value_count++] = (struct store_value){.user_id = question->user_id};
        }
        count++;
    }
    *ret_value_count = value_count;
    return count;
}

static void handle(struct query *query, size_t item_count)
{
    size_t value_count;
    size_t count = read_questions(query, item_count, &value_count);
    bool unavailable = value_count > 0 && read_values(query, value_count) != STATUS_OK;
    for (size_t i = 0; i < count; i++) {
        struct question *question = &query->questions[i];
        if (question->status == STATUS_OK && question->wants_value &&
            (unavailable || query->values[question->value].broken))
            set_unavailable(question);
    }
    open_sessions(query, count);
    for (size_t i = 0; i < count; i++)
        settle(query, &query->questions[i]);
    batch_answers_flush(&query->answers);
    if (!unavailable)
        note_entered(query, count);
}

static void *run_query(void *context)
{
    struct query *query = context;
    size_t count;
    while ((count = query_queue_take(query->reader.queue, query->items, BATCH_MAXIMUM)) > 0) {
        metrics_set(query->service->metrics, VALUE_QUERY_QUEUE,
                    (int64_t)query_queue_length(query->reader.queue));
        handle(query, count);
        for (size_t i = 0; i < count; i++)
            free(query->items[i]);
    }
    return NULL;
}

/* ---- life ------------------------------------------------------------------------------------------- */

static void on_query_answer(void *context, struct slice reply, const void *data, size_t length)
{
    bus_respond(((struct query *)context)->service->bus, reply, data, length);
}

static enum status subscribe(struct query *query)
{
    struct bus *bus = query->service->bus;
    char value_get[SUBJECT_SIZE];
    enum status status = subject_make(value_get, SUBJECT_IN, SLICE_LITERAL(EVENT_VALUE_GET));
    char invite_seen[SUBJECT_SIZE];
    if (status == STATUS_OK)
        status = subject_make(invite_seen, SUBJECT_IN, SLICE_LITERAL(EVENT_INVITE_SEEN));
    if (status == STATUS_OK)
        status = bus_subscribe(bus, invite_seen, QUEUE_VALUE, on_query_invite_seen, query,
                               &query->subscriptions[3]);
    if (status == STATUS_OK)
        status = bus_subscribe(bus, SUBJECT_SESSION_OPEN, QUEUE_VALUE, on_query_open, query,
                               &query->subscriptions[0]);
    if (status == STATUS_OK)
        status = bus_subscribe(bus, SUBJECT_OPEN_BATCH, QUEUE_VALUE, on_query_open_batch, query,
                               &query->subscriptions[4]);
    if (status == STATUS_OK)
        status =
            bus_subscribe(bus, value_get, QUEUE_VALUE, on_query_value_get, query, &query->subscriptions[1]);
    if (status == STATUS_OK)
        status = bus_subscribe(bus, SUBJECT_SESSION_ANY, QUEUE_PRESENCE, on_query_news, query,
                               &query->subscriptions[2]);
    return status;
}

enum status query_create(struct service *service, struct query **ret_query)
{
    struct query *query = calloc(1, sizeof(*query));
    if (!query)
        return STATUS_NO_MEMORY;
    query->service = service;
    buf_init(&query->answer, ANSWER_MAXIMUM);
    batch_answers_init(&query->answers, on_query_answer, query);
    batch_answers_init(&query->refusals, on_query_answer, query);
    if (query_reader_init(&query->reader, service, service->config.query_queue,
                          "Redis cannot be used for snapshots") != STATUS_OK) {
        query_free(query);
        return STATUS_NO_MEMORY;
    }
    query_reader_start(&query->reader, run_query, query);
    *ret_query = query;
    return subscribe(query);
}

void query_finish(struct query *query)
{
    query_reader_finish(&query->reader);
}

void query_free(struct query *query)
{
    if (!query)
        return;
    query_reader_done(&query->reader);
    wire_arena_done(&query->arena);
    batch_answers_done(&query->answers);
    batch_answers_done(&query->refusals);
    buf_done(&query->answer);
    free(query);
}
