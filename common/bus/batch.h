/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * Answers to requests that may have come many in one message (proto/batch.proto), put together by whom they
 * go to: what is answered at once leaves in one message. One thread each.
 *
 *   batch_answers_init(&answers, respond, context);
 *   batch_answers_add(&answers, reply, id, answer); ...
 *   batch_answers_flush(&answers);                   // before what is borrowed ends, or somebody waits
 */
#ifndef POLLEN8_COMMON_BUS_BATCH_H
#define POLLEN8_COMMON_BUS_BATCH_H

#include <stdint.h>

#include "common/buf.h"
#include "common/bus/subject.h"
#include "common/wire.h"

#define BATCH_ITEMS       64    /* in one message */
#define BATCH_BYTES       65536 /* beyond which nothing is added to one */
#define FIELD_BATCH_ITEMS 1     /* its number */

typedef void batch_respond_fn(void *context, struct slice reply, const void *data, size_t length);

struct batch_answers {
    batch_respond_fn *respond;
    void *context;
    size_t reply_length;
    char reply[SUBJECT_SIZE]; /* whose answers are gathered */
    struct buf items;
    struct buf item;
    struct wire_arena arena; /* the Batch that is read */
};

void batch_answers_init(struct batch_answers *answers, batch_respond_fn *respond, void *context);

/* What is gathered is dropped. */
void batch_answers_done(struct batch_answers *answers);

/* `id` 0: the request was a message of its own, and its answer goes at once. STATUS_NO_MEMORY: it is lost. */
enum status batch_answers_add(struct batch_answers *answers, struct slice reply, uint64_t id,
                              struct slice answer);
void batch_answers_flush(struct batch_answers *answers);

/* Hands out what is in a Batch that came with this reply subject, answers one that is empty (whether somebody
 * is there), and flushes what was answered meanwhile. Items without an id are for `take` to leave. The bytes
 * of a body last as long as its call. STATUS_MALFORMED, STATUS_NO_MEMORY: nothing was handed out. */
typedef void batch_take_fn(void *context, struct slice reply, uint64_t id, struct slice body);
enum status batch_read(struct batch_answers *answers, struct slice reply, struct slice bytes,
                       batch_take_fn *take, void *context);

/* Appends an item to a Batch. STATUS_NO_MEMORY, STATUS_FULL; part of it may have been appended to `item`,
 * which is used for packing. */
enum status batch_append(struct buf *batch, struct buf *item, uint64_t id, struct slice body);

#endif
