/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * Requests that arrive several in one message (proto/batch.proto), and their answers, gathered by receiver:
 * answers given together leave in one message. One thread each.
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
#define BATCH_BYTES       65536 /* above it an answer starts the next message */
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

/* Gathered answers are dropped. */
void batch_answers_done(struct batch_answers *answers);

/* `id` 0: the request was a message of its own, and its answer is sent at once. STATUS_NO_MEMORY: the answer
 * is lost. */
enum status batch_answers_add(struct batch_answers *answers, struct slice reply, uint64_t id,
                              struct slice answer);
void batch_answers_flush(struct batch_answers *answers);

/* Calls `take` for each item of a Batch received with this reply subject, then flushes the answers given
 * during the calls. An empty Batch is a probe, and is answered. `take` ignores items without an id. A body's
 * bytes are valid during its call. STATUS_MALFORMED, STATUS_NO_MEMORY: nothing was handed out. */
typedef void batch_take_fn(void *context, struct slice reply, uint64_t id, struct slice body);
enum status batch_read(struct batch_answers *answers, struct slice reply, struct slice bytes,
                       batch_take_fn *take, void *context);

/* Appends an item to a Batch. STATUS_NO_MEMORY, STATUS_FULL; part of it may have been appended to `item`,
 * which is used for packing. */
enum status batch_append(struct buf *batch, struct buf *item, uint64_t id, struct slice body);

#endif
