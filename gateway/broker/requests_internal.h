/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * What the parts of `questions` share: questions.c has the slots and the connection, questions_gather.c puts
 * those of one kind together into one message. Loop thread.
 */
#ifndef POLLEN8_GATEWAY_BROKER_REQUESTS_INTERNAL_H
#define POLLEN8_GATEWAY_BROKER_REQUESTS_INTERNAL_H

#include "base/timer_wheel.h"
#include "broker/link/broker_link.h"
#include "broker/requests.h"
#include "common/base64url.h"
#include "common/bus/batch.h"
#include "common/bus/bus.h"
#include "common/wire.h"

#define INBOX_BYTES  15
#define INBOX_LENGTH (sizeof("_INBOX.") - 1 + BASE64URL_LENGTH(INBOX_BYTES))
#define REPLY_SIZE   (INBOX_LENGTH + SUBJECT_ID_LENGTH + 1)
#define GATHERS      2

struct gather;

/* What awaits answers in a slot: a question, or a message of several. */
struct request {
    struct wheel_timer timer; /* its deadline */
    bus_reply_fn *callback;   /* NULL: a message of several */
    void *context;
    struct requests *questions;
    struct gather *gather; /* whose message on its way this is; NULL: none's */
    uint32_t slot;
    uint32_t left;  /* of a message of several: answers that have not come */
    uint64_t ids[]; /* of a message of several */
};

/* Questions of one kind. */
struct gather {
    const char *subject;
    const char *batch_subject;
    struct requests *questions;
    struct wheel_timer ask_again; /* whether somebody takes several */
    struct wheel_timer timer;     /* until when the gathered may wait */
    bool possible;                /* somebody takes several */
    bool due;                     /* the gathered have waited for long enough */
    bool secret;                  /* one of them is */
    uint32_t timeout_ms;          /* the longest of theirs */
    unsigned on_the_way;          /* messages without an answer yet */
    size_t count;
    uint64_t ids[BATCH_ITEMS];
    struct buf items; /* a Batch */
    struct buf item;
};

struct requests {
    struct gateway *gateway;
    struct broker_link *link; /* NULL: the sender asks */
    struct slot *slots;
    uint32_t used; /* slots ever used */
    uint32_t capacity;
    uint32_t free;
    struct gather gathers[GATHERS];
    struct wire_arena arena;
    char inbox[INBOX_LENGTH + 1];
};

/* ---- questions.c ---- */

/* Puts it into a slot. STATUS_FULL, STATUS_NO_MEMORY: it is still the caller's. */
enum status request_put(struct requests *questions, struct request *question);
uint64_t request_id(const struct request *question);
struct request *request_find(const struct requests *questions, uint64_t id);

/* Publishes; the answers come for `question`. */
enum status request_publish(const struct request *question, const char *subject, struct slice data,
                            bool secret);

/* Out of its slot, freed; the callback, where there is one, is called. */
void request_end(struct request *question, enum status status, const struct bus_message *answer);

/* ---- questions_gather.c ---- */

void gathers_init(struct requests *questions);
void gathers_done(struct requests *questions);

/* The connection is there, or is lost. */
void gathers_start(struct requests *questions);
void gathers_stop(struct requests *questions);

/* The kind that the subject is of, where several may be asked at once; else NULL. */
struct gather *gather_of(struct requests *questions, const char *subject);

/* Adds a question that has its slot. STATUS_FULL: it has to be asked alone. */
enum status gather_add(struct gather *gather, const struct request *question, struct slice data, bool secret,
                       uint32_t timeout_ms);

/* A message of a kind has been answered, or never will be. */
void gather_answered(struct request *question);

/* What came for a message of several, or that nobody takes such. */
void gather_take(struct request *message, const struct broker_operation *operation);
void gather_over(struct request *message, enum status status);

/* At the end of a turn. */
void gathers_turn(struct requests *questions);

#endif
