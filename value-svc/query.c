/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * message -> queue -> reader: whose value? -> one pipeline -> snapshot or {userId,newValue,connections}.
 */
#include "query.h"

#include <inttypes.h>
#include <stdlib.h>

#include "common/check.h"
#include "common/clock.h"
#include "common/json.h"
#include "common/log.h"
#include "common/permission.h"
#include "common/subject.h"
#include "delivery.h"
#include "presence.h"
#include "presence.pb-c.h"
#include "query_queue.h"
#include "reply.h"
#include "value.h"

#define BATCH_MAXIMUM   256
#define ANSWER_MAXIMUM  2048 /* an id of 128 bytes, escaped sixfold */
#define EVENT_VALUE_GET "value.get"

/* Of another name than that of pollen8.session.open, which the wildcard covers too: to the broker, queue
 * subscriptions of one name are one group whatever their subjects, and only one member gets a message. */
#define QUEUE_PRESENCE    "value-svc-presence"
#define GATEWAY_NAME_SIZE 65

/* One question of a batch. */
struct question {
    struct query_item *item;
    enum status status; /* STATUS_OK: to be answered from `value` */
    const char *message;
    size_t value; /* index in reader->values */
    char user_id[ID_MAXIMUM_BYTES + 1];
    char gateway[GATEWAY_NAME_SIZE]; /* where a session has opened; empty: nowhere */
};

struct query {
    struct service *service;
    struct query_queue *queue;
    struct bus_subscription *subscriptions[3];
    pthread_t reader;
    bool reading; /* the thread was started */

    /* Reader thread only. */
    struct store *store;
    int64_t retry_at_ms; /* monotonic; Redis is not tried again before */
    struct wire_arena arena;
    struct buf answer;
    struct question questions[BATCH_MAXIMUM];
    struct store_value values[BATCH_MAXIMUM];
    struct query_item *items[BATCH_MAXIMUM];
    struct store_entered entered[BATCH_MAXIMUM];
};

/* ---- Delivery thread -------------------------------------------------------------------------------- */

static void refuse(struct query *query, enum query_kind kind, struct slice reply, enum status refusal,
                   const char *message)
{
    struct bus *bus = query->service->bus;

    metric_add(metrics_cell(query->service->metrics, VALUE_QUERIES, status_code(refusal)), 1);
    if (kind == QUERY_SESSION_OPEN)
        reply_session_refused(bus, reply, refusal, message);
    else if (kind == QUERY_VALUE_GET)
        reply_frame_refused(bus, reply, refusal, message);
}

static void put(struct query *query, enum query_kind kind, const struct bus_message *message)
{
    struct query_item *item = query_item_copy(kind, message);

    if (item && query_queue_put(query->queue, item) == STATUS_OK)
        return;
    free(item);
    log_event_limited(LOG_WARN, "too many queries wait for Redis");
    refuse(query, kind, message->reply, STATUS_UNAVAILABLE, NULL);
}

static void on_session_open(void *context, const struct bus_message *message)
{
    put(context, QUERY_SESSION_OPEN, message);
}

static void on_value_get(void *context, const struct bus_message *message)
{
    put(context, QUERY_VALUE_GET, message);
}

static void on_session_news(void *context, const struct bus_message *message)
{
    char type[32];

    /* pollen8.session.* covers the request too, which has its own subscription. */
    if (slice_equal_string(message->subject, SUBJECT_SESSION_OPEN))
        return;
    if (bus_header(message, "Pollen8-Type", type, sizeof type) != STATUS_OK)
        type[0] = '\0';
    if (strcmp(type, "SessionClosed") == 0)
        put(context, QUERY_LEFT, message);
    else
        put(context, QUERY_HEARTBEAT, message);
}

/* ---- Reader: what is asked -------------------------------------------------------------------------- */

static enum status take_user(struct question *question, const char *user_id)
{
    size_t length = strlen(user_id);

    if (!id_valid(slice_make(user_id, length)))
        return STATUS_INVALID_PAYLOAD;
    memcpy(question->user_id, user_id, length + 1);
    return STATUS_OK;
}

static enum status read_session_open(struct query *query, struct question *question)
{
    const ProtobufCMessage *message = NULL;
    const Pollen8__SessionOpen *open;
    size_t length;
    enum status status =
        wire_unpack(&query->arena, &pollen8__session_open__descriptor, question->item->data, &message);

    question->message = "not a SessionOpen";
    if (status != STATUS_OK)
        return STATUS_INVALID_PAYLOAD;
    open = (const Pollen8__SessionOpen *)message;
    length = strlen(open->gateway);
    if (length < sizeof question->gateway && event_name_valid(slice_make(open->gateway, length)))
        memcpy(question->gateway, open->gateway, length + 1);
    return take_user(question, open->user_id);
}

