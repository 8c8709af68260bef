/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * What the parts of `requests` share. Each uses those below it:
 *
 *   requests.c          the connection, and sending a request
 *   requests_gather.c   combines requests of one kind into one message
 *   requests_slots.c    requests that await an answer, by id
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

/* An entry that awaits answers in a slot: a request, or a message with several. */
struct request {
    struct wheel_timer timer; /* its deadline */
    bus_reply_fn *callback;   /* NULL: a message with several */
    void *context;
    struct requests *requests;
    struct gather *gather; /* the gather whose message this is; NULL: none */
    uint64_t id;           /* of its slot; never 0 */
    uint32_t left;         /* of a message with several: answers still missing */
    uint64_t ids[];        /* of a message with several */
};

/* Requests of one kind. */
struct gather {
    const char *subject;
    const char *batch_subject;
    struct requests *requests;
    struct wheel_timer ask_again; /* when to ask again whether a Batch is accepted */
    struct wheel_timer timer;     /* how long the gathered requests may wait */
    bool possible;                /* a service accepts a Batch */
    bool due;                     /* the gathered requests have waited long enough */
    bool secret;                  /* one of them is secret */
    uint32_t timeout_ms;          /* the longest of theirs */
    unsigned on_the_way;          /* messages without an answer yet */
    size_t count;
    uint64_t ids[BATCH_ITEMS];
    struct buf items; /* a Batch */
    struct buf item;
};

struct requests {
    struct gateway *gateway;
    struct broker_link *link; /* NULL: the sender sends requests */
    struct slots slots;       /* requests that await an answer */
    struct gather gathers[GATHERS];
    struct wire_arena arena;
    char inbox[INBOX_LENGTH + 1];
};

/* ---- requests_slots.c ---- */

void requests_slots_init(struct requests *requests);

/* Puts it into a slot. STATUS_FULL, STATUS_NO_MEMORY: it still belongs to the caller. */
enum status request_put(struct requests *requests, struct request *request);
struct request *request_find(const struct requests *requests, uint64_t id);

/* Publishes; the answers go to `request`. */
enum status request_publish(const struct request *request, const char *subject, struct slice data,
                            bool secret);

/* Takes it out of its slot; it then belongs to the caller. */
void request_take_out(struct request *request);

/* To be called when a request has been answered or never will be: if it is a message of a gather, it no
 * longer counts as on the way. */
void request_returned(struct request *request);

/* Takes it out of its slot and frees it; the callback, if there is one, is called. */
void request_end(struct request *request, enum status status, const struct bus_message *answer);

/* Ends all requests, except those sent while it runs. */
void requests_end_all(struct requests *requests, enum status status);

/* ---- requests_gather.c ---- */

void gathers_init(struct requests *requests);
void gathers_done(struct requests *requests);

/* The connection is up, or is lost. */
void gathers_start(struct requests *requests);
void gathers_stop(struct requests *requests);

/* The gather for the subject, if several requests of its kind may go together; otherwise NULL. */
struct gather *gather_of(struct requests *requests, const char *subject);

/* Adds a request that has its slot. STATUS_FULL: it must be sent alone. */
enum status gather_add(struct gather *gather, const struct request *request, struct slice data, bool secret,
                       uint32_t timeout_ms);

/* Takes the answer to a message with several, or the status that no service accepts one. */
void gather_take(struct request *message, const struct broker_operation *operation);

/* At the end of a turn. */
void gathers_turn(struct requests *requests);

#endif
