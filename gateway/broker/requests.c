/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * question -> slot -> PUB <subject> <inbox>.<generation and slot in hex> · MSG <inbox>.<the same> -> slot ->
 * callback. A question leaves its slot with its answer, its deadline or the loss of the connection, whichever
 * comes first: so it is answered once.
 */
#include "broker/requests_internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/gateway.h"
#include "broker/reader.h"
#include "broker/sender.h"
#include "common/bus/broker_protocol.h"
#include "common/rng.h"
#include "net/loop.h"

#define SLOTS_START   64
#define SLOTS_MAXIMUM 65536
#define NONE          UINT32_MAX
#define SUBSCRIPTION  1

struct slot {
    struct request *question; /* owned; NULL: free */
    uint32_t generation;
    uint32_t next_free;
};

/* ---- slots -------------------------------------------------------------------------------------------- */

static enum status grow(struct requests *questions)
{
    uint32_t capacity = questions->capacity ? questions->capacity * 2 : SLOTS_START;
    if (capacity > SLOTS_MAXIMUM)
        return STATUS_FULL;
    struct slot *slots = realloc(questions->slots, capacity * sizeof(*slots));
    if (!slots)
        return STATUS_NO_MEMORY;
    questions->slots = slots;
    questions->capacity = capacity;
    return STATUS_OK;
}

enum status request_put(struct requests *questions, struct request *question)
{
    uint32_t index = questions->free;
    if (index == NONE && questions->used == questions->capacity) {
        enum status status = grow(questions);
        if (status != STATUS_OK)
            return status;
    }
    if (index == NONE) {
        index = questions->used++;
        questions->slots[index] = (struct slot){.generation = 1};
    } else {
        questions->free = questions->slots[index].next_free;
    }
    questions->slots[index].question = question;
    question->slot = index;
    return STATUS_OK;
}

uint64_t request_id(const struct request *question)
{
    return (uint64_t)question->questions->slots[question->slot].generation << 32 | question->slot;
}

struct request *request_find(const struct requests *questions, uint64_t id)
{
    uint32_t index = (uint32_t)id;
    if (index >= questions->used || questions->slots[index].generation != (uint32_t)(id >> 32))
        return NULL;
    return questions->slots[index].question;
}

static void take_out(struct request *question)
{
    struct requests *questions = question->questions;
    struct slot *slot = &questions->slots[question->slot];
    timer_wheel_cancel(questions->gateway->wheel, &question->timer);
    slot->question = NULL;
    if (++slot->generation == 0) /* no id is 0 */
        slot->generation = 1;
    slot->next_free = questions->free;
    questions->free = question->slot;
}

void request_end(struct request *question, enum status status, const struct bus_message *answer)
{
    bus_reply_fn *callback = question->callback;
    void *context = question->context;
    gather_answered(question);
    take_out(question);
    free(question);
    if (callback)
        callback(context, status, answer);
}

static void end_all(struct requests *questions, enum status status)
{
    uint32_t used = questions->used; /* what is asked meanwhile is asked elsewhere */
    for (uint32_t i = 0; i < used; i++)
        if (questions->slots[i].question)
            request_end(questions->slots[i].question, status, NULL);
}

static void too_late(void *context, struct wheel_timer *timer)
{
    (void)context;
    request_end((struct request *)(void *)timer, STATUS_TIMEOUT, NULL);
}

/* ---- the connection ----------------------------------------------------------------------------------- */

static void on_subscribe(struct gateway *gateway)
{
    char pattern[INBOX_LENGTH + 3];
    snprintf(pattern, sizeof(pattern), "%s.*", gateway->questions->inbox);
    broker_link_subscribe(gateway->questions->link, pattern, SUBSCRIPTION);
}

static void on_message(struct gateway *gateway, const struct broker_operation *operation)
{
    const struct bus_message message = {
        .subject = operation->subject, .reply = operation->reply, .data = operation->data};
    struct request *question = NULL; /* it may have ended */
    uint64_t id;
    if (subject_reply_id(operation->subject, INBOX_LENGTH, &id))
        question = request_find(gateway->questions, id);
    if (!question)
        return;
    if (!question->callback)
        gather_take(question, operation);
    else if (broker_no_responders(operation))
        request_end(question, STATUS_NO_RESPONDERS, NULL);
    else
        request_end(question, STATUS_OK, &message);
}