/* Nothing, null or {}. */
static bool payload_empty(struct slice data)
{
    json_t *value = NULL;
    bool empty;

    if (data.length == 0)
        return true;
    if (json_parse(data, &value, NULL, 0) != STATUS_OK)
        return false;
    empty = json_is_null(value) || (json_is_object(value) && json_object_size(value) == 0);
    json_decref(value);
    return empty;
}

static enum status read_value_get(struct query *query, struct question *question)
{
    const ProtobufCMessage *message = NULL;
    const Pollen8__InboundFrame *frame;
    enum status status =
        wire_unpack(&query->arena, &pollen8__inbound_frame__descriptor, question->item->data, &message);

    frame = (const Pollen8__InboundFrame *)message;
    question->message = "not an InboundFrame";
    if (status != STATUS_OK || !frame->identity || take_user(question, frame->identity->user_id) != STATUS_OK)
        return STATUS_INVALID_PAYLOAD;
    question->message = NULL;
    if (permission_scope(frame->identity->permissions, frame->identity->n_permissions, "emit",
                         SLICE_LITERAL(EVENT_VALUE_GET)) == PERMISSION_NONE)
        return STATUS_FORBIDDEN;
    question->message = "the payload of value.get must be {}";
    return payload_empty(slice_make(frame->data.data, frame->data.len)) ? STATUS_OK : STATUS_INVALID_PAYLOAD;
}

static void read_question(struct query *query, struct question *question)
{
    wire_arena_reset(&query->arena);
    question->message = NULL;
    question->user_id[0] = question->gateway[0] = '\0';
    if (question->item->kind == QUERY_SESSION_OPEN)
        question->status = read_session_open(query, question);
    else
        question->status = read_value_get(query, question);
}

/* ---- Reader: answers -------------------------------------------------------------------------------- */

static enum status answer_session(struct query *query, const struct question *question)
{
    Pollen8__OutboundFrame snapshot = POLLEN8__OUTBOUND_FRAME__INIT;
    const struct store_value *value = &query->values[question->value];
    const struct delivery_value current = {
        .sum = value->sum, .epoch = store_epoch(query->store), .version = value->version};
    enum status status = delivery_update_frame(question->user_id, &current, &query->answer, &snapshot);

    snapshot.published_at_us = clock_wall_us();
    return status == STATUS_OK ? reply_session(query->service->bus, question->item->reply, &snapshot)
                               : status;
}

static enum status answer_value(struct query *query, const struct question *question)
{
    int64_t sum = query->values[question->value].sum;
    char number[VALUE_TEXT_SIZE];
    enum status status;

    value_format(sum, number);
    buf_clear(&query->answer);
    status = buf_append_string(&query->answer, "{\"userId\":");
    if (status == STATUS_OK)
        status = buf_append_json_string(&query->answer, slice_from_string(question->user_id));
    if (status == STATUS_OK)
        status = buf_append_format(&query->answer, ",\"newValue\":%s,\"connections\":%" PRId64 "}", number,
                                   value_connections(sum));
    return status == STATUS_OK
               ? reply_frame(query->service->bus, question->item->reply, buf_slice(&query->answer))
               : status;
}

static void answer(struct query *query, const struct question *question)
{
    if (question->status != STATUS_OK) {
        refuse(query, question->item->kind, question->item->reply, question->status, question->message);
        return;
    }
    metrics_add(query->service->metrics, VALUE_VALUE_CALCULATIONS, 1);
    metric_add(metrics_cell(query->service->metrics, VALUE_QUERIES, "ok"), 1);
    if (question->item->kind == QUERY_SESSION_OPEN)
        answer_session(query, question);
    else
        answer_value(query, question);
}

/* ---- Reader: Redis ---------------------------------------------------------------------------------- */

/* Connected, without waiting: between attempts askers are told at once. */
static bool redis_ready(struct query *query)
{
    int64_t now = (int64_t)clock_monotonic_ms();

    if (!store_connected(query->store) && now < query->retry_at_ms)
        return false;
    if (service_store_try(query->service, query->store) == STATUS_OK)
        return true;
    query->retry_at_ms = now + store_retry_ms(query->store);
    log_event_limited(LOG_WARN, "Redis cannot be used for snapshots",
                      LOG_S("error", store_error(query->store)));
    return false;
}

/* A connection that Redis closed shows at its next use: so twice. */
static enum status read_values(struct query *query, size_t count)
{
    enum status status = STATUS_DISCONNECTED;

