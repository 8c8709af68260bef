/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * While ON_THE_WAY messages of a kind have no answer yet, further requests are gathered for WAIT_MS, or until
 * a message is full, and go out together. So a single request never waits, and under load a message carries
 * many. The arrival of an answer does not end the gathering: with small messages broker and services would
 * spend their time on waking up for each, and every answer would come later.
 *
 *   request -> a Batch -> end of the turn -> <subject>.batch ~> a Batch of answers -> each to its request
 *
 * When the connection is up, an empty Batch asks whether any service accepts Batches. If none does (services
 * of an earlier version, or permissions that forbid the subject), each request is sent alone, and the
 * question is repeated from time to time.
 */
#include "broker/requests_internal.h"

#include <stdlib.h>
#include <string.h>

#include "batch.pb-c.h"

#include "base/gateway.h"
#include "common/bus/broker_protocol.h"
#include "common/bus/subject.h"

#define ON_THE_WAY    2
#define WAIT_MS       TIMER_WHEEL_TICK_MS
#define PROBE_WAIT_MS 5000
#define ASK_AGAIN_MS  5000
#define ITEM_OVERHEAD 32    /* its id, tags and lengths, at most */
#define FORBIDDEN_MS  60000 /* there was no reply: the broker may have refused the subject */

static struct request *message_create(struct gather *gather, size_t count, uint32_t timeout_ms);

/* ---- whether a service accepts a Batch
 * ------------------------------------------------------------------ */

static void ask_again(struct gather *gather, uint32_t after_ms)
{
    struct gateway *gateway = gather->requests->gateway;
    gather->possible = false;
    timer_wheel_arm(gateway->wheel, &gather->ask_again, gateway->now_ms + after_ms);
}

static void probe(struct gather *gather)
{
    struct request *message = message_create(gather, 0, PROBE_WAIT_MS);
    if (message && request_publish(message, gather->batch_subject, slice_make("", 0), false) == STATUS_OK)
        return;
    if (message)
        request_end(message, STATUS_DISCONNECTED, NULL);
    ask_again(gather, ASK_AGAIN_MS);
}

static void probe_due(void *context, struct wheel_timer *timer)
{
    (void)context;
    probe(TIMER_OWNER(timer, struct gather, ask_again));
}

/* ---- a message ----------------------------------------------------------------------------------------- */

static void gather_over(struct request *message, enum status status)
{
    struct gather *gather = message->gather; /* NULL: it was partly answered before */
    struct requests *requests = message->requests;
    size_t count = message->left;
    if (gather && status != STATUS_DISCONNECTED && (status == STATUS_NO_RESPONDERS || count == 0))
        ask_again(gather, status == STATUS_NO_RESPONDERS ? ASK_AGAIN_MS : FORBIDDEN_MS);
    for (size_t i = 0; status == STATUS_NO_RESPONDERS && i < count; i++) {
        struct request *request = request_find(requests, message->ids[i]);
        if (request)
            request_end(request, status, NULL);
    }
    request_end(message, status, NULL);
}

static void message_too_late(void *context, struct wheel_timer *timer)
{
    (void)context;
    gather_over(TIMER_OWNER(timer, struct request, timer), STATUS_TIMEOUT);
}

static struct request *message_create(struct gather *gather, size_t count, uint32_t timeout_ms)
{
    struct requests *requests = gather->requests;
    struct request *message = calloc(1, sizeof(*message) + count * sizeof(message->ids[0]));
    if (!message)
        return NULL;
    message->requests = requests;
    message->left = (uint32_t)count;
    memcpy(message->ids, gather->ids, count * sizeof(message->ids[0]));
    message->timer.fire = message_too_late;
    if (request_put(requests, message) != STATUS_OK) {
        free(message);
        return NULL;
    }
    message->gather = gather;
    gather->on_the_way++;
    timer_wheel_arm(requests->gateway->wheel, &message->timer, requests->gateway->now_ms + timeout_ms);
    return message;
}

static void take_item(struct request *message, const Pollen8__BatchItem *item)
{
    const struct bus_message answer = {.data = slice_make(item->body.data, item->body.len)};
    struct request *request = request_find(message->requests, item->id);
    if (message->left > 0)
        message->left--;
    if (request && request->callback)
        request_end(request, STATUS_OK, &answer);
}

void gather_take(struct request *message, const struct broker_operation *operation)
{
    struct requests *requests = message->requests;
    struct gather *gather = message->gather;
    const ProtobufCMessage *unpacked = NULL;
    if (broker_no_responders(operation)) {
        gather_over(message, STATUS_NO_RESPONDERS);
        return;
    }
    if (gather && message->left == 0)
        gather->possible = true;
    request_returned(message);
    if (wire_unpack(&requests->arena, &pollen8__batch__descriptor, operation->data, &unpacked) == STATUS_OK) {
        const Pollen8__Batch *batch = (const Pollen8__Batch *)unpacked;
        for (size_t i = 0; i < batch->n_items; i++)
            take_item(message, batch->items[i]);
    }
    wire_arena_reset(&requests->arena);
    if (message->left == 0)
        request_end(message, STATUS_OK, NULL);
}