static bool is_ready(struct gateway *gateway)
{
    (void)gateway;
    return true;
}

static void on_event(struct gateway *gateway, enum broker_link_event event)
{
    if (event != BROKER_LINK_LOST) {
        gathers_start(gateway->questions);
        return;
    }
    gathers_stop(gateway->questions);
    end_all(gateway->questions, STATUS_DISCONNECTED);
}

static const struct broker_link_handlers handlers = {
    .subscribe = on_subscribe, .message = on_message, .ready = is_ready, .event = on_event};

/* ---- asking ------------------------------------------------------------------------------------------- */

enum status request_publish(const struct request *question, const char *subject, struct slice data,
                            bool secret)
{
    char reply[REPLY_SIZE];
    subject_reply_make(reply, sizeof(reply), question->questions->inbox, request_id(question));
    return broker_link_publish(question->questions->link, subject, reply, data, secret);
}

static enum status ask(struct request *question, const char *subject, struct slice data, bool secret,
                       uint32_t timeout_ms)
{
    struct requests *questions = question->questions;
    struct gather *gather = gather_of(questions, subject);
    enum status status = request_put(questions, question);
    if (status != STATUS_OK)
        return status;
    if (gather && gather_add(gather, question, data, secret, timeout_ms) == STATUS_OK)
        return STATUS_OK;
    status = request_publish(question, subject, data, secret);
    if (status != STATUS_OK)
        take_out(question);
    else if (gather) {
        question->gather = gather;
        gather->on_the_way++;
    }
    return status;
}

enum status requests_ask(struct requests *questions, const char *subject, struct slice data, bool secret,
                         uint32_t timeout_ms, bus_reply_fn *callback, void *context)
{
    struct gateway *gateway = questions->gateway;
    if (!questions->link || !broker_link_up(questions->link))
        return sender_request(gateway->sender, subject, data, secret, timeout_ms, callback, context);
    struct request *question = calloc(1, sizeof(*question));
    if (!question)
        return STATUS_NO_MEMORY;
    question->questions = questions;
    question->callback = callback;
    question->context = context;
    question->timer.fire = too_late;
    enum status status = ask(question, subject, data, secret, timeout_ms);
    if (status == STATUS_OK)
        timer_wheel_arm(gateway->wheel, &question->timer, gateway->now_ms + timeout_ms);
    else
        free(question);
    return status;
}

void requests_turn(struct requests *questions)
{
    if (!questions || !questions->link)
        return;
    gathers_turn(questions);
    (void)broker_link_turn(questions->link); /* it reads whatever comes */
}

/* ---- life --------------------------------------------------------------------------------------------- */

enum status requests_create(struct gateway *gateway, struct requests **ret_questions)
{
    const struct settings *settings = gateway->settings;
    struct requests *questions = calloc(1, sizeof(*questions));
    char id[BASE64URL_LENGTH(INBOX_BYTES) + 1];
    char name[64];
    if (!questions)
        return STATUS_NO_MEMORY;
    questions->gateway = gateway;
    questions->free = NONE;
    rng_id(id, INBOX_BYTES);
    gathers_init(questions);
    snprintf(questions->inbox, sizeof(questions->inbox), "_INBOX.%s", id);
    *ret_questions = questions;
    if (!reader_on_loop(gateway->reader))
        return STATUS_OK;
    snprintf(name, sizeof(name), "gateway %s questions", settings->gateway_name);
    return broker_link_create(gateway, loop_uv(gateway->loop), settings->nats_url, name, &handlers,
                              &questions->link);
}

void requests_stop(struct requests *questions)
{
    if (!questions)
        return;
    if (questions->link)
        broker_link_stop(questions->link);
    gathers_stop(questions);
    end_all(questions, STATUS_DISCONNECTED);
}

void requests_free(struct requests *questions)
{
    if (!questions)
        return;
    broker_link_free(questions->link);
    gathers_done(questions);
    free(questions->slots);
    free(questions);
}