    for (int attempt = 0; attempt < 2 && status != STATUS_OK; attempt++) {
        if (!redis_ready(query) || service_withholds(query->service, query->store))
            return STATUS_DISCONNECTED;
        status = store_values(query->store, query->values, count);
    }
    return status;
}

static bool handle_presence(struct query *query, const struct query_item *item)
{
    if (item->kind != QUERY_HEARTBEAT && item->kind != QUERY_LEFT)
        return false;
    if (!redis_ready(query))
        return true;
    if (item->kind == QUERY_HEARTBEAT)
        presence_store(query->store, &query->arena, item->data);
    else
        presence_left(query->service, query->store, &query->arena, item->data);
    return true;
}

/* Best effort: the gateway's next heartbeat says it again. */
static void note_entered(struct query *query, size_t question_count)
{
    size_t count = 0;

    for (size_t i = 0; i < question_count; i++) {
        const struct question *question = &query->questions[i];
        if (question->status == STATUS_OK && question->gateway[0] != '\0')
            query->entered[count++] =
                (struct store_entered){.gateway = question->gateway, .user_id = question->user_id};
    }
    if (count > 0)
        presence_entered(query->store, query->entered, count);
}

static void handle(struct query *query, size_t item_count)
{
    size_t count = 0;
    size_t value_count = 0;
    bool unavailable;

    for (size_t i = 0; i < item_count; i++) {
        struct question *question = &query->questions[count];

        if (handle_presence(query, query->items[i]))
            continue;
        question->item = query->items[i];
        read_question(query, question);
        if (question->status == STATUS_OK) {
            question->value = value_count;
            query->values[value_count++] = (struct store_value){.user_id = question->user_id};
        }
        count++;
    }
    unavailable = value_count > 0 && read_values(query, value_count) != STATUS_OK;
    for (size_t i = 0; i < count; i++) {
        if (unavailable && query->questions[i].status == STATUS_OK) {
            query->questions[i].status = STATUS_UNAVAILABLE;
            query->questions[i].message = NULL;
        }
        answer(query, &query->questions[i]);
    }
    if (!unavailable)
        note_entered(query, count);
}

static void *run(void *context)
{
    struct query *query = context;
    size_t count;

    while ((count = query_queue_take(query->queue, query->items, BATCH_MAXIMUM)) > 0) {
        metrics_set(query->service->metrics, VALUE_QUERY_QUEUE, (int64_t)query_queue_length(query->queue));
        handle(query, count);
        for (size_t i = 0; i < count; i++)
            free(query->items[i]);
    }
    return NULL;
}

/* ---- Life ------------------------------------------------------------------------------------------- */

static enum status subscribe(struct query *query)
{
    struct bus *bus = query->service->bus;
    char value_get[SUBJECT_SIZE];
    enum status status = subject_make(value_get, SUBJECT_IN, SLICE_LITERAL(EVENT_VALUE_GET));

    if (status == STATUS_OK)
        status = bus_subscribe(bus, SUBJECT_SESSION_OPEN, QUEUE_VALUE, on_session_open, query,
                               &query->subscriptions[0]);
    if (status == STATUS_OK)
        status = bus_subscribe(bus, value_get, QUEUE_VALUE, on_value_get, query, &query->subscriptions[1]);
    if (status == STATUS_OK)
        status = bus_subscribe(bus, SUBJECT_SESSION_ANY, QUEUE_PRESENCE, on_session_news, query,
                               &query->subscriptions[2]);
    return status;
}

enum status query_create(struct service *service, struct query **ret_query)
{
    struct query *query = calloc(1, sizeof *query);

    if (!query)
        return STATUS_NO_MEMORY;
    query->service = service;
    query->store = service_store(service);
    buf_init(&query->answer, ANSWER_MAXIMUM);
    if (!query->store ||
        query_queue_create((size_t)service->config.query_queue, &query->queue) != STATUS_OK) {
        query_free(query);
        return STATUS_NO_MEMORY;
    }
    CHECK(pthread_create(&query->reader, NULL, run, query) == 0);
    query->reading = true;
    *ret_query = query;
    return subscribe(query);
}

void query_finish(struct query *query)
{
    query_queue_close(query->queue);
    if (query->reading)
        pthread_join(query->reader, NULL);
    query->reading = false;
}

void query_free(struct query *query)
{
    if (!query)
        return;
    query_queue_free(query->queue);
    store_free(query->store);
    wire_arena_done(&query->arena);
    buf_done(&query->answer);
    free(query);
}
