/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * What the parts of `requests` share. Each uses those below it:
 *
 *   requests.c          the connection, and what is asked
 *   requests_gather.c   puts requests of one kind together into one message
 *   requests_slots.c    what awaits an answer, by id
 *
 * Loop thread.
 */
#ifndef POLLEN8_GATEWAY_BROKER_REQUESTS_INTERNAL_H
#define POLLEN8_GATEWAY_BROKER_REQUESTS_INTERNAL_H

#include "base/slots.h"
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

/* What awaits answers in a slot: a request, or a message of several. */
struct request {
    struct wheel_timer timer; /* its deadline */
    bus_reply_fn *callback;   /* NULL: a message of several */
    void *context;
    struct requests *requests;
    struct gather *gather; /* whose message on its way this is; NULL: none's */
    uint64_t id;           /* of its slot; never 0 */
    uint32_t left;         /* of a message of several: answers that have not come */
    uint64_t ids[];        /* of a message of several */
};

/* Requests of one kind. */
struct gather {
    const char *subject;
    const char *batch_subject;
    struct requests *requests;
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
    struct slots slots;       /* what awaits an answer */
    struct gather gathers[GATHERS];
    struct wire_arena arena;
    char inbox[INBOX_LENGTH + 1];
};

/* ---- requests_slots.c ---- */

void requests_slots_init(struct requests *requests);

/* Puts it into a slot. STATUS_FULL, STATUS_NO_MEMORY: it is still the caller's. */
enum status request_put(struct requests *requests, struct request *request);
struct request *request_find(const struct requests *requests, uint64_t id);

/* Publishes; the answers come for `request`. */
enum status request_publish(const struct request *request, const char *subject, struct slice data,
                            bool secret);

/* Out of its slot; it is the caller's. */
void request_take_out(struct request *request);

/* If it is a message of a gather: one that has been answered, or never will be. */
void request_returned(struct request *request);

/* Out of its slot, freed; the callback, if there is one, is called. */
void request_end(struct request *request, enum status status, const struct bus_message *answer);

/* Ends all. What is asked meanwhile is not among them. */
void requests_end_all(struct requests *requests, enum status status);

/* ---- requests_gather.c ---- */

void gathers_init(struct requests *requests);
void gathers_done(struct requests *requests);

/* The connection is there, or is lost. */
void gathers_start(struct requests *requests);
void gathers_stop(struct requests *requests);

/* The kind that the subject is of, where several may be asked at once; else NULL. */
struct gather *gather_of(struct requests *requests, const char *subject);

/* Adds a request that has its slot. STATUS_FULL: it has to be asked alone. */
enum status gather_add(struct gather *gather, const struct request *request, struct slice data, bool secret,
                       uint32_t timeout_ms);

/* What came for a message of several, or that nobody takes such. */
void gather_take(struct request *message, const struct broker_operation *operation);
void gather_over(struct request *message, enum status status);

/* At the end of a turn. */
void gathers_turn(struct requests *requests);

#endif
