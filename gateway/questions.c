/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * question -> slot -> PUB <subject> <inbox>.<generation and slot in hex> · MSG <inbox>.<the same> -> slot ->
 * callback. A question leaves its slot with its answer, its deadline or the loss of the connection, whichever
 * comes first: so it is answered once.
 */
#include "questions.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../common/base64url.h"
#include "../common/broker_protocol.h"
#include "../common/rng.h"
#include "broker_link.h"
#include "gateway.h"
#include "loop.h"
#include "reader.h"
#include "sender.h"
#include "wheel.h"

#define SLOTS_START   64
#define SLOTS_MAXIMUM 65536
#define NONE          UINT32_MAX
#define INBOX_BYTES   15
#define INBOX_LENGTH  (sizeof("_INBOX.") - 1 + BASE64URL_LENGTH(INBOX_BYTES))
#define ID_DIGITS     16
#define REPLY_SIZE    (INBOX_LENGTH + 1 + ID_DIGITS + 1)
#define SUBSCRIPTION  1

struct question {
    struct wheel_timer timer; /* its deadline */
    bus_reply_fn *callback;
    void *context;
    struct questions *questions;
    uint32_t slot;
};

struct slot {
    struct question *question; /* owned; NULL: free */
    uint32_t generation;
    uint32_t next_free;
};

struct questions {
    struct gateway *gateway;
    struct broker_link *link; /* NULL: the sender asks */
    struct slot *slots;
    uint32_t used; /* slots ever used */
    uint32_t capacity;
    uint32_t free;
    char inbox[INBOX_LENGTH + 1];
};

/* ---- slots -------------------------------------------------------------------------------------------- */

static enum status grow(struct questions *questions)
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

static enum status put(struct questions *questions, struct question *question)
{
    uint32_t index = questions->free;
    if (index == NONE && questions->used == questions->capacity) {
        enum status status = grow(questions);
        if (status != STATUS_OK)
            return status;
    }
    if (index == NONE) {
        index = questions->used++;
        questions->slots[index] = (struct slot){0};
    } else {
        questions->free = questions->slots[index].next_free;
    }
    questions->slots[index].question = question;
    question->slot = index;
    return STATUS_OK;
}

/* Frees the question and its slot; what is to be called is told. */
static void end(struct question *question, enum status status, const struct bus_message *answer)
{
    struct questions *questions = question->questions;
    struct slot *slot = &questions->slots[question->slot];
    struct question ended = *question;
    wheel_cancel(questions->gateway->wheel, &question->timer);
    slot->question = NULL;
    slot->generation++;
    slot->next_free = questions->free;
    questions->free = question->slot;
    free(question);
    ended.callback(ended.context, status, answer);
}

static void end_all(struct questions *questions, enum status status)
{
    uint32_t used = questions->used; /* what is asked meanwhile is asked elsewhere */
    for (uint32_t i = 0; i < used; i++)
        if (questions->slots[i].question)
            end(questions->slots[i].question, status, NULL);
}

static void too_late(void *context, struct wheel_timer *timer)
{
    (void)context;
    end((struct question *)(void *)timer, STATUS_TIMEOUT, NULL);
}

/* The question that the subject of an answer names; NULL: it has ended. */
static struct question *find(const struct questions *questions, struct slice subject)
{
    uint64_t id = 0;
    if (subject.length != REPLY_SIZE - 1)
        return NULL;
    for (const char *c = subject.data + INBOX_LENGTH + 1; c < subject.data + subject.length; c++) {
        if (*c >= '0' && *c <= '9')
            id = id << 4 | (uint64_t)(*c - '0');
        else if (*c >= 'a' && *c <= 'f')
            id = id << 4 | (uint64_t)(*c - 'a' + 10);
        else
            return NULL;
    }
    uint32_t index = (uint32_t)id;
    if (index >= questions->used || questions->slots[index].generation != (uint32_t)(id >> 32))
        return NULL;
    return questions->slots[index].question;
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
    struct question *question = find(gateway->questions, operation->subject);
    if (!question)
        return;
    if (broker_no_responders(operation))
        end(question, STATUS_NO_RESPONDERS, NULL);
    else
        end(question, STATUS_OK, &message);
}

static bool is_ready(struct gateway *gateway)
{
    (void)gateway;
    return true;
}

static void on_event(struct gateway *gateway, enum broker_link_event event)
{
    if (event == BROKER_LINK_LOST)
        end_all(gateway->questions, STATUS_DISCONNECTED);
}

static const struct broker_link_handlers handlers = {
    .subscribe = on_subscribe, .message = on_message, .ready = is_ready, .event = on_event};

/* ---- asking ------------------------------------------------------------------------------------------- */

static enum status ask(struct questions *questions, struct question *question, const char *subject,
                       struct slice data, bool secret)
{
    char reply[REPLY_SIZE];
    enum status status = put(questions, question);
    if (status != STATUS_OK)
        return status;
    struct slot *slot = &questions->slots[question->slot];
    snprintf(reply, sizeof(reply), "%s.%08x%08x", questions->inbox, slot->generation, question->slot);
    status = broker_link_publish(questions->link, subject, reply, data, secret);
    if (status != STATUS_OK) {
        slot->question = NULL;
        slot->next_free = questions->free;
        questions->free = question->slot;
    }
    return status;
}

enum status questions_ask(struct questions *questions, const char *subject, struct slice data, bool secret,
                          uint32_t timeout_ms, bus_reply_fn *callback, void *context)
{
    struct gateway *gateway = questions->gateway;
    if (!questions->link || !broker_link_up(questions->link))
        return sender_request(gateway->sender, subject, data, secret, timeout_ms, callback, context);
    struct question *question = calloc(1, sizeof(*question));
    if (!question)
        return STATUS_NO_MEMORY;
    question->questions = questions;
    question->callback = callback;
    question->context = context;
    question->timer.fire = too_late;
    enum status status = ask(questions, question, subject, data, secret);
    if (status == STATUS_OK)
        wheel_arm(gateway->wheel, &question->timer, gateway->now_ms + timeout_ms);
    else
        free(question);
    return status;
}

void questions_turn(struct questions *questions)
{
    if (questions->link)
        (void)broker_link_turn(questions->link); /* it reads whatever comes */
}

/* ---- life --------------------------------------------------------------------------------------------- */

enum status questions_create(struct gateway *gateway, struct questions **ret_questions)
{
    const struct settings *settings = gateway->settings;
    struct questions *questions = calloc(1, sizeof(*questions));
    char id[BASE64URL_LENGTH(INBOX_BYTES) + 1];
    char name[64];
    if (!questions)
        return STATUS_NO_MEMORY;
    questions->gateway = gateway;
    questions->free = NONE;
    rng_id(id, INBOX_BYTES);
    snprintf(questions->inbox, sizeof(questions->inbox), "_INBOX.%s", id);
    *ret_questions = questions;
    if (!reader_on_loop(gateway->reader))
        return STATUS_OK;
    snprintf(name, sizeof(name), "gateway %s questions", settings->gateway_name);
    return broker_link_create(gateway, loop_uv(gateway->loop), settings->nats_url, name, &handlers,
                              &questions->link);
}

void questions_stop(struct questions *questions)
{
    if (!questions)
        return;
    if (questions->link)
        broker_link_stop(questions->link);
    end_all(questions, STATUS_DISCONNECTED);
}

void questions_free(struct questions *questions)
{
    if (!questions)
        return;
    broker_link_free(questions->link);
    free(questions->slots);
    free(questions);
}