/* ---- gathering ----------------------------------------------------------------------------------------- */

static void clear(struct gather *gather)
{
    if (gather->secret && gather->items.data)
        explicit_bzero(gather->items.data, gather->items.length);
    if (gather->secret && gather->item.data)
        explicit_bzero(gather->item.data, gather->item.length);
    buf_clear(&gather->items);
    gather->count = 0;
    gather->secret = gather->due = false;
    gather->timeout_ms = 0;
    timer_wheel_cancel(gather->requests->gateway->wheel, &gather->timer);
}

/* Requests that cannot be sent end by their own deadlines. */
static void send(struct gather *gather)
{
    struct request *message = message_create(gather, gather->count, gather->timeout_ms);
    if (message && request_publish(message, gather->batch_subject, buf_slice(&gather->items),
                                   gather->secret) != STATUS_OK)
        gather_over(message, STATUS_NO_RESPONDERS);
    clear(gather);
}

struct gather *gather_of(struct requests *requests, const char *subject)
{
    for (size_t i = 0; i < GATHERS; i++)
        if (strcmp(requests->gathers[i].subject, subject) == 0)
            return &requests->gathers[i];
    return NULL;
}

/* The bound of a message: the broker's limit counts too. */
static size_t batch_limit(const struct gather *gather)
{
    size_t payload = broker_link_payload_maximum(gather->requests->link);
    return payload < BATCH_BYTES ? payload : BATCH_BYTES;
}

enum status gather_add(struct gather *gather, const struct request *request, struct slice data, bool secret,
                       uint32_t timeout_ms)
{
    size_t limit = batch_limit(gather);
    size_t size = data.length + ITEM_OVERHEAD;
    if (!gather->possible || (gather->on_the_way < ON_THE_WAY && gather->count == 0) || size > limit / 2)
        return STATUS_FULL;
    if (gather->count == BATCH_ITEMS || gather->items.length + size > limit)
        send(gather);
    size_t before = gather->items.length;
    gather->secret |= secret;
    enum status status = batch_append(&gather->items, &gather->item, request->id, data);
    if (status != STATUS_OK) {
        gather->items.length = before;
        return STATUS_FULL;
    }
    gather->ids[gather->count++] = request->id;
    if (timeout_ms > gather->timeout_ms)
        gather->timeout_ms = timeout_ms;
    return STATUS_OK;
}

static void waited(void *context, struct wheel_timer *timer)
{
    (void)context;
    TIMER_OWNER(timer, struct gather, timer)->due = true;
}

static void turn(struct gather *gather)
{
    struct gateway *gateway = gather->requests->gateway;
    if (gather->count == 0)
        return;
    if (gather->due || gather->count == BATCH_ITEMS)
        send(gather);
    else if (!timer_wheel_armed(&gather->timer))
        timer_wheel_arm(gateway->wheel, &gather->timer, gateway->now_ms + WAIT_MS);
}

void gathers_turn(struct requests *requests)
{
    for (size_t i = 0; i < GATHERS; i++)
        turn(&requests->gathers[i]);
}

/* ---- life ---------------------------------------------------------------------------------------------- */

void gathers_start(struct requests *requests)
{
    for (size_t i = 0; i < GATHERS; i++)
        probe(&requests->gathers[i]);
}

void gathers_stop(struct requests *requests)
{
    for (size_t i = 0; i < GATHERS; i++) {
        struct gather *gather = &requests->gathers[i];
        clear(gather);
        gather->possible = false;
        gather->on_the_way = 0;
        timer_wheel_cancel(requests->gateway->wheel, &gather->ask_again);
    }
}

void gathers_init(struct requests *requests)
{
    static const char *const subjects[GATHERS][2] = {{SUBJECT_AUTH_VERIFY, SUBJECT_AUTH_BATCH},
                                                     {SUBJECT_SESSION_OPEN, SUBJECT_OPEN_BATCH}};
    for (size_t i = 0; i < GATHERS; i++) {
        struct gather *gather = &requests->gathers[i];
        gather->subject = subjects[i][0];
        gather->batch_subject = subjects[i][1];
        gather->requests = requests;
        gather->ask_again.fire = probe_due;
        gather->timer.fire = waited;
        buf_init(&gather->items, 2 * BATCH_BYTES);
        buf_init(&gather->item, BATCH_BYTES);
    }
}

void gathers_done(struct requests *requests)
{
    for (size_t i = 0; i < GATHERS; i++) {
        buf_done(&requests->gathers[i].items);
        buf_done(&requests->gathers[i].item);
    }
    wire_arena_done(&requests->arena);
}
